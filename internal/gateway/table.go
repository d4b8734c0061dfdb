package gateway

import (
	"slices"
)

// table is a configuration made ready to serve. It never changes: a new
// configuration is a new table, put in its place in one step.
type table struct {
	routes   []*route
	services map[string]*service
	// byHost lists, for each host that a route names, the routes that it may
	// take, in order; others lists those that any other host may take.
	byHost map[string][]*route
	others []*route
	// owners are asked for redirected connections that no route takes; nil
	// without a listener for such.
	owners []*route
	tcp    map[string]*tcpRoutes // by the listener's address
}

func newTable(routes []*route, services map[string]*service) *table {
	t := &table{routes: routes, services: services, byHost: map[string][]*route{}}
	for _, r := range routes {
		for i := range r.match {
			if m := &r.match[i]; m.host != "" && !m.wildcard {
				t.byHost[m.host] = nil
			}
		}
	}
	for host := range t.byHost {
		t.byHost[host] = slices.DeleteFunc(slices.Clone(routes), func(r *route) bool { return !r.mayTake([]byte(host)) })
	}
	t.others = slices.DeleteFunc(slices.Clone(routes), (*route).namesHostsOnly)
	return t
}

// mayTake reports whether any request for the host could match.
func (r *route) mayTake(host []byte) bool {
	return len(r.match) == 0 || slices.ContainsFunc(r.match, func(m matcher) bool { return m.matchesHost(host) })
}

// namesHostsOnly reports whether every alternative names its host exactly.
func (r *route) namesHostsOnly() bool {
	return len(r.match) > 0 && !slices.ContainsFunc(r.match, func(m matcher) bool { return m.host == "" || m.wildcard })
}

// find returns the first route that takes the request, or nil.
func (t *table) find(x *exchange) *route {
	candidates, ok := t.byHost[string(x.host)]
	if !ok {
		candidates = t.others
	}
	for _, r := range candidates {
		if r.matches(x) {
			return r
		}
	}
	return nil
}
