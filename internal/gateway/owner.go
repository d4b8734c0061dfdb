package gateway

import (
	"maps"
	"net/netip"
	"slices"
)

// newOwners are routes to the services, one each, for connections that were
// redirected on their way to one of their endpoints. No table lists them.
func newOwners(services map[string]*service, observer Observer) []*route {
	var all []*route
	for _, name := range slices.Sorted(maps.Keys(services)) {
		c := RouteConfig{To: []DestinationConfig{{Service: name}}}
		all = append(all, newRoute(&c, originalRoute, nil, services, observer))
	}
	return all
}

// owner returns the route to the service that has an address among its
// endpoints, or nil.
func (t *table) owner(address netip.AddrPort) *route {
	for _, r := range t.owners {
		for _, e := range *r.to[0].service.endpoints.Load() {
			if e.addrPort == address {
				return r
			}
		}
	}
	return nil
}

// owner returns the service that a connection which speaks no HTTP was to go
// to, until it is left, or nil. A service to which Afloat speaks TLS is none:
// what the client sends is not touched.
func (s *session) owner() *service {
	for {
		r := s.listener.gateway.table.Load().owner(s.original)
		if r == nil || r.to[0].service.keys.Load() != nil {
			return nil
		}
		if r.to[0].service.enter() {
			return r.to[0].service
		} // else a new table took the place of that one just now
	}
}
