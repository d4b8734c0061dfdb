package config

import (
	"slices"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// sidecarListeners are those of a sidecar, at the places where the files say
// how they treat connections.
func (a *assembler) sidecarListeners(outbound, inbound []string) []gateway.ListenerConfig {
	var all []gateway.ListenerConfig
	first := len(a.out.Gateway.Listeners)
	add := func(addresses []string, c gateway.TransparentConfig, field string) {
		for _, address := range addresses {
			if at, ok := a.places["sidecar"]; ok {
				a.places.set(at.at(field), "listeners", first+len(all), "transparent")
			}
			all = append(all, gateway.ListenerConfig{Address: address, Transparent: &c})
		}
	}
	in := a.out.Sidecar.Inbound
	in.Inbound = true
	add(outbound, a.out.Sidecar.Outbound, "outbound")
	add(inbound, in, "inbound")
	return all
}

// withSidecar is the gateway's Config with what a sidecar would add, so that a
// check finds the problems of that too.
func (a *assembler) withSidecar() *gateway.Config {
	c := a.out.Gateway
	if _, said := a.places["sidecar"]; said && len(a.options.Outbound)+len(a.options.Inbound) == 0 {
		c.Listeners = append(c.Listeners[:len(c.Listeners):len(c.Listeners)], a.sidecarListeners([]string{"127.0.0.1:0"}, []string{"[::]:0"})...)
	}
	return &c
}

// takesRequests reports whether there is a listener whose requests need routes:
// one of TCP says itself where its connections go.
func takesRequests(c *gateway.Config) bool {
	return slices.ContainsFunc(c.Listeners, func(l gateway.ListenerConfig) bool { return l.TCP == nil })
}

// takesCalls reports whether there is a listener for calls of programs that
// know nothing of it. They go to services by the endpoints that they call, so
// that routes need not say it.
func takesCalls(c *gateway.Config) bool {
	return slices.ContainsFunc(c.Listeners, func(l gateway.ListenerConfig) bool {
		return l.Transparent != nil && !l.Transparent.Inbound
	})
}
