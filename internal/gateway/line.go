package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// line is a fresh connection to an endpoint.
type line struct {
	net.Conn // of TLS where the service has that
	timed    *timedConn
	keys     *keys
}

// agreed is the protocol that was agreed on by ALPN; empty for none.
func (l *line) agreed() string {
	if secured, ok := l.Conn.(*tls.Conn); ok {
		return secured.ConnectionState().NegotiatedProtocol
	}
	return ""
}

// dial connects, the handshake of TLS included.
func (e *endpoint) dial(ctx context.Context, timeout time.Duration, alpn []string) (line, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := e.service.dialer().DialContext(ctx, "tcp", e.address)
	e.refusing.Store(err != nil)
	if err != nil {
		return line{}, err
	}
	timed := &timedConn{TCPConn: conn.(*net.TCPConn)}
	l := line{timed, timed, e.service.keys.Load()}
	if l.keys == nil {
		return l, nil
	}
	config := l.keys.config.Clone()
	config.NextProtos = alpn
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(e.address) // validated
	}
	secured := tls.Client(timed, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = timed.Close() // it has failed already
		return line{}, handshakeError(err)
	}
	l.Conn = secured
	return l, nil
}

// handshakeError says that it was the handshake that failed, or that the time
// was too short for it.
func handshakeError(err error) error {
	if expired(err) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("TLS handshake: %w", shortError(err))
}
