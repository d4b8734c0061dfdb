package policyhttp

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ByHost is a key for a policy that keeps a state for each callee, such as a
// breaker for each host that a Transport talks to. It is a request's host, in
// lower case.
func ByHost(ctx context.Context) string {
	r := Request(ctx)
	switch {
	case r == nil:
		return ""
	case r.URL != nil && r.URL.Host != "":
		return strings.ToLower(r.URL.Host) // outgoing
	}
	return strings.ToLower(r.Host)
}

// ByHeader returns a key for a policy that keeps a state for each value of a
// header. A caller can send what it likes: take a header that something before
// has checked.
func ByHeader(name string) func(context.Context) string {
	name = http.CanonicalHeaderKey(name)
	return func(ctx context.Context) string {
		if r := Request(ctx); r != nil {
			return first(r.Header, name)
		}
		return ""
	}
}

// ByClient is a key for a Handler's policy that keeps a state for each client.
// It is the address that the connection comes from, which behind a proxy is the
// proxy's; of IPv6 the first 64 bits, since a client has as many addresses as
// it likes in the rest.
func ByClient(ctx context.Context) string {
	r := Request(ctx)
	if r == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if address = address.Unmap(); address.Is4() {
		return address.String()
	}
	network, _ := address.WithZone("").Prefix(64) // no address is too short for it
	return network.Addr().String()
}
