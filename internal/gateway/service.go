package gateway

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// service is a set of endpoints that do the same work, and the policies that
// they share. It lives for as long as its name is configured, so that a new
// configuration keeps what was learned.
type service struct {
	subset // of all its endpoints

	name     string
	observer Observer
	lag      *lag
	config   atomic.Pointer[ServiceConfig]
	keys     atomic.Pointer[keys]  // nil: endpoints are spoken to without TLS
	split    atomic.Pointer[split] // nil: versions are all the same
	mark     *atomic.Bool          // whether what it sends gets the Mark
	alike    bool                  // endpoints are spoken to as the client speaks

	retry       *policy.Retry
	hedge       *policy.Hedge // used where the config has one
	hedges      hedgeCounts
	concurrency *policy.Adaptive // used unless the config disables it

	// aside is how many requests have left their place to others.
	aside atomic.Int64
	// held is how many wait for an endpoint.
	held atomic.Int64

	brownLevel atomic.Int32 // a brownLevel
	browned    atomic.Uint64

	// users is how many requests are under way, and below zero once the service
	// has ended.
	users atomic.Int64

	// begun is when an endpoint last began to warm up, in nanoseconds of clock.
	begun atomic.Int64
	// slowLimit is from which time on a response counts as slow, in
	// nanoseconds; 0 while there is nothing to compare with.
	slowLimit atomic.Int64
	// doubted wakes whoever listens for endpoints that have become silent.
	doubted chan struct{}

	mu      sync.Mutex         // guards changes of endpoints
	zone    string             // of Afloat itself; guarded
	subsets []*subset          // that routes name; guarded
	leaving []*endpoint        // removed ones with requests still under way; guarded
	levers  map[leverKey]Lever // that operators have pulled; guarded
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
}

// newService starts a service without endpoints.
func newService(name string, c ServiceConfig, observer Observer, late *lag) *service {
	s := &service{name: name, observer: observer, lag: late, doubted: make(chan struct{}, 1)}
	s.service, s.hash = s, hashOf(name)
	c = c.WithDefaults()
	s.config.Store(&c)
	c.Retry.Name, c.Concurrency.Name, c.Concurrency.Lag = name, name, late.current
	s.retry, _ = policy.NewRetry(c.Retry) // validated before
	s.hedge, _ = policy.NewHedge(hedgeOf(&c))
	s.concurrency, _ = policy.NewAdaptive(c.Concurrency)
	s.endpoints.Store(new([]*endpoint))
	s.tiers.Store(new([]tier))
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.running.Go(s.watchOutliers)
	return s
}

// set changes the configuration and keeps the state.
func (s *service) set(c ServiceConfig) {
	c = c.WithDefaults()
	s.config.Store(&c)
	_ = s.retry.Set(c.Retry) // validated before, as is the rest
	_ = s.hedge.Set(hedgeOf(&c))
	c.Concurrency.Name, c.Concurrency.Lag = s.name, s.lag.current
	_ = s.concurrency.Set(c.Concurrency)
	for _, e := range *s.endpoints.Load() {
		_ = e.breaker.Set(c.Breaker)
	}
}

// setZone says where Afloat itself runs, for the next setEndpoints.
func (s *service) setZone(zone string) {
	s.mu.Lock()
	s.zone = zone
	s.mu.Unlock()
}

// setEndpoints makes the addresses the service's endpoints. Those that stay
// keep their state; those that go get no new requests.
func (s *service) setEndpoints(all []EndpointConfig) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.endpoints.Load()
	next := make([]*endpoint, 0, len(all))
	for _, set := range all {
		set = set.WithDefaults()
		configured := set.Weight
		set = s.weighed(set)
		has := func(e *endpoint) bool { return e.address == set.Address }
		if slices.ContainsFunc(next, has) {
			continue // supplied, and configured as well
		}
		if i := slices.IndexFunc(old, has); i >= 0 {
			old[i].settings.Store(&set)
			old[i].configured = configured
			next = append(next, old[i])
			continue
		}
		e := newEndpoint(s, set)
		e.configured = configured
		s.overrides(e)
		if len(old) > 0 {
			e.begin(old)
		}
		next = append(next, e)
		s.running.Go(func() { e.watchHealth(s.ctx) })
		s.event(EventAdded, e, "", "up", "")
	}
	s.fill(next, s.zone)
	for _, b := range s.subsets {
		b.fill(next, s.zone)
	}
	s.leaving = slices.DeleteFunc(s.leaving, (*endpoint).quiet)
	for _, e := range old {
		if !slices.Contains(next, e) {
			e.remove()
			s.leaving = append(s.leaving, e)
			s.event(EventRemoved, e, "", "", "")
		}
	}
}

// enter counts a request in, unless the service has ended.
func (s *service) enter() bool {
	if s.users.Add(1) > 0 {
		return true
	}
	s.users.Add(-1)
	return false
}

// leave counts a request out.
func (s *service) leave() { s.users.Add(-1) }

// close ends the service, which no configuration names any more, after the
// requests that it has.
func (s *service) close() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !s.users.CompareAndSwap(0, math.MinInt64/2) {
		<-tick.C
	}
	s.stop()
	s.setEndpoints(nil)
	s.running.Wait()
}

// busy reports whether requests are under way at an address that was removed.
func (s *service) busy(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.leaving, func(e *endpoint) bool { return e.address == address && !e.quiet() })
}

func (s *service) event(kind EventKind, e *endpoint, from, to, why string) {
	s.observer.Event(Event{Time: time.Now(), Kind: kind, Service: s.name, Endpoint: e.address, From: from, To: to, Why: why})
}

func (s *service) status() ServiceStatus {
	st := ServiceStatus{Name: s.name, Endpoints: []EndpointStatus{}}
	for _, e := range *s.endpoints.Load() {
		es := e.status()
		st.InFlight += es.InFlight
		st.Endpoints = append(st.Endpoints, es)
	}
	s.tell(st.Endpoints)
	s.mu.Lock()
	if len(s.levers) > 0 {
		for i := range st.Endpoints {
			s.tellLevers(&st.Endpoints[i])
		}
	}
	for _, e := range s.leaving {
		if !e.quiet() {
			st.Endpoints = append(st.Endpoints, e.status())
		}
	}
	s.mu.Unlock()
	st.Versions = s.split.Load().status()
	st.Streams, st.Held = int(s.aside.Load()), int(s.held.Load())
	if s.config.Load().Retry.WithDefaults().Attempts > 0 {
		st.Retry = retryStatus(s.retry)
	}
	st.Hedge = s.hedges.status()
	st.Brownout, st.Browned = brownLevel(s.brownLevel.Load()).String(), s.browned.Load()
	if !s.config.Load().Concurrency.Disabled {
		c := s.concurrency.Status()
		st.InFlight, st.Limit, st.Queued, st.Shed, st.LimitWhy = max(st.InFlight, c.InFlight), c.Limit, c.Queued, c.Shed, c.Why
	}
	return st
}
