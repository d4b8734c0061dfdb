package gateway

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// leaseMax is how long an injected fault may last at most.
const leaseMax = time.Hour

// Actor is who does something by hand, and why.
type Actor struct{ Who, Why string }

// Inject spoils requests of a running route, in place of the fault that it has
// or that was injected before. It ends by itself after c.For, which must be set,
// or by Heal; no configuration renews it. A route that goes takes it along.
func (g *Gateway) Inject(name string, c FaultConfig, by Actor) error {
	v := new(validator)
	v.fault(&c, "fault")
	if c.For <= 0 || c.For > leaseMax {
		v.add("want more than 0 and at most %v, got %v: an injected fault ends by itself", []any{leaseMax, c.For}, "for")
	}
	if !c.Until.IsZero() {
		v.add("write for: an injected fault lasts from now on", nil, "until")
	}
	if err := errors.Join(v.problems...); err != nil {
		return err
	}
	r, err := g.routeNamed(name)
	if err != nil {
		return err
	}
	f := newFault(c)
	r.injected.Store(f)
	r.tellOfFault(g.observer, "injected", fmt.Sprintf("it ends by itself after %v", c.For), by)
	time.AfterFunc(c.For, func() {
		if r.injected.CompareAndSwap(f, nil) { // it has been over since, whether this runs or not
			r.tellOfFault(g.observer, "ended", "its time is up", Actor{})
		}
	})
	return nil
}

// Heal ends the fault that was injected into a route, and reports whether there
// was one.
func (g *Gateway) Heal(name string, by Actor) (bool, error) {
	r, err := g.routeNamed(name)
	if err != nil {
		return false, err
	}
	f := r.injected.Swap(nil)
	if f == nil || f.over() {
		return false, nil
	}
	r.tellOfFault(g.observer, "ended", "", by)
	return true, nil
}

// Faults are those of all routes.
func (g *Gateway) Faults() []FaultStatus {
	all := []FaultStatus{}
	for _, r := range g.table.Load().routes {
		for _, f := range [...]*fault{r.injected.Load(), r.fault} {
			if f == nil {
				continue
			}
			st := f.status()
			st.Route, st.Injected = r.name, f != r.fault
			all = append(all, st)
		}
	}
	return all
}

// ErrNoRoute is the error for a name that no route has.
var ErrNoRoute = errors.New("no such route")

func (g *Gateway) routeNamed(name string) (*route, error) {
	routes := g.table.Load().routes
	i := slices.IndexFunc(routes, func(r *route) bool { return r.name == name })
	if i >= 0 {
		return routes[i], nil
	}
	var names []string
	for _, r := range routes[:min(len(routes), 5)] {
		names = append(names, r.name)
	}
	return nil, fmt.Errorf("%w: %q; there is %q", ErrNoRoute, name, names)
}

// tellOfFault tells each service that the route leads to, or nobody in
// particular where it leads to none.
func (r *route) tellOfFault(o Observer, to, why string, by Actor) {
	e := Event{Time: time.Now(), Kind: EventFault, To: to, Who: by.Who, Why: "route " + r.name}
	for _, text := range []string{by.Why, why} {
		if text != "" {
			e.Why += ": " + text
		}
	}
	told := map[string]bool{}
	for _, d := range r.to {
		if !told[d.service.name] {
			told[d.service.name] = true
			e.Service = d.service.name
			o.Event(e)
		}
	}
	if len(told) == 0 {
		o.Event(e)
	}
}
