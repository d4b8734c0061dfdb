package gateway

import (
	"cmp"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/policy"
)

// route is a compiled RouteConfig. It never changes; its policies' states pass
// on to the route of the same name when the configuration does.
type route struct {
	name     string
	match    []matcher
	to       []destination
	weights  int // their sum
	fallback *FallbackConfig
	limit    *policy.RateLimit
	fault    *policy.Fault
	counts   *routeCounts
}

type routeCounts struct{ requests, limited atomic.Uint64 }

// destination is a service as one route uses it.
type destination struct {
	service    *service
	weight     int
	timeout    time.Duration // zero: none
	tryTimeout time.Duration // zero: none
	retry      *policy.Retry
	retryOn    conditions
	observer   RequestObserver
}

// conditions is a set of RetryCondition.
type conditions struct{ connectFailure, reset, unavailable, status5xx, timeout bool }

func newConditions(list []RetryCondition) conditions {
	var c conditions
	for _, one := range list {
		switch one {
		case RetryConnectFailure:
			c.connectFailure = true
		case RetryReset:
			c.reset = true
		case RetryUnavailable:
			c.unavailable = true
		case Retry5xx:
			c.status5xx = true
		case RetryTimeout:
			c.timeout = true
		}
	}
	return c
}

// newRoute compiles a RouteConfig. Old is the route of the same name in force,
// or nil.
func newRoute(c *RouteConfig, name string, old *route, services map[string]*service, observer Observer) *route {
	r := &route{name: name, fallback: c.Fallback, counts: new(routeCounts)}
	if old != nil {
		r.counts = old.counts
	}
	for _, m := range c.Match {
		r.match = append(r.match, newMatcher(m))
	}
	if c.RateLimit != nil {
		r.limit = keep(old, func(o *route) *policy.RateLimit { return o.limit }, *c.RateLimit, policy.NewRateLimit)
	}
	if c.Fault != nil {
		r.fault = keep(old, func(o *route) *policy.Fault { return o.fault }, *c.Fault, policy.NewFault)
	}
	for i, d := range c.To {
		r.to = append(r.to, newDestination(c, d, i, name, old, services[d.Service], observer))
		r.weights += d.Weight
	}
	if r.weights == 0 {
		for i := range r.to {
			r.to[i].weight = 1
		}
		r.weights = len(r.to)
	}
	return r
}

func newDestination(c *RouteConfig, d DestinationConfig, i int, name string, old *route, s *service, observer Observer) destination {
	sc := s.config.Load()
	to := destination{
		service:    s,
		weight:     d.Weight,
		timeout:    max(cmp.Or(c.Timeout, sc.Timeout), 0),
		tryTimeout: cmp.Or(c.TryTimeout, sc.TryTimeout),
		retry:      s.retry,
		retryOn:    newConditions(sc.RetryOn),
		observer:   observer.Route(name, d.Service),
	}
	if c.RetryOn != nil {
		to.retryOn = newConditions(c.RetryOn)
	}
	if c.Retry != nil {
		to.retry = keep(old, func(o *route) *policy.Retry {
			if i < len(o.to) && o.to[i].service == s && o.to[i].retry != s.retry {
				return o.to[i].retry
			}
			return nil
		}, *c.Retry, policy.NewRetry)
	}
	return to
}

// settable is a policy whose configuration can change while its state stays.
type settable[C any] interface {
	comparable
	Set(C) error
}

// keep hands the old route's policy on with its new configuration, or makes a
// new one. The configuration has been validated.
func keep[P settable[C], C any](old *route, of func(*route) P, c C, make func(C) (P, error)) P {
	var none P
	if old != nil {
		if p := of(old); p != none && p.Set(c) == nil {
			return p
		}
	}
	p, _ := make(c)
	return p
}

// matches reports whether the route takes the request.
func (r *route) matches(req *http1.Request, host []byte) bool {
	for i := range r.match {
		if r.match[i].matches(req, host) {
			return true
		}
	}
	return len(r.match) == 0
}

// pick chooses a destination by weight.
func (r *route) pick() *destination {
	if len(r.to) == 1 {
		return &r.to[0]
	}
	n := rand.IntN(r.weights)
	for i := range r.to {
		if n -= r.to[i].weight; n < 0 {
			return &r.to[i]
		}
	}
	return &r.to[0]
}
