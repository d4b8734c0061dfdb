package http1

import (
	"bytes"
	"net/netip"
)

var (
	root     = []byte("/")
	asterisk = []byte("*")
)

// parseTarget splits the request target (RFC 9112, 3.2) into Path, Query and,
// for the absolute form, Host.
func (r *Request) parseTarget() error {
	target := r.Target
	if !targetChars.holds(target) {
		return bad("invalid byte in the target")
	}
	switch {
	case target[0] == '/':
		return r.splitPath(target)
	case len(target) == 1 && target[0] == '*':
		if r.Method != "OPTIONS" {
			return bad("target * with a method other than OPTIONS")
		}
		r.Path = asterisk
		return nil
	}
	rest, ok := cutScheme(target)
	if !ok {
		return bad("invalid form of target")
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	r.Host = rest[:end]
	if err := checkHost(r.Host); err != nil {
		return err
	}
	return r.splitPath(rest[end:])
}

// splitPath takes what follows the authority. Escapes must be whole in the path,
// where routes are matched; a query is opaque, and stray percent signs in
// queries are common.
func (r *Request) splitPath(p []byte) error {
	r.Path = p
	if i := bytes.IndexByte(p, '?'); i >= 0 {
		r.Path, r.Query = p[:i], p[i+1:]
	}
	if len(r.Path) == 0 {
		r.Path = root
		if r.Method == "OPTIONS" && r.Query == nil {
			r.Path = asterisk
		}
		return nil
	}
	for p := r.Path; ; {
		i := bytes.IndexByte(p, '%')
		if i < 0 {
			return nil
		}
		if i+2 >= len(p) || hexValue[p[i+1]] == notHex || hexValue[p[i+2]] == notHex {
			return bad("invalid escape in the path")
		}
		p = p[i+3:]
	}
}

func cutScheme(target []byte) (rest []byte, ok bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) > len(scheme) && EqualFold(target[:len(scheme)], scheme) {
			return target[len(scheme):], true
		}
	}
	return nil, false
}

// checkHost accepts a registered name, an IPv4 address or an IPv6 address in
// brackets, each with an optional port. An empty host is invalid for http (RFC
// 9110, 4.2.1). Two things that RFC 3986 allows in names are refused because
// nobody needs them and parsers differ on them: '%' and ','.
func checkHost(host []byte) error {
	name, port := host, []byte(nil)
	if len(host) > 0 && host[0] == '[' {
		end := bytes.IndexByte(host, ']')
		if end < 0 || !isIPv6(host[1:end]) {
			return bad("invalid address in Host")
		}
		name, port = host[:end+1], host[end+1:]
	} else {
		if i := bytes.IndexByte(host, ':'); i >= 0 {
			name, port = host[:i], host[i:]
		}
		if !hostChars.holds(name) {
			return bad("invalid byte in Host")
		}
	}
	if len(name) == 0 {
		return bad("empty Host")
	}
	if !isPort(port) {
		return bad("invalid port in Host")
	}
	return nil
}

// ValidHost reports whether ReadRequest would take it for a Host.
func ValidHost(host []byte) bool { return checkHost(host) == nil }

func isIPv6(p []byte) bool {
	if bytes.IndexByte(p, '%') >= 0 {
		return false
	}
	addr, err := netip.ParseAddr(string(p))
	return err == nil && addr.Is6()
}

// isPort accepts nothing, or a colon and a number up to 65535 that may be empty.
func isPort(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	n := 0
	for _, b := range p[1:] {
		if b < '0' || b > '9' || n > 65535 {
			return false
		}
		n = n*10 + int(b-'0')
	}
	return p[0] == ':' && n <= 65535
}
