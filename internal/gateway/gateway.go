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
	// Challenges answers the authorities that an ACMEConfig names; nil: nobody
	// does.
	Challenges Challenges
	// Sockets opens what is listened on; nil: nobody else has a part in that.
	Sockets Sockets
	// Traces, where it is not nil, has each request be part of a trace with a
	// span for each try. It is the share, 0 to 1, of the traces that begin here
	// that those further out should keep, too.
	Traces *float64
}

// Gateway serves requests. Make one with New.
type Gateway struct {
	log        *slog.Logger
	observer   Observer
	challenges Challenges
	sockets    Sockets
	traces     *float64
	unrouted   RequestObserver // of requests that match no route
	table      atomic.Pointer[table]
	draining   atomic.Bool
	succeeded  atomic.Bool // and another process takes the connections
	marks      atomic.Bool // what goes to endpoints has the Mark
	lag        lag
	memory     memory

	mu        sync.Mutex // guards what Apply changes
	listeners map[string]*listener
	supplied  map[string][]EndpointConfig // endpoints set from outside, by service
	splits    map[string]*Split           // by service
	leaving   map[*service]bool           // removed ones with requests still under way
	stopped   bool
	serving   sync.WaitGroup
}

// New returns a Gateway that serves nothing until a Config is applied.
func New(o Options) *Gateway {
	g := &Gateway{
		log:        o.Log,
		observer:   o.Observer,
		challenges: o.Challenges,
		sockets:    o.Sockets,
		traces:     o.Traces,
		listeners:  map[string]*listener{},
		supplied:   map[string][]EndpointConfig{},
		splits:     map[string]*Split{},
		leaving:    map[*service]bool{},
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.observer == nil {
		g.observer = nothing{}
	}
	if g.sockets == nil {
		g.sockets = ownSockets{}
	}
	g.unrouted = g.observer.Route(unroutedRoute, "")
	g.table.Store(newTable(nil, nil))
	return g
}

// unroutedRoute is the route of requests that match none.
const unroutedRoute = "none"

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
	if err := g.checkTransparent(c); err != nil {
		return err
	}
	keys, err := c.loadAll(g.challenges, g.keysNow())
	if err != nil {
		return err
	}
	fresh, err := g.open(c, keys)
	if err != nil {
		return err
	}
	g.memory.set(c.Memory)
	old := g.table.Load()
	g.table.Store(g.compile(c, old, keys))
	g.swapListeners(c, fresh, keys)
	for name, s := range old.services {
		if _, ok := c.Services[name]; !ok {
			g.leaving[s] = true
			g.serving.Go(func() { g.release(s) })
		}
	}
	g.observeAgain()
	g.observer.Event(Event{Time: time.Now(), Kind: EventApplied,
		Why: fmt.Sprintf("%d routes, %d services", len(c.Routes), len(c.Services))})
	return nil
}

// observeAgain asks for what outlives configurations once more: what is not
// asked for is forgotten.
func (g *Gateway) observeAgain() {
	g.observer.Route(unroutedRoute, "")
	for _, l := range g.listeners {
		if p := l.passthrough; p != nil {
			g.observer.Route(originalRoute, p.name)
		}
	}
}

// keysNow are the keys in force.
func (g *Gateway) keysNow() keysOf {
	now := keysOf{map[string]*keys{}, map[string]*keys{}}
	for address, l := range g.listeners {
		now.listeners[address] = l.keys.Load()
	}
	for name, s := range g.table.Load().services {
		now.services[name] = s.keys.Load()
	}
	return now
}

// release ends a service that was removed.
func (g *Gateway) release(s *service) {
	s.close()
	g.mu.Lock()
	delete(g.leaving, s)
	g.mu.Unlock()
}

// opened are the sockets of a configuration that is not in force yet.
type opened struct {
	listeners map[string]*listener
	packets   map[*listener]*datagrams // of listeners that are in force
}

// close gives them up: they have served nobody yet.
func (o *opened) close() {
	for _, l := range o.listeners {
		_ = l.gateway.sockets.Close(l.tcp)
		if d := l.packets.Load(); d != nil {
			d.close()
		}
	}
	for _, d := range o.packets {
		d.close()
	}
}

// open opens the sockets that the configuration adds.
func (g *Gateway) open(c *Config, all keysOf) (*opened, error) {
	fresh := &opened{map[string]*listener{}, map[*listener]*datagrams{}}
	for _, lc := range c.Listeners {
		address, _ := ListenAddress(lc.Address) // validated
		l, ok := g.listeners[address]
		var err error
		switch {
		case !ok:
			if l, err = newListener(g, address, lc, all.listeners[address]); err == nil {
				fresh.listeners[address] = l
			}
		case lc.HTTP3 != nil && l.packets.Load() == nil:
			var d *datagrams
			if d, err = newDatagrams(l); err == nil {
				fresh.packets[l] = d
			}
		}
		if err != nil {
			fresh.close()
			return nil, err
		}
	}
	return fresh, nil
}

// compile makes a table of the configuration, around the services that live on.
func (g *Gateway) compile(c *Config, old *table, all keysOf) *table {
	services := map[string]*service{}
	for name, sc := range c.Services {
		s := old.services[name]
		if s == nil {
			s = newService(name, sc, g.observer, &g.lag)
			s.mark = &g.marks
		} else {
			s.set(sc)
		}
		s.keys.Store(all.services[name])
		s.setZone(c.Zone)
		s.setSubsets(c.labelsOf(name))
		s.setEndpoints(append(slices.Clone(sc.Endpoints), g.supplied[name]...))
		if old.services[name] == nil {
			s.setSplit(g.splits[name])
		}
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
	t := newTable(routes, services)
	t.tcp = newTCPRoutes(c, services, g.observer)
	if slices.ContainsFunc(c.Listeners, func(l ListenerConfig) bool { return l.Transparent != nil && !l.Transparent.Inbound }) {
		t.owners = newOwners(services, g.observer)
	}
	return t
}

func (g *Gateway) swapListeners(c *Config, fresh *opened, all keysOf) {
	wanted := map[string]ListenerConfig{}
	for _, lc := range c.Listeners {
		address, _ := ListenAddress(lc.Address)
		wanted[address] = lc
	}
	for address, l := range g.listeners {
		if lc, ok := wanted[address]; ok {
			l.set(lc, all.listeners[address])
			g.swapPackets(l, fresh.packets[l], lc.HTTP3 != nil)
			continue
		}
		delete(g.listeners, address)
		g.serving.Go(l.drain)
	}
	for address, l := range fresh.listeners {
		g.listeners[address] = l
		g.serving.Go(l.serve)
		if d := l.packets.Load(); d != nil {
			g.serving.Go(d.serve)
		}
		if l.passthrough != nil {
			g.serving.Go(l.passthrough.watch)
		}
		g.observer.Event(Event{Time: time.Now(), Kind: EventListen, To: l.tcp.Addr().String()})
	}
}

// swapPackets begins or ends a listener's UDP side.
func (g *Gateway) swapPackets(l *listener, fresh *datagrams, wanted bool) {
	if !wanted {
		if old := l.packets.Swap(nil); old != nil {
			g.serving.Go(old.drain)
		}
	} else if fresh != nil {
		l.packets.Store(fresh)
		g.serving.Go(fresh.serve)
	}
}

// SetEndpoints makes addresses the endpoints that a service has beside its
// configured ones, as a supervisor's ready replicas. It may name a service
// that is not configured yet.
func (g *Gateway) SetEndpoints(service string, addresses []string) {
	g.Supply(service, Addresses(addresses...))
}

// Supply is SetEndpoints for endpoints that differ, as by their version.
func (g *Gateway) Supply(service string, endpoints []EndpointConfig) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.supplied[service] = slices.Clone(endpoints)
	if s := g.table.Load().services[service]; s != nil {
		s.setEndpoints(append(slices.Clone(s.config.Load().Endpoints), endpoints...))
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
	g.serving.Go(func() { g.lag.watch(ctx) })
	g.serving.Go(func() { g.watchKeys(ctx) })
	g.serving.Go(func() { g.memory.watch(ctx, g.observer) })
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
