package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Lever is what an operator does to an endpoint by hand, on top of what the
// configuration says. It holds until Undo, also when the endpoint leaves and
// comes back or the configuration changes, but not beyond the process.
type Lever struct {
	Service  string    `json:"service"`
	Endpoint string    `json:"endpoint"`
	Kind     LeverKind `json:"kind"`
	// Weight is the endpoint's under [LeverWeight], from 1 to 1000.
	Weight int `json:"weight,omitempty"`
	// Why is what the operator gave as a reason, and Who gave it.
	Why string `json:"why"`
	Who string `json:"who,omitempty"`
	// Since is when it was pulled.
	Since time.Time `json:"since,omitzero"`
}

// LeverKind is what a [Lever] does.
type LeverKind string

// The kinds of levers.
const (
	// LeverDrain gives the endpoint no new requests; those under way end.
	LeverDrain LeverKind = "drain"
	// LeverIsolate holds the endpoint's breaker open.
	LeverIsolate LeverKind = "isolate"
	// LeverWeight takes the place of the endpoint's configured weight.
	LeverWeight LeverKind = "weight"
)

// Enum lists the kinds.
func (LeverKind) Enum() []string {
	return []string{string(LeverDrain), string(LeverIsolate), string(LeverWeight)}
}

const (
	// leversMax bounds those of a service: endpoints that never come back keep theirs.
	leversMax = 1000
	// leverWhyMax bounds the text of a reason, and leverWhoMax that of a name.
	leverWhyMax, leverWhoMax = 500, 100
)

// Errors of levers.
var (
	ErrNoService  = errors.New("no such service")
	ErrNoEndpoint = errors.New("no such endpoint")
	ErrNoLever    = errors.New("no such lever is pulled")
)

// Validate returns the first problem of a lever.
func (l *Lever) Validate() error {
	switch known := l.Kind.Enum(); {
	case !slices.Contains(known, string(l.Kind)):
		return fmt.Errorf("kind: want one of %s, got %q", strings.Join(known, ", "), l.Kind)
	case strings.TrimSpace(l.Why) == "":
		return errors.New("why: want a reason: whoever comes next must know")
	case len(l.Why) > leverWhyMax:
		return fmt.Errorf("why: want at most %d bytes, got %d", leverWhyMax, len(l.Why))
	case len(l.Who) > leverWhoMax:
		return fmt.Errorf("who: want at most %d bytes, got %d", leverWhoMax, len(l.Who))
	case l.Kind == LeverWeight && (l.Weight < 1 || l.Weight > weightMax):
		return fmt.Errorf("weight: want a number from 1 to %d, got %d; drain it to give it nothing", weightMax, l.Weight)
	case l.Kind != LeverWeight && l.Weight != 0:
		return fmt.Errorf("weight: belongs to the kind %s", LeverWeight)
	}
	return nil
}

// Pull puts a lever in force, in place of one of its kind, at an endpoint that
// is there now.
func (g *Gateway) Pull(l Lever) error {
	if err := l.Validate(); err != nil {
		return err
	}
	s, err := g.serviceNamed(l.Service)
	if err != nil {
		return err
	}
	l.Since = time.Now()
	return s.pull(l)
}

// Undo takes a lever back and returns it, for the reason given.
func (g *Gateway) Undo(service, endpoint string, kind LeverKind, why string) (Lever, error) {
	s, err := g.serviceNamed(service)
	if err != nil {
		return Lever{}, err
	}
	return s.undo(leverKey{endpoint, kind}, why)
}

// Levers are those in force, by service, endpoint and kind.
func (g *Gateway) Levers() []Lever {
	all := []Lever{}
	for _, s := range g.table.Load().services {
		s.mu.Lock()
		all = slices.AppendSeq(all, maps.Values(s.levers))
		s.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Lever) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}

func (g *Gateway) serviceNamed(name string) (*service, error) {
	services := g.table.Load().services
	if s := services[name]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("%w: %q; there is %q", ErrNoService, name, slices.Sorted(maps.Keys(services)))
}

// leverKey is what there can be one lever of in a service.
type leverKey struct {
	endpoint string
	kind     LeverKind
}

func (s *service) pull(l Lever) error {
	s.mu.Lock()
	e := s.endpointAt(l.Endpoint)
	if e == nil {
		s.mu.Unlock()
		return fmt.Errorf("%w: %q in %s; there is %q", ErrNoEndpoint, l.Endpoint, s.name, s.addresses())
	}
	key := leverKey{l.Endpoint, l.Kind}
	if _, again := s.levers[key]; !again && len(s.levers) >= leversMax {
		s.mu.Unlock()
		return fmt.Errorf("%s has %d levers pulled: undo some", s.name, leversMax)
	}
	if s.levers == nil {
		s.levers = map[leverKey]Lever{}
	}
	s.levers[key] = l
	act := s.work(e, l, true)
	s.mu.Unlock()
	act()
	s.event(EventLever, e, "", l.String(), l.reason())
	return nil
}

func (s *service) undo(key leverKey, why string) (Lever, error) {
	s.mu.Lock()
	l, ok := s.levers[key]
	if !ok {
		s.mu.Unlock()
		return Lever{}, fmt.Errorf("%w: %s of %q in %s", ErrNoLever, key.kind, key.endpoint, s.name)
	}
	delete(s.levers, key)
	e, act := s.endpointAt(key.endpoint), func() {}
	if e != nil {
		act = s.work(e, l, false)
	}
	s.mu.Unlock()
	act()
	s.observer.Event(Event{Time: time.Now(), Kind: EventLever, Service: s.name, Endpoint: key.endpoint, From: l.String(), To: "undone", Why: why})
	return l, nil
}

// work puts a lever in force at an endpoint, or ends it. The caller holds mu,
// and calls what is returned without it: breakers tell their observers.
func (s *service) work(e *endpoint, l Lever, on bool) (act func()) {
	switch l.Kind {
	case LeverDrain:
		e.draining.Store(on)
		e.setState("")
	case LeverWeight:
		set := *e.settings.Load()
		set.Weight = e.configured
		if on {
			set.Weight = l.Weight
		}
		e.settings.Store(&set)
		s.refill()
	case LeverIsolate:
		if !on {
			return e.breaker.Auto
		}
		return func() { e.breaker.Isolate("isolated by " + l.reason()) }
	}
	return func() {}
}

// overrides puts the levers of an endpoint in force that comes, before anybody
// can see it. The caller holds mu.
func (s *service) overrides(e *endpoint) {
	for _, kind := range [...]LeverKind{LeverDrain, LeverIsolate} {
		if l, ok := s.levers[leverKey{e.address, kind}]; ok {
			s.work(e, l, true)()
		}
	}
}

// weighed is what is configured of an endpoint, with the weight that an operator
// has given it. The caller holds mu.
func (s *service) weighed(set EndpointConfig) EndpointConfig {
	if l, ok := s.levers[leverKey{set.Address, LeverWeight}]; ok {
		set.Weight = l.Weight
	}
	return set
}

// tellLevers adds to a status what operators have done. The caller holds mu.
func (s *service) tellLevers(st *EndpointStatus) {
	for _, kind := range (LeverKind("")).Enum() {
		l, ok := s.levers[leverKey{st.Address, LeverKind(kind)}]
		if !ok {
			continue
		}
		st.Levers = append(st.Levers, l)
		switch {
		case l.Kind == LeverDrain:
			st.Why = "drained by " + l.reason()
		case l.Kind == LeverWeight && st.Why == "":
			st.Why = l.String() + " by " + l.reason()
		}
	}
}

// refill lets balancers see weights that have changed. The caller holds mu.
func (s *service) refill() {
	all := *s.endpoints.Load()
	s.fill(all, s.zone)
	for _, b := range s.subsets {
		b.fill(all, s.zone)
	}
}

func (s *service) endpointAt(address string) *endpoint {
	for _, e := range *s.endpoints.Load() {
		if e.address == address {
			return e
		}
	}
	return nil
}

func (s *service) addresses() (all []string) {
	for _, e := range *s.endpoints.Load() {
		all = append(all, e.address)
	}
	return all
}

// reason is who did it, and why.
func (l *Lever) reason() string { return cmp.Or(l.Who, "an operator") + ": " + l.Why }

// String is the lever without its place.
func (l *Lever) String() string {
	if l.Kind == LeverWeight {
		return fmt.Sprintf("weight %d", l.Weight)
	}
	return string(l.Kind)
}
