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
	scouts   bool // for all endpoints, which are ejected
}

// demand is what a try wants.
type demand struct {
	tried []*endpoint // by the same request
	// draw is the hash of what keeps a request at an endpoint, or a random number.
	draw uint64
	at   time.Time // now
	// patient means that it rather waits than asks one that is down.
	patient bool
	// once means that it may not be sent again: then it is no probe, if others may
	// be.
	once bool
}

// choose picks an endpoint, rather not one that was tried before. It may come
// back to a tried one, and to one that is down when all are: with nothing
// better, a try can only help. It passes an open breaker only to scout; else
// retryAfter says when the first of them will let a probe through.
func (s *subset) choose(a demand) (c choice, reason Reason, retryAfter time.Duration) {
	all, tiers, config := *s.endpoints.Load(), *s.tiers.Load(), s.service.config.Load()
	if len(all) == 0 {
		return choice{}, ReasonNoEndpoint, 0
	}
	w := wish{refused: a.tried, now: a.at.Sub(clock), draw: a.draw, panics: s.panics(all, config), once: a.once}
	w.warm = w.now-time.Duration(s.service.begun.Load()) >= config.Warmup
	for range len(all) + 1 { // each round ends the choice, refuses one endpoint more, or is no longer choosy
		e := pick(tiers, w, float64(config.SpillBelow))
		if e == nil && !w.once {
			break
		}
		if e == nil {
			w.once = false
			continue
		}
		if c, ok := e.take(); ok {
			return c, "", 0
		}
		if w.panics && e.hold() {
			return choice{endpoint: e}, "", 0 // although its breaker is open
		}
		w.refused = append(slices.Clip(w.refused), e)
	}
	if c, ok := s.scout(all); ok {
		return c, "", 0
	}
	if !a.patient {
		if c, ok := lastResort(all, a.tried); ok {
			return c, "", 0
		}
	}
	if !slices.ContainsFunc(all, func(e *endpoint) bool { return !e.draining.Load() }) {
		return choice{}, ReasonNoEndpoint, 0
	}
	for _, e := range all {
		if after := e.breaker.Status().RetryAfter; after > 0 && (retryAfter == 0 || after < retryAfter) {
			retryAfter = after
		}
	}
	return choice{}, ReasonBreakerOpen, retryAfter
}

// panics reports whether so few endpoints are usable that the rest would be
// overloaded, if nobody asked those which may be able to serve a little.
func (s *subset) panics(all []*endpoint, c *ServiceConfig) bool {
	if c.PanicBelow <= 0 {
		return false
	}
	usable := 0
	for _, e := range all {
		if e.usable() {
			usable++
		}
	}
	return float64(usable) < float64(c.PanicBelow)*float64(len(all))
}

// take asks for the permission to try the endpoint.
func (e *endpoint) take() (c choice, ok bool) {
	permit, err := e.breaker.Allow()
	if err != nil {
		return choice{}, false
	}
	if !e.hold() {
		permit.Done(policy.Ignored)
		return choice{}, false
	}
	if e.passedOver.Load() != 0 {
		e.passedOver.Store(0)
	}
	return choice{endpoint: e, permit: permit}, true
}

// probeLater is how long requests that may not be sent again leave it to others
// to find out whether an ejected endpoint is well: where there are no others,
// somebody has to.
const probeLater = time.Second

// leaves reports whether a request that may not be sent again leaves the endpoint
// to others, since it would be a probe.
func (e *endpoint) leaves(now time.Duration) bool {
	if s := e.breaker.State(); s == policy.BreakerClosed || s == policy.BreakerRampingUp {
		return false
	}
	first := e.passedOver.Load()
	if first == 0 {
		e.passedOver.CompareAndSwap(0, max(int64(now), 1))
	}
	return first == 0 || now-time.Duration(first) < probeLater
}

// otherUsable reports whether an endpoint is there that was not tried yet.
func (s *subset) otherUsable(tried []*endpoint) bool {
	for _, e := range *s.endpoints.Load() {
		if e.usable() && !contains(tried, e) {
			return true
		}
	}
	return false
}

// hold counts a try in, unless the endpoint was removed just now: who drains it
// may not have counted this try.
func (e *endpoint) hold() bool {
	e.inFlight.Add(1)
	if e.draining.Load() {
		e.inFlight.Add(-1)
		return false
	}
	return true
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
