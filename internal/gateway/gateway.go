// Package gateway is the data plane: it takes requests on listeners, finds
// their route, and passes them to an endpoint of a service under that service's
// policies.
//
//	client ─▶ listener ─▶ session ─▶ exchange ─▶ route ─▶ service ─▶ endpoint
//	          (address)   (connection) (request)           (policies)  (breaker, pool)
//
// The configuration is compiled into a table that never changes; a new one is
// put in its place in one step. What was learned (breakers, limits, budgets)
// lives in services and endpoints, which outlive tables. The data plane waits
// for nothing else: without a control plane it serves on as it last was told.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a Gateway is given besides its Config.
type Options struct {
	// Log is told of changes of state; nil discards.
	Log *slog.Logger
	// Observer is told of requests, tries and events; nil: nobody.
	Observer Observer
}

// Gateway serves requests. Make one with New.
type Gateway struct {
	log      *slog.Logger
	observer Observer
	unrouted RequestObserver // of requests that match no route
	table    atomic.Pointer[table]
	draining atomic.Bool
	lag      lag

	mu        sync.Mutex // guards what Apply changes
	listeners map[string]*listener
	supplied  map[string][]string // endpoints set from outside, by service
	leaving   map[*service]bool   // removed ones with requests still under way
	stopped   bool
	serving   sync.WaitGroup
}

// New returns a Gateway that serves nothing until a Config is applied.
func New(o Options) *Gateway {
	g := &Gateway{
		log:       o.Log,
		observer:  o.Observer,
		listeners: map[string]*listener{},
		supplied:  map[string][]string{},
		leaving:   map[*service]bool{},
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.observer == nil {
		g.observer = nothing{}
	}
	g.unrouted = g.observer.Route("none", "")
	g.table.Store(newTable(nil, nil))
	return g
}

// errStopped is why a stopped gateway takes no configuration.
var errStopped = errors.New("the gateway has been stopped")

// Apply puts a configuration in force. Requests under way end under the old
// one. When it fails, as with an address in use, nothing has changed.
func (g *Gateway) Apply(c *Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return errStopped
	}
	fresh, err := g.listen(c)
	if err != nil {
		return err
	}
	old := g.table.Load()
	g.table.Store(g.compile(c, old))
	g.swapListeners(c, fresh)
	for name, s := range old.services {
		if _, ok := c.Services[name]; !ok {
			g.leaving[s] = true
			g.serving.Go(func() { g.release(s) })
		}
	}
	g.observer.Event(Event{Time: time.Now(), Kind: EventApplied,
		Why: fmt.Sprintf("%d routes, %d services", len(c.Routes), len(c.Services))})
	return nil
}

// release ends a service that was removed.
func (g *Gateway) release(s *service) {
	s.close()
	g.mu.Lock()
	delete(g.leaving, s)
	g.mu.Unlock()
}

// listen opens the listeners that the configuration adds.
func (g *Gateway) listen(c *Config) (map[string]*listener, error) {
	fresh := map[string]*listener{}
	for _, lc := range c.Listeners {
		address, _ := ListenAddress(lc.Address) // validated
		if _, ok := g.listeners[address]; ok {
			continue
		}
		l, err := newListener(g, address, lc)
		if err != nil {
			for _, l := range fresh {
				_ = l.tcp.Close() // it has served nobody yet
			}
			return nil, err
		}
		fresh[address] = l
	}
	return fresh, nil
}

// compile makes a table of the configuration, around the services that live on.
func (g *Gateway) compile(c *Config, old *table) *table {
	services := map[string]*service{}
	for name, sc := range c.Services {
		s := old.services[name]
		if s == nil {
			s = newService(name, sc, g.observer, &g.lag)
		} else {
			s.set(sc)
		}
		s.setEndpoints(append(slices.Clone(sc.Endpoints), g.supplied[name]...))
		services[name] = s
	}
	before := map[string]*route{}
	for _, r := range old.routes {
		before[r.name] = r
	}
	var routes []*route
	taken := map[string]bool{}
	for i := range c.Routes {
		name := c.Routes[i].label()
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s (%d)", c.Routes[i].label(), n)
		}
		taken[name] = true
		routes = append(routes, newRoute(&c.Routes[i], name, before[name], services, g.observer))
	}
	return newTable(routes, services)
}

func (g *Gateway) swapListeners(c *Config, fresh map[string]*listener) {
	wanted := map[string]ListenerConfig{}
	for _, lc := range c.Listeners {
		address, _ := ListenAddress(lc.Address)
		wanted[address] = lc
	}
	for address, l := range g.listeners {
		if lc, ok := wanted[address]; ok {
			l.set(lc)
			continue
		}
		delete(g.listeners, address)
		g.serving.Go(l.drain)
	}
	for address, l := range fresh {
		g.listeners[address] = l
		g.serving.Go(l.serve)
		g.observer.Event(Event{Time: time.Now(), Kind: EventListen, To: l.tcp.Addr().String()})
	}
}

// SetEndpoints makes addresses the endpoints that a service has beside its
// configured ones, as a supervisor's ready replicas. It may name a service
// that is not configured yet.
func (g *Gateway) SetEndpoints(service string, addresses []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.supplied[service] = slices.Clone(addresses)
	if s := g.table.Load().services[service]; s != nil {
		s.setEndpoints(append(slices.Clone(s.config.Load().Endpoints), addresses...))
	}
}

// Drain waits until no request is under way at an address that SetEndpoints or
// a configuration has taken from the service, or until ctx ends.
func (g *Gateway) Drain(ctx context.Context, service, address string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for g.busy(service, address) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (g *Gateway) busy(service, address string) bool {
	if s := g.table.Load().services[service]; s != nil && s.busy(address) {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.leaving {
		if s.name == service {
			return true // its requests may still go to any of its endpoints
		}
	}
	return false
}

// Serve serves until ctx ends, then lets requests under way end within each
// listener's DrainTimeout.
func (g *Gateway) Serve(ctx context.Context) error {
	go g.lag.watch(ctx)
	<-ctx.Done()
	g.draining.Store(true)
	g.observer.Event(Event{Time: time.Now(), Kind: EventDraining})
	g.mu.Lock()
	g.stopped = true
	for _, l := range g.listeners {
		g.serving.Go(l.drain)
	}
	g.mu.Unlock()
	g.serving.Wait()
	for _, s := range g.table.Load().services {
		s.close()
	}
	return nil
}

// Addresses lists the addresses that are listened on, in order of
// configuration addresses. It is how a caller learns the port chosen for :0.
func (g *Gateway) Addresses() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, address := range slices.Sorted(maps.Keys(g.listeners)) {
		all = append(all, g.listeners[address].tcp.Addr().String())
	}
	return all
}
