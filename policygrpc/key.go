package policygrpc

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// ByMethod is a key for a policy that keeps a state for each method, such as a
// limit. It is the full method of the call, "/package.Service/Method".
func ByMethod(ctx context.Context) string {
	if c := callOf(ctx); c != nil {
		return c.method
	}
	if x := exchangeOf(ctx); x != nil {
		return x.method
	}
	return ""
}

// Request returns the message of the unary call that a policy is asked to run.
// It is for policies that depend on it, and must not be changed. It is nil for
// streams, and outside a Client and a Server.
func Request(ctx context.Context) any {
	if c := callOf(ctx); c != nil {
		return c.request
	}
	if x := exchangeOf(ctx); x != nil {
		return x.request
	}
	return nil
}

// ByPeer is a key for a policy that keeps a state for each peer. Of a Client it
// is the target of the connection, since the balancer picks the address only
// when all policies have agreed. Of a Server it is the address that the
// connection comes from, which behind a proxy is the proxy's; of IPv6 the first
// 64 bits, since a client has as many addresses as it likes in the rest.
func ByPeer(ctx context.Context) string {
	if c := callOf(ctx); c != nil {
		if c.conn == nil {
			return ""
		}
		return c.conn.Target()
	}
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return ""
	}
	return clientOf(p.Addr.String())
}

func clientOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
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

// ByMetadata returns a key for a policy that keeps a state for each value of a
// metadata key: of what a Client sends, or a Server was sent. A caller can send
// what it likes: take one that something before has checked.
func ByMetadata(name string) func(context.Context) string {
	name = strings.ToLower(name)
	return func(ctx context.Context) string {
		var values []string
		if callOf(ctx) != nil {
			sent, _ := metadata.FromOutgoingContext(ctx)
			values = sent[name]
		} else {
			values = metadata.ValueFromIncomingContext(ctx, name)
		}
		if len(values) == 0 {
			return ""
		}
		return values[0]
	}
}
