package gateway

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// passthrough is where a transparent listener's connections go that no route
// takes: their original destinations, each a service of its own.
type passthrough struct {
	gateway  *Gateway
	name     string
	config   atomic.Pointer[TransparentConfig]
	observer *originalObserver
	passed   atomic.Uint64 // connections passed on as they are
	ctx      context.Context
	stop     context.CancelFunc

	mu    sync.Mutex
	known map[netip.AddrPort]*original
}

// original is one destination. Its route has no name in any table.
type original struct {
	route *route
	used  time.Time // guarded by the passthrough's mu
}

func newPassthrough(g *Gateway, c TransparentConfig) *passthrough {
	c = c.WithDefaults()
	p := &passthrough{gateway: g, name: c.Name, known: map[netip.AddrPort]*original{}}
	p.observer = &originalObserver{g.observer, g.observer.Endpoint(c.Name, "original"), g.observer.Route(originalRoute, c.Name)}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.config.Store(&c)
	return p
}

// set changes the configuration. Other policies make other destinations: what
// was learned of them is forgotten.
func (p *passthrough) set(c TransparentConfig) {
	c = c.WithDefaults()
	old := p.config.Swap(&c)
	if reflect.DeepEqual(old.Policies, c.Policies) {
		return
	}
	p.mu.Lock()
	known := p.known
	p.known = map[netip.AddrPort]*original{}
	p.mu.Unlock()
	for _, o := range known {
		p.release(o)
	}
}

// enter returns the route to a destination, whose service stays until it is
// left, or nil when there are too many others in use.
func (p *passthrough) enter(address netip.AddrPort) *route {
	if p.config.Load().Inbound {
		address = netip.AddrPortFrom(loopbackOf(address.Addr()), address.Port())
	}
	if o := p.find(address, nil); o != nil {
		return o.route
	}
	made := p.make(address)
	o := p.find(address, made)
	if o != made {
		p.release(made) // another was faster, or there is no room
	}
	if o == nil {
		return nil
	}
	return o.route
}

// loopbackOf is this machine's own address of a family.
func loopbackOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// find enters a known destination, or the one that was made for it.
func (p *passthrough) find(address netip.AddrPort, made *original) *original {
	var evicted *original
	p.mu.Lock()
	o := p.known[address]
	if o == nil && made != nil {
		o = made
		if len(p.known) >= p.config.Load().DestinationsMax {
			if evicted = p.evict(); evicted == nil {
				o = nil
			}
		}
		if o != nil {
			p.known[address] = o
		}
	}
	if o != nil {
		o.used = time.Now()
		if !o.route.to[0].service.enter() {
			o = nil // it has ended, with the listener
		}
	}
	p.mu.Unlock()
	p.release(evicted)
	return o
}

// evict takes out the destination that was used longest ago, of those that
// nobody uses.
func (p *passthrough) evict() *original {
	var oldest netip.AddrPort
	for address, o := range p.known {
		if first := p.known[oldest]; o.quiet() && (first == nil || o.used.Before(first.used)) {
			oldest = address
		}
	}
	o := p.known[oldest]
	delete(p.known, oldest)
	return o
}

func (o *original) quiet() bool { return o.route.to[0].service.users.Load() == 0 }

func (p *passthrough) make(address netip.AddrPort) *original {
	c := p.config.Load()
	policies := c.Policies
	policies.Outlier.Disabled = true // there is no other to compare with
	s := newService(p.name, policies, p.observer, &p.gateway.lag)
	s.mark, s.alike = &p.gateway.marks, true
	s.setEndpoints(Addresses(address.String()))
	to := newDestination(&RouteConfig{}, DestinationConfig{Service: p.name, Weight: 1}, 0, originalRoute, nil, s, p.observer)
	return &original{route: &route{name: originalRoute, priority: policy.PriorityNormal, to: []destination{to}, weights: 1, counts: new(routeCounts), injected: new(atomic.Pointer[fault])}}
}

// release ends a destination's service, after what is under way there.
func (p *passthrough) release(o *original) {
	if o != nil {
		p.gateway.serving.Go(o.route.to[0].service.close)
	}
}

// watch forgets destinations that are not used any more, until the listener
// has ended.
func (p *passthrough) watch() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			p.expire(time.Now(), true)
			return
		case now := <-tick.C:
			p.expire(now, false)
		}
	}
}

func (p *passthrough) expire(now time.Time, all bool) {
	limit := now.Add(-p.config.Load().DestinationIdle)
	var old []*original
	p.mu.Lock()
	for address, o := range p.known {
		if all || o.quiet() && o.used.Before(limit) {
			delete(p.known, address)
			old = append(old, o)
		}
	}
	p.mu.Unlock()
	for _, o := range old {
		o.route.to[0].service.close()
	}
}

// status is that of all destinations as one service.
func (p *passthrough) status() ServiceStatus {
	st := ServiceStatus{Name: p.name, Endpoints: []EndpointStatus{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.known {
		one := o.route.to[0].service.status()
		st.InFlight += one.InFlight
		st.Queued += one.Queued
		st.Shed += one.Shed
		st.Endpoints = append(st.Endpoints, one.Endpoints...)
	}
	return st
}

// originalObserver counts all destinations as one endpoint, so that metrics
// stay bounded, and tells nobody when one comes or goes.
type originalObserver struct {
	Observer
	tries    TryObserver
	requests RequestObserver
}

func (o *originalObserver) Route(string, string) RequestObserver { return o.requests }
func (o *originalObserver) Endpoint(string, string) TryObserver  { return o.tries }

func (o *originalObserver) Event(e Event) {
	if e.Kind != EventAdded && e.Kind != EventRemoved {
		o.Observer.Event(e)
	}
}

// originalRoute is the route of what no configured one takes.
const originalRoute = "original"

// errDestinations is why a redirected connection has no way.
var errDestinations = errors.New("too many destinations are in use")

// passOn finds the exchange's way to its original destination.
func (x *exchange) passOn(p *passthrough) bool {
	if !p.config.Load().Inbound && p.config.Load().Unrouted == UnroutedRefuse {
		return false
	}
	if x.route = p.enter(x.session.original); x.route == nil {
		return false
	}
	x.to = &x.route.to[0]
	return true
}

// unrouted answers a request that finds no way.
func (x *exchange) unrouted() (keep bool) {
	if p := x.session.listener.passthrough; p != nil && (p.config.Load().Inbound || p.config.Load().Unrouted == UnroutedPass) {
		x.record.Reason = ReasonOverloaded
		return x.answer(503, "text/plain; charset=utf-8", errDestinations.Error()+"\n", time.Second)
	}
	return x.refuse(404, ReasonNoRoute, "no route matches the request")
}

// passTCP joins the client with where it was to go, whatever they speak: with
// an endpoint of the service that has it, or with itself.
func (s *session) passTCP(p *passthrough) {
	u, leave, err := s.reach(p)
	if err != nil {
		s.listener.gateway.log.Debug("the original destination cannot be reached", "destination", s.original, "error", shortError(err))
		_ = s.timed.SetLinger(0) // a reset says more than an end
		return
	}
	defer leave()
	p.passed.Add(1)
	defer u.pool.discard(u)
	s.hold(u)
	defer s.hold(nil)
	if s.closed.Load() {
		return // cut meanwhile
	}
	s.relay(u, tunnelIdle)
}

// reach makes the connection, and returns what is to be called at its end.
func (s *session) reach(p *passthrough) (u *upstreamConn, leave func(), err error) {
	if !p.config.Load().Inbound {
		if owner := s.owner(); owner != nil {
			got := owner.reach(p.ctx, owner.drawFor(s.client.Addr()))
			if got.err != nil {
				owner.leave()
				return nil, nil, got.err
			}
			return got.conn, func() { got.endpoint.inFlight.Add(-1); owner.leave() }, nil
		}
	}
	r := p.enter(s.original)
	if r == nil {
		return nil, nil, errDestinations
	}
	service := r.to[0].service
	e := (*service.endpoints.Load())[0]
	start := time.Now()
	l, err := e.pool.connect(p.ctx, service.config.Load().ConnectTimeout, nil)
	class := policy.Success
	if err != nil {
		class = policy.Failure
	}
	e.observer.Try(class, time.Since(start))
	if err != nil {
		service.leave()
		return nil, nil, err
	}
	return e.pool.conn(l), service.leave, nil
}
