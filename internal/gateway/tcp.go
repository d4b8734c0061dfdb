package gateway

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// TCPConfig makes a listener pass on connections, whatever they speak. With tls
// on the listener, that is taken off first; without it nothing is.
type TCPConfig struct {
	// Service is where connections go that ServerNames say nothing of. Default:
	// they are closed.
	Service string `yaml:"service"`
	// ServerNames are services by the name that a client of TLS asks for (SNI),
	// or by *.name for every name below it, of which the longest counts. Where
	// the listener has no tls, the name is read and the connection stays
	// encrypted to its endpoint. Default: the name does not matter.
	ServerNames map[string]string `yaml:"serverNames"`
	// ProxyProtocol is v1 or v2, to tell endpoints the client's address by a
	// header of that version. Default: they are told nothing.
	ProxyProtocol ProxyProtocol `yaml:"proxyProtocol"`
	// IdleTimeout is how long a connection may carry nothing either way.
	// Default 1h.
	IdleTimeout time.Duration `yaml:"idleTimeout"`
}

// ProxyProtocol is a version of the PROXY protocol.
type ProxyProtocol string

const (
	// ProxyProtocolV1 is the one of text.
	ProxyProtocolV1 ProxyProtocol = "v1"
	// ProxyProtocolV2 is the binary one.
	ProxyProtocolV2 ProxyProtocol = "v2"
)

// Enum lists what a configuration file may say.
func (ProxyProtocol) Enum() []string { return []string{"v1", "v2"} }

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c TCPConfig) WithDefaults() TCPConfig {
	c.IdleTimeout = cmp.Or(c.IdleTimeout, tunnelIdle)
	return c
}

// serverNamesMax bounds a listener's server names.
const serverNamesMax = 10000

func (v *validator) tcp(c *Config, l *ListenerConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	t := l.TCP
	if l.Transparent != nil {
		v.add("a transparent listener knows where its connections go: leave tcp out", nil, path...)
	}
	if t.Service == "" && len(t.ServerNames) == 0 {
		v.add("name the service that connections go to", nil, at("service")...)
	}
	known := slices.Sorted(maps.Keys(c.Services))
	check := func(service string, path []string) {
		if _, ok := c.Services[service]; !ok {
			v.add("unknown service %q%s", []any{service, suggest(service, known)}, path...)
		}
	}
	if t.Service != "" {
		check(t.Service, at("service"))
	}
	v.count(len(t.ServerNames), serverNamesMax, at("serverNames")...)
	for _, name := range slices.Sorted(maps.Keys(t.ServerNames)) {
		if name != strings.ToLower(name) || !validHost(name) {
			v.add("want a name in lower case such as db.example.com or *.example.com, got %q", []any{name}, at("serverNames", name)...)
		}
		check(t.ServerNames[name], at("serverNames", name))
	}
	if t.ProxyProtocol != "" && !slices.Contains(ProxyProtocol("").Enum(), string(t.ProxyProtocol)) {
		v.add("want v1 or v2, got %q", []any{t.ProxyProtocol}, at("proxyProtocol")...)
	}
	v.period(t.IdleTimeout, timeMax, at("idleTimeout")...)
}
