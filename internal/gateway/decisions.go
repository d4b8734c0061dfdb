package gateway

import (
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// Decisions are what policies decided of a request, beside its tries.
type Decisions struct {
	// Queued is how long it waited for a place under the service's limit, and
	// InFlight and Limit are how many requests were under way and allowed then.
	// They are known where Afloat takes part in the request's trace.
	Queued          time.Duration
	InFlight, Limit int
	// Held is how long it waited for the service to have an endpoint.
	Held time.Duration
	// Stopped is why it was not tried again, although its result allowed that.
	Stopped string
	// HedgeRefused is whether a second try beside the first was wanted, and the
	// budget or the limit had no room for it.
	HedgeRefused bool
	// Cache is what the cache did, as RFC 9211 has it; empty without one.
	Cache string
}

// acquire takes a place under the service's limit.
func (x *exchange) acquire(s *service, by policy.Caller) (policy.AdaptivePermit, error) {
	defer x.presence.rest()
	if !x.record.Trace.joined() {
		return s.concurrency.AcquireAs(x.present(), by, x.left())
	}
	d := &x.record.Decisions
	before := time.Now()
	permit, err := s.concurrency.AcquireAs(x.present(), by, x.left())
	d.Queued = time.Since(before)
	d.InFlight, _, d.Limit = s.concurrency.Counts()
	return permit, err
}
