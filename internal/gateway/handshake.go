package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// introduced takes the client's address from a balancer that tells it, and
// reports whether the connection can be used.
func (s *session) introduced(wait time.Duration) bool {
	from := s.client.Addr()
	if !s.listener.proxies.Load().hold(from) {
		return true
	}
	s.timed.readBy = time.Now().Add(wait)
	client, err := readProxyHeader(s.timed)
	if err != nil {
		s.listener.gateway.log.Debug("no header of the PROXY protocol", "listener", s.listener.address, "peer", from, "error", err)
		return false
	}
	if client.IsValid() {
		s.serves(client)
	}
	return true
}

// secure makes the session's connection one of TLS, where its listener speaks
// that, and reports whether it can be used.
func (s *session) secure(wait time.Duration) (net.Conn, bool) {
	k := s.listener.keys.Load()
	if k == nil {
		return s.timed, true
	}
	s.timed.readBy = time.Now().Add(wait)
	config := k.config
	if s.listener.config.Load().TCP != nil {
		config = k.bare
	}
	conn := tls.Server(s.timed, config)
	if err := conn.HandshakeContext(context.Background()); err != nil { // the connection has the deadline
		s.refuseHandshake(err)
		return nil, false
	}
	state := conn.ConnectionState()
	if state.NegotiatedProtocol == challengeProtocol {
		s.linger() // the handshake was all
		return nil, false
	}
	if state.NegotiatedProtocol == "h2" && strings.Contains(tls.CipherSuiteName(state.CipherSuite), "_CBC_") {
		s.refuseHandshake(errWeakCipher)
		return nil, false
	}
	s.tls, s.speaks, s.identity = true, state.NegotiatedProtocol, identity(&state)
	return conn, true
}

// errWeakCipher is why a connection of HTTP/2 is refused: RFC 9113, section 9.2.2.
var errWeakCipher = errors.New("the client offers no cipher suite that HTTP/2 allows")

// refuseHandshake ends a connection that is not to be secured.
func (s *session) refuseHandshake(err error) {
	if e, ok := errors.AsType[tls.RecordHeaderError](err); ok && e.Conn != nil && looksLikeHTTP(e.RecordHeader) {
		_, _ = io.WriteString(s.timed, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nthis port speaks HTTPS\n")
	}
	s.listener.gateway.log.Debug("TLS handshake failed", "listener", s.listener.address, "client", s.client, "error", err)
	s.linger()
}

// looksLikeHTTP reports whether the first bytes are those of a method.
func looksLikeHTTP(head [5]byte) bool {
	for _, b := range head {
		if (b < 'A' || b > 'Z') && b != ' ' && b != '/' {
			return false
		}
	}
	return true
}

// local is the address that the client has connected to.
func (s *session) local() netip.AddrPort {
	a, _ := netip.ParseAddrPort(s.timed.LocalAddr().String()) // a socket's
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
