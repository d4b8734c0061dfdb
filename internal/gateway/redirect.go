package gateway

import (
	"bytes"
	"net"
	"slices"
	"strconv"
)

// RedirectConfig sends clients elsewhere. What is left out stays as it was
// asked for.
type RedirectConfig struct {
	// Scheme is http or https.
	Scheme string `yaml:"scheme"`
	// Host is a name without a port.
	Host string `yaml:"host"`
	// Port is the port. Default: the scheme's own where there is a Scheme, and
	// else that of the request.
	Port int `yaml:"port"`
	// Path takes the place of the whole path.
	Path string `yaml:"path"`
	// Prefix takes the place of the prefix that the route's match compared the
	// path with.
	Prefix *string `yaml:"prefix"`
	// DropQuery leaves the query out.
	DropQuery bool `yaml:"dropQuery"`
	// Status is 301, 302, 303, 307 or 308. Default 302.
	Status int `yaml:"status"`
}

// redirect answers with where to go.
func (x *exchange) redirect() (keep bool) {
	c := x.route.redirect
	x.location = c.location(x)
	x.record.Reason = ReasonRedirected
	status := c.Status
	if status == 0 {
		status = 302
	}
	return x.answer(status, "text/plain; charset=utf-8", "", 0)
}

// location is where the client is sent (RFC 9110, 10.2.2).
func (c *RedirectConfig) location(x *exchange) []byte {
	scheme := string(x.originator.scheme)
	if c.Scheme != "" {
		scheme = c.Scheme
	}
	authority := x.originator.host
	if len(authority) == 0 { // HTTP/1.0 need not name one
		authority = []byte(x.session.local().String())
	}
	host, port := splitAuthority(authority)
	if c.Host != "" {
		host = c.Host
	}
	if c.Scheme != "" {
		port = ""
	}
	if c.Port != 0 {
		port = strconv.Itoa(c.Port)
	}
	if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		port = ""
	}
	path := x.request.Path
	if c.Path != "" || c.Prefix != nil {
		w := rewrite{prefix: c.Prefix}
		if c.Path != "" {
			w.path = []byte(c.Path)
		}
		path = w.newPath(path, x.matched)
	}
	var to bytes.Buffer
	to.WriteString(scheme + "://" + host)
	if port != "" {
		to.WriteString(":" + port)
	}
	to.Write(path)
	if x.request.Query != nil && !c.DropQuery {
		to.WriteByte('?')
		to.Write(x.request.Query)
	}
	return to.Bytes()
}

// splitAuthority takes a host and its port apart; the brackets of an address
// stay.
func splitAuthority(authority []byte) (host, port string) {
	text := string(authority)
	if _, p, err := net.SplitHostPort(text); err == nil {
		return text[:len(text)-len(p)-1], p
	}
	return text, ""
}

func (v *validator) redirect(c *RedirectConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	if !slices.Contains([]string{"", "http", "https"}, c.Scheme) {
		v.add("want http or https, got %q", []any{c.Scheme}, at("scheme")...)
	}
	if c.Host != "" && !validHost(c.Host) {
		v.add("want a host name such as shop.example.com, got %q", []any{c.Host}, at("host")...)
	}
	if c.Port < 0 || c.Port > 65535 {
		v.add("want a port from 1 to 65535, got %d", []any{c.Port}, at("port")...)
	}
	if !slices.Contains([]int{0, 301, 302, 303, 307, 308}, c.Status) {
		v.add("want 301, 302, 303, 307 or 308, got %d", []any{c.Status}, at("status")...)
	}
	switch {
	case c.Path != "" && c.Prefix != nil:
		v.add("want one of path and prefix", nil, path...)
	case c.Path != "":
		v.target(c.Path, at("path")...)
	case c.Prefix != nil && *c.Prefix != "":
		v.target(*c.Prefix, at("prefix")...)
	}
	if c.Scheme == "" && c.Host == "" && c.Port == 0 && c.Path == "" && c.Prefix == nil {
		v.add("says nothing: the client would come back with the same request; write scheme, host, port, path or prefix", nil, path...)
	}
}
