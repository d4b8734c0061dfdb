package gateway

import (
	"cmp"
	"slices"
	"time"
)

// HTTP3Config is how a listener of HTTPS takes requests of HTTP/3.
type HTTP3Config struct {
	// Port that clients are told, where they reach the address by another than
	// its own. Default: the address's.
	Port int `yaml:"port"`
	// MaxAge is how long clients remember it. Default 1h.
	MaxAge time.Duration `yaml:"maxAge"`
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c HTTP3Config) WithDefaults() HTTP3Config {
	c.MaxAge = cmp.Or(c.MaxAge, time.Hour)
	return c
}

// http3 checks what a listener says of HTTP/3.
func (v *validator) http3(l *ListenerConfig, path ...string) {
	at := func(field string) []string { return append(slices.Clone(path), field) }
	switch {
	case l.TLS == nil:
		v.add("needs tls: HTTP/3 is always encrypted", nil, path...)
	case l.TCP != nil:
		v.add("says nothing with tcp: connections are passed on as they are", nil, path...)
	case l.Transparent != nil:
		v.add("says nothing with transparent: the kernel redirects connections of TCP alone", nil, path...)
	case len(l.ProxyProtocolFrom) > 0:
		v.add("cannot be used with proxyProtocolFrom: packets have no header of the PROXY protocol", nil, path...)
	}
	v.count(l.HTTP3.Port, 65535, at("port")...)
	v.duration(l.HTTP3.MaxAge, at("maxAge")...)
}
