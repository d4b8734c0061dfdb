package gateway

import (
	"cmp"
	"math/rand/v2"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// route is a compiled RouteConfig. It never changes; its policies' states pass
// on to the route of the same name when the configuration does.
type route struct {
	name     string
	match    []matcher
	access   *access // nil: everybody has it
	cors     *cors   // nil: pages are the service's business
	to       []destination
	weights  int // their sum
	redirect *RedirectConfig
	respond  *FallbackConfig
	rewrite  *rewrite
	sticky   *StickyConfig
	mirrors  []mirror
	fallback *FallbackConfig
	// fallbackTo is asked in place of a service that failed; nil: none.
	fallbackTo *destination
	limits     limits
	priority   policy.Priority
	fault      *fault                 // of the configuration; nil: none
	injected   *atomic.Pointer[fault] // into the running route
	cache      *cache                 // nil: answers are neither kept nor shared
	onceOnly   *onceOnly              // nil: keys are the service's business
	counts     *routeCounts

	responseEdits *headerEdits    // of answers that come from no destination
	observer      RequestObserver // of a route without destinations
}

type routeCounts struct{ requests, limited, denied, fallbacks atomic.Uint64 }

// destination is a service as one route uses it.
type destination struct {
	service    *service
	subset     *subset // of the service
	weight     int
	timeout    time.Duration // zero: none
	tryTimeout time.Duration // zero: none
	retry      *policy.Retry
	hedge      *policy.Hedge // nil: none
	retryOn    conditions
	repeats    bool // tries that failed are repeated
	repeatsAll bool // also where they may have done something
	replays    int  // the most bytes of a body that are kept for a repeat
	stall      time.Duration
	tellsEnd   bool // the endpoint hears how long it may take
	user       KeyConfig
	observer   RequestObserver

	requestEdits, responseEdits *headerEdits
}

// conditions are what is repeated.
type conditions struct {
	connectFailure, reset, unavailable, status5xx, timeout bool
	statuses                                               []int
	grpc                                                   uint32 // a bit for each status
}

func newConditions(list []RetryCondition, statuses []int, grpc []GRPCStatus) conditions {
	c := conditions{statuses: statuses}
	for _, s := range grpc {
		c.grpc |= 1 << s.code()
	}
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
	r := &route{name: name, fallback: c.Fallback, priority: cmp.Or(c.Priority, policy.PriorityNormal), counts: new(routeCounts), injected: new(atomic.Pointer[fault])}
	if old != nil {
		r.counts, r.injected = old.counts, old.injected
	}
	for _, m := range c.Match {
		compiled := newMatcher(m)
		compiled.preflights = c.CORS != nil
		r.match = append(r.match, compiled)
	}
	r.access, r.cors = newAccess(c.Access), newCORS(c.CORS)
	r.redirect, r.respond, r.rewrite = c.Redirect, c.Respond, newRewrite(c.Rewrite)
	r.responseEdits = newHeaderEdits(c.ResponseHeaders)
	r.mirrors = newMirrors(c, name, old, services, observer)
	if c.Sticky != nil {
		sticky := c.Sticky.WithDefaults()
		r.sticky = &sticky
	}
	if len(c.To) == 0 && observer != nil {
		r.observer = observer.Route(name, "")
	}
	r.limits = newLimits(c, old)
	r.cache = newCache(c, old)
	r.onceOnly = newOnceOnly(c.Idempotency, old)
	switch {
	case c.Fault == nil:
	case old != nil && old.fault != nil && reflect.DeepEqual(&old.fault.set, c.Fault):
		r.fault = old.fault // a reload for another reason must not renew one that ends by itself
	default:
		r.fault = newFault(*c.Fault)
	}
	for i, d := range c.To {
		r.to = append(r.to, newDestination(c, d, i, name, old, services[d.Service], observer))
		r.weights += d.Weight
	}
	if f := c.Fallback; f != nil && f.Service != "" {
		to := newDestination(c, DestinationConfig{Service: f.Service}, len(c.To), name, old, services[f.Service], observer)
		r.fallbackTo = &to
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
		subset:     s.narrow(d.Labels),
		weight:     d.Weight,
		timeout:    max(cmp.Or(c.Timeout, sc.Timeout), 0),
		tryTimeout: cmp.Or(c.TryTimeout, sc.TryTimeout),
		retry:      s.retry,
		hedge:      s.hedge,
		retryOn:    newConditions(instead(c.RetryOn, sc.RetryOn), instead(c.RetryOnStatus, sc.RetryOnStatus), instead(c.RetryOnGRPC, sc.RetryOnGRPC)),
		repeatsAll: orElse(c.RetryNonIdempotent, sc.RetryNonIdempotent),
		replays:    cmp.Or(c.ReplayBytes, sc.ReplayBytes),
		stall:      cmp.Or(c.StallTimeout, sc.StallTimeout),
		tellsEnd:   orElse(c.SendTimeout, sc.SendTimeout),
		user:       cmp.Or(c.User, sc.User),
		observer:   observer.Route(name, d.Service),

		requestEdits:  newHeaderEdits(c.RequestHeaders, d.RequestHeaders),
		responseEdits: newHeaderEdits(d.ResponseHeaders, c.ResponseHeaders),
	}
	switch {
	case c.Hedge != nil:
		to.hedge = keep(old, func(o *route) *policy.Hedge {
			if i < len(o.to) && o.to[i].service == s && o.to[i].hedge != s.hedge {
				return o.to[i].hedge
			}
			return nil
		}, *c.Hedge, policy.NewHedge)
	case sc.Hedge == nil:
		to.hedge = nil // though one is kept for when it is wanted again
	}
	to.repeats = cmp.Or(c.Retry, &sc.Retry).WithDefaults().Attempts > 0
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

// orElse is what the route says, or else what the service does.
func orElse(own *bool, service bool) bool {
	if own != nil {
		return *own
	}
	return service
}

// instead is a route's own list, which may be empty, or else the service's.
func instead[T any](own, service []T) []T {
	if own != nil {
		return own
	}
	return service
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

// matches reports whether the route takes the request, and notes by which of
// its alternatives.
func (r *route) matches(x *exchange) bool {
	for i := range r.match {
		if r.match[i].matches(x) {
			x.matched = &r.match[i]
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
