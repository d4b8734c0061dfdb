package gateway

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Mark is that of the packets which the gateway sends to endpoints while it
// has a transparent listener. Rules that redirect must leave it alone, or the
// gateway's own calls would come back to it.
const Mark = 0xaf10a7

// TransparentConfig is how a listener treats connections that the kernel
// redirected to it (NAT by nftables or iptables) and whose original
// destination it asks for. Others are closed.
type TransparentConfig struct {
	// Name is what metrics, the access log and the status call the service of
	// all original destinations. Default outbound, or inbound with inbound.
	Name string `yaml:"name"`
	// Inbound takes the calls to programs of this machine: each goes to the
	// original port on loopback, and routes are not asked.
	Inbound bool `yaml:"inbound"`
	// Unrouted says what becomes of a request that no route takes and whose
	// original destination is no service's endpoint: pass sends it there,
	// refuse answers 404. Default pass.
	Unrouted Unrouted `yaml:"unrouted"`
	// SniffTimeout is how long a connection may take to show by its first bytes
	// that it speaks HTTP. One that does not is passed on as it is.
	// Default 300ms.
	SniffTimeout time.Duration `yaml:"sniffTimeout"`
	// TCPPorts are original ports whose connections are passed on at once: those
	// of protocols in which the server speaks first.
	TCPPorts []uint16 `yaml:"tcpPorts"`
	// Policies protect each original destination like a service of its own.
	Policies ServiceConfig `yaml:"policies"`
	// DestinationsMax bounds the original destinations known at a time. The
	// one that was used longest ago makes room. Default 1024.
	DestinationsMax int `yaml:"destinationsMax"`
	// DestinationIdle is after how long without use one is forgotten.
	// Default 5m.
	DestinationIdle time.Duration `yaml:"destinationIdle"`
}

// Unrouted is what becomes of a redirected request that no route takes.
type Unrouted string

// What may become of one.
const (
	UnroutedPass   Unrouted = "pass"
	UnroutedRefuse Unrouted = "refuse"
)

// Enum lists what a configuration file may say.
func (Unrouted) Enum() []string { return []string{"pass", "refuse"} }

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c TransparentConfig) WithDefaults() TransparentConfig {
	name := "outbound"
	if c.Inbound {
		name = "inbound"
	}
	c.Name = cmp.Or(c.Name, name)
	c.Unrouted = cmp.Or(c.Unrouted, UnroutedPass)
	c.SniffTimeout = cmp.Or(c.SniffTimeout, 300*time.Millisecond)
	c.DestinationsMax = cmp.Or(c.DestinationsMax, 1024)
	c.DestinationIdle = cmp.Or(c.DestinationIdle, 5*time.Minute)
	return c
}

func (v *validator) transparent(l *ListenerConfig, path ...string) {
	c := l.Transparent
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	if l.TLS != nil {
		v.add("redirected connections are taken as they come: leave tls out", nil, at()...)
	}
	if l.Access != nil {
		v.add("access rules do not hold for redirected connections, which need not speak HTTP: leave access out", nil, at()...)
	}
	address, err := ListenAddress(l.Address)
	if _, bad := netip.ParseAddrPort(address); err == nil && bad != nil {
		v.add("a transparent listener needs the address of one family, such as 127.0.0.1:15001 or [::1]:15001, got %q", []any{l.Address}, at()...)
	}
	if c.Unrouted != "" && !slices.Contains(Unrouted("").Enum(), string(c.Unrouted)) {
		v.add("want pass or refuse, got %q", []any{c.Unrouted}, at("unrouted")...)
	}
	v.duration(c.SniffTimeout, at("sniffTimeout")...)
	for i, port := range c.TCPPorts {
		if port == 0 {
			v.add("want a port from 1 to 65535, got 0", nil, at("tcpPorts", strconv.Itoa(i))...)
		}
	}
	if len(c.Policies.Endpoints) > 0 {
		v.add("the endpoints are the original destinations: write a service and a route for others", nil, at("policies", "endpoints")...)
	}
	if c.Policies.TLS != nil {
		v.add("what a program sends is passed on as it is: write a service and a route for TLS", nil, at("policies", "tls")...)
	}
	policies := c.Policies
	policies.Endpoints, policies.TLS = nil, nil
	v.service(&policies, at("policies")...)
	v.count(c.DestinationsMax, 100_000, at("destinationsMax")...)
	v.duration(c.DestinationIdle, at("destinationIdle")...)
}
