package gateway

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// choice is an endpoint with the permission to try it once.
type choice struct {
	endpoint *endpoint
	permit   policy.BreakerPermit
}

// choose picks an endpoint, rather not one that was tried before. It may come
// back to a tried one, and to one that is down when all are: with nothing
// better, a try can only help. It never passes an open breaker; retryAfter then
// says when the first of them will let a probe through.
func (s *service) choose(tried []*endpoint) (c choice, reason Reason, retryAfter time.Duration) {
	all := *s.endpoints.Load()
	if len(all) == 0 {
		return choice{}, ReasonNoEndpoint, 0
	}
	refused := tried
	for range all { // each round ends the choice or refuses one endpoint more
		e := s.candidate(all, refused)
		if e == nil {
			break
		}
		if c, ok := e.take(); ok {
			return c, "", 0
		}
		refused = append(slices.Clip(refused), e)
	}
	if c, ok := lastResort(all, tried); ok {
		return c, "", 0
	}
	for _, e := range all {
		if after := e.breaker.Status().RetryAfter; after > 0 && (retryAfter == 0 || after < retryAfter) {
			retryAfter = after
		}
	}
	return choice{}, ReasonBreakerOpen, retryAfter
}

// take asks for the permission to try the endpoint.
func (e *endpoint) take() (c choice, ok bool) {
	permit, err := e.breaker.Allow()
	if err != nil {
		return choice{}, false
	}
	e.inFlight.Add(1)
	if e.draining.Load() { // removed just now: who drains it may not have counted this try
		e.inFlight.Add(-1)
		permit.Done(policy.Ignored)
		return choice{}, false
	}
	return choice{e, permit}, true
}

// lastResort takes, when no untried endpoint is usable, one that was tried; or
// one that is down, rather one that was not tried.
func lastResort(all, tried []*endpoint) (c choice, ok bool) {
	for _, e := range tried {
		if e.usable() {
			if c, ok := e.take(); ok {
				return c, true
			}
		}
	}
	start := rand.IntN(len(all))
	for _, again := range [...]bool{false, true} {
		for i := range all {
			e := all[(start+i)%len(all)]
			if e.down.Load() && slices.Contains(tried, e) == again {
				if c, ok := e.take(); ok {
					return c, true
				}
			}
		}
	}
	return choice{}, false
}

// candidate is the endpoint that the balance prefers among the usable ones
// that are not refused, or nil.
func (s *service) candidate(all, refused []*endpoint) *endpoint {
	if s.config.Load().Balance == BalanceRoundRobin {
		n := s.turn.Add(1)
		for i := range uint64(len(all)) {
			if e := all[(n+i)%uint64(len(all))]; e.usable() && !slices.Contains(refused, e) {
				return e
			}
		}
		return nil
	}
	var a, b *endpoint // two at random, by reservoir sampling
	seen := 0
	for _, e := range all {
		if !e.usable() || slices.Contains(refused, e) {
			continue
		}
		switch seen++; {
		case seen == 1:
			a = e
		case seen == 2:
			b = e
		default:
			switch rand.IntN(seen) {
			case 0:
				a = e
			case 1:
				b = e
			}
		}
	}
	switch {
	case b == nil:
		return a
	case a.inFlight.Load() == b.inFlight.Load():
		if rand.Uint32()&1 == 0 {
			return a
		}
		return b
	case a.inFlight.Load() < b.inFlight.Load():
		return a
	}
	return b
}
