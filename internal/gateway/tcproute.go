package gateway

import (
	"maps"
	"slices"
	"strings"
)

// tcpRoute is a service as the connections of one listener use it.
type tcpRoute struct {
	name     string
	service  *service
	observer RequestObserver
}

// tcpRoutes is a compiled TCPConfig.
type tcpRoutes struct {
	others *tcpRoute // nil: such are closed
	names  map[string]*tcpRoute
}

// newTCPRoutes compiles those of all listeners, by address.
func newTCPRoutes(c *Config, services map[string]*service, observer Observer) map[string]*tcpRoutes {
	all := map[string]*tcpRoutes{}
	for _, l := range c.Listeners {
		if l.TCP == nil {
			continue
		}
		address, _ := ListenAddress(l.Address) // validated
		name := "tcp " + address
		known := map[string]*tcpRoute{}
		to := func(service string) *tcpRoute {
			if known[service] == nil {
				known[service] = &tcpRoute{name, services[service], observer.Route(name, service)}
			}
			return known[service]
		}
		r := &tcpRoutes{names: map[string]*tcpRoute{}}
		if l.TCP.Service != "" {
			r.others = to(l.TCP.Service)
		}
		for name, service := range l.TCP.ServerNames {
			r.names[name] = to(service)
		}
		all[address] = r
	}
	return all
}

// find returns where a connection goes that asks for a name, or nil.
func (r *tcpRoutes) find(name string) *tcpRoute {
	name = strings.ToLower(name)
	if to := r.names[name]; to != nil {
		return to
	}
	for rest := name; ; {
		_, below, more := strings.Cut(rest, ".")
		if !more {
			return r.others
		}
		if to := r.names["*."+below]; to != nil {
			return to
		}
		rest = below
	}
}

// status names the services, in order; nil where there are no such routes.
func (r *tcpRoutes) status() []string {
	if r == nil {
		return nil
	}
	all := map[string]bool{}
	if r.others != nil {
		all[r.others.service.name] = true
	}
	for _, one := range r.names {
		all[one.service.name] = true
	}
	return slices.Sorted(maps.Keys(all))
}
