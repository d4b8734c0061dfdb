package gateway

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// multiplex serves a listener's connections of HTTP/2. Frames, streams and flow
// control are those of net/http; a request is taken over by an exchange.
type multiplex struct {
	server *http.Server
	conns  chan net.Conn
	ended  chan struct{}
}

// Limits of a connection of HTTP/2 beside those that a listener configures.
const (
	// streamBuffer is how much of one request's body waits to be read, and
	// connectionBuffer how much of all of a connection's: so that one which
	// stands still does not hold up the others.
	streamBuffer     = 256 << 10
	connectionBuffer = 1 << 20
	// pingAfter is how long a connection may be silent before its client must
	// answer a ping, within pingWithin.
	pingAfter  = 30 * time.Second
	pingWithin = 15 * time.Second
)

// sessionKey is where a connection's context has its session.
type sessionKey struct{}

// newMultiplex starts serving connections that come in by conns.
func newMultiplex(c *ListenerConfig) *multiplex {
	m := &multiplex{conns: make(chan net.Conn), ended: make(chan struct{})}
	m.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := r.Context().Value(sessionKey{}).(*session)
			s.beginStream()
			defer s.endStream()
			s.serveStream(w, r)
		}),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, sessionKey{}, conn.(*metered).session)
		},
		ErrorLog:       log.New(io.Discard, "", 0), // what clients do wrong
		MaxHeaderBytes: c.HeaderBytes,
		IdleTimeout:    c.IdleTimeout,
		Protocols:      new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          c.StreamsMax,
			MaxReadFrameSize:              16 << 10,
			MaxReceiveBufferPerConnection: connectionBuffer,
			MaxReceiveBufferPerStream:     streamBuffer,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingWithin,
			WriteByteTimeout:              c.StallTimeout,
		},
	}
	m.server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = m.server.Serve(m) }() // ends when it is shut down
	return m
}

// Accept is part of [net.Listener].
func (m *multiplex) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.ended:
		return nil, net.ErrClosed
	}
}

// Close is part of [net.Listener]. It is called once.
func (m *multiplex) Close() error {
	close(m.ended)
	return nil
}

// Addr is part of [net.Listener].
func (m *multiplex) Addr() net.Addr { return new(net.TCPAddr) }

// retire takes no more connections, tells clients to make no more requests on
// those that are open, and closes each when it has none.
func (m *multiplex) retire() {
	go func() { _ = m.server.Shutdown(context.Background()) }() // ends with the last connection
}

// serveHTTP2 hands the session's connection over, and returns when it is closed.
func (s *session) serveHTTP2() {
	s.timed.readBy, s.timed.readStall = time.Time{}, 0 // pings and idle timeout end it
	end := &ending{over: make(chan struct{})}
	s.timed.closing.Store(end) // who closed it before will do so again, or net/http will
	m := s.listener.multiplex()
	s.setIdle(false, time.Now()) // until the first request it waits as one that has ended does
	wire := newMetered(s)
	s.metered.Store(wire)
	select {
	case m.conns <- wire:
		<-end.over
	case <-m.ended: // draining
	}
}

// resetsMax is how many more requests than it lets end a client may give up on
// one connection, before that is closed: each costs more than it costs the
// client.
const resetsMax = 500

// noteStream counts a stream that has ended.
func (s *session) noteStream(reset bool) {
	switch {
	case !reset:
		if s.resets.Add(-1) < 0 {
			s.resets.Store(0)
		}
	case s.resets.Add(1) == resetsMax:
		s.listener.gateway.log.Warn("a client gave up too many requests; its connection is closed", "listener", s.listener.address, "client", s.client)
		s.hangUp()
	}
}
