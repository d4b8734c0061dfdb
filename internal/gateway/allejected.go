package gateway

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// scout takes an endpoint whose breaker is open for one request, every
// recoveryInterval, while no endpoint is usable: what ails all of them at once,
// such as an overload, may be over long before their open periods are, and
// somebody must find out.
func (s *subset) scout(all []*endpoint) (c choice, ok bool) {
	now, last := time.Since(clock), s.scouted.Load()
	if !s.scoutable(all, now) || !s.scouted.CompareAndSwap(last, int64(now)) {
		return choice{}, false
	}
	start := rand.IntN(len(all))
	for i := range all {
		e := all[(start+i)%len(all)]
		if e.ejectedByItself() && e.hold() {
			return choice{endpoint: e, scouts: true}, true
		}
	}
	return choice{}, false
}

// scoutable reports whether it is time for a scout.
func (s *subset) scoutable(all []*endpoint, now time.Duration) bool {
	if slices.ContainsFunc(all, (*endpoint).usable) || !slices.ContainsFunc(all, (*endpoint).ejectedByItself) {
		return false
	}
	last := time.Duration(s.scouted.Load())
	return last == 0 || now-last >= recoveryInterval
}

// returned takes the end of a request that scouted: if it was answered well,
// all ejected endpoints are put back. One that has a fault of its own will be found
// again.
func (s *subset) returned(o *outcome) {
	if o.class != policy.Success {
		return
	}
	for _, e := range *s.endpoints.Load() {
		if e.ejectedByItself() {
			e.breaker.Close("a request was answered well while no endpoint was usable")
		}
	}
}

// ejectedByItself reports whether the endpoint's breaker is open, and not held
// open by an operator.
func (e *endpoint) ejectedByItself() bool {
	b := e.breaker.Status()
	return b.State == policy.BreakerOpen && !b.Forced
}
