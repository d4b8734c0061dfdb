package gateway

import (
	"net/netip"
	"strings"
)

// KeyConfig says what those requests have in common that share something, such
// as a limit. Of several that are set, all together are the key.
type KeyConfig struct {
	// Client is the client's address; of IPv6 the first 64 bits, since a client
	// has as many addresses as it likes in the rest.
	Client bool `yaml:"client"`
	// Identity is who the client is by its certificate.
	Identity bool `yaml:"identity"`
	// Method is the request's method.
	Method bool `yaml:"method"`
	// Host is the request's host, without its port.
	Host bool `yaml:"host"`
	// Path is the request's path, without the query.
	Path bool `yaml:"path"`
	// Header is the name of a header. Requests without it share one key.
	Header string `yaml:"header"`
	// Cookie is the name of a cookie. Requests without it share one key.
	Cookie string `yaml:"cookie"`
}

// String says what the key is, in words; empty for none.
func (c KeyConfig) String() string {
	var parts []string
	for _, part := range []struct {
		set  bool
		word string
	}{
		{c.Client, "client"}, {c.Identity, "identity"}, {c.Method, "method"}, {c.Host, "host"}, {c.Path, "path"},
		{c.Header != "", "header " + c.Header}, {c.Cookie != "", "cookie " + c.Cookie},
	} {
		if part.set {
			parts = append(parts, part.word)
		}
	}
	return strings.Join(parts, " and ")
}

// appendKey appends the request's key. No part can hold a NUL.
func (x *exchange) appendKey(b []byte, c *KeyConfig) []byte {
	if c.Client {
		b = append(appendClient(b, x.originator.client), 0)
	}
	if c.Identity {
		b = append(append(b, x.session.identity...), 0)
	}
	if c.Method {
		b = append(append(b, x.request.Method...), 0)
	}
	if c.Host {
		b = append(append(b, x.host...), 0)
	}
	if c.Path {
		b = append(append(b, x.request.Path...), 0)
	}
	if c.Header != "" {
		b = append(append(b, x.request.Get(c.Header)...), 0)
	}
	if c.Cookie != "" {
		value, _ := cookie(x.request.Fields, c.Cookie)
		b = append(append(b, value...), 0)
	}
	return b
}

// appendClient appends the part of an address that tells clients apart.
func appendClient(b []byte, a netip.Addr) []byte {
	if a.Is4() || !a.IsValid() {
		four := a.As16()
		return append(b, four[12:]...)
	}
	sixteen := a.As16()
	return append(b, sixteen[:8]...)
}
