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
		permit, err := e.breaker.Allow()
		if err == nil {
			return choice{e, permit}, "", 0
		}
		refused = append(slices.Clip(refused), e)
	}
	for _, e := range tried {
		if e.usable() {
			if permit, err := e.breaker.Allow(); err == nil {
				return choice{e, permit}, "", 0
			}
		}
	}
	start := rand.IntN(len(all))
	for i := range all {
		if e := all[(start+i)%len(all)]; e.down.Load() && !slices.Contains(tried, e) {
			if permit, err := e.breaker.Allow(); err == nil {
				return choice{e, permit}, "", 0
			}
		}
	}
	for _, e := range all {
		if after := e.breaker.Status().RetryAfter; after > 0 && (retryAfter == 0 || after < retryAfter) {
			retryAfter = after
		}
	}
	return choice{}, ReasonBreakerOpen, retryAfter
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
