package gateway

import (
	"time"

	"github.com/afloat-dev/afloat/policy"
)

const (
	// holdLook is how often a request that is held looks for an endpoint, where
	// few are held. Many look less often, so that all of them cost little.
	holdLook = 5 * time.Millisecond
	// goneLook is how often it looks whether its client still wants it.
	goneLook = 50 * time.Millisecond
	// heldMany is how many look less often.
	heldMany = 100
	// heldMax is how many requests to a service may be held.
	heldMax = 10_000
)

// enter takes a place under the service's limit. Where the service has no
// endpoint, such as while its only replica is started again, a request waits
// before it takes one, and then for a place too: a service that is back would
// otherwise refuse most of those that waited for it.
func (x *exchange) enter(s *service, by policy.Caller) (permit policy.AdaptivePermit, err error) {
	endpoints := &x.to.subset.endpoints
	if len(*endpoints.Load()) > 0 || !x.holdUntil(func() bool { return len(*endpoints.Load()) > 0 }) {
		return x.acquire(s, by)
	}
	free := func() bool {
		if inFlight, _, limit := s.concurrency.Counts(); inFlight >= limit {
			return false // looking is no request that is refused
		}
		permit, err = x.acquire(s, by)
		return err == nil
	}
	if free() || x.holdUntil(free) {
		return permit, nil
	}
	return x.acquire(s, by)
}

// held waits for an endpoint where a try finds none, and reports whether there is
// one now.
func (x *exchange) held() bool {
	return x.holdUntil(func() bool { return len(*x.among().endpoints.Load()) > 0 })
}

// holdUntil waits until what a request is held for is there, for what is left of the
// service's hold, and reports whether it is. As many as may be held are; others
// do not wait.
func (x *exchange) holdUntil(there func() bool) bool {
	s := x.to.service
	n := s.held.Add(1)
	defer s.held.Add(-1)
	if n > heldMax {
		return false
	}
	began := time.Now()
	end := began.Add(s.config.Load().Hold - x.record.Decisions.Held)
	if !x.deadline.IsZero() && x.deadline.Before(end) {
		end = x.deadline
	}
	defer func() { x.record.Decisions.Held += time.Since(began) }()
	looked := began
	for now := began; now.Before(end) && !x.lane.cut(); now = time.Now() {
		x.stood = true // how long it took says nothing about the load
		if now.Sub(looked) >= goneLook {
			if looked = now; x.client.gone(false) {
				return false
			}
		}
		time.Sleep(min(holdLook*time.Duration(1+s.held.Load()/heldMany), end.Sub(now)))
		if there() {
			return true
		}
	}
	return false
}
