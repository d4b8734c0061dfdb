package gateway

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// session is a client's connection: one request after another.
type session struct {
	listener *listener
	conn     *http1.Conn
	timed    *timedConn
	client   netip.AddrPort
	address  string // the client's address without its port
	exchange exchange

	idle   atomic.Bool // waiting for a request's first byte
	closed atomic.Bool
	// tunnelled is the connection to an endpoint that this one was joined to.
	tunnelled atomic.Pointer[upstream]
}

func newSession(l *listener, tcp *net.TCPConn) *session {
	c := l.config.Load()
	s := &session{
		listener: l,
		timed:    &timedConn{TCPConn: tcp, writeStall: c.StallTimeout},
	}
	s.conn = http1.NewConn(s.timed, &http1.Limits{HeadBytesMax: c.HeaderBytes})
	s.client, _ = netip.ParseAddrPort(tcp.RemoteAddr().String()) // empty once the client has gone
	s.client = netip.AddrPortFrom(s.client.Addr().Unmap(), s.client.Port())
	s.address = s.client.Addr().String()
	s.exchange.session = s
	return s
}

// serve answers requests until the connection ends.
func (s *session) serve() {
	defer s.listener.remove(s)
	defer s.conn.Close()
	c := s.listener.config.Load()
	wait := c.HeaderTimeout // for the first request; later ones may take their time
	for s.await(wait) {
		start := time.Now()
		s.timed.readBy = start.Add(c.HeaderTimeout)
		err := s.conn.ReadRequest(&s.exchange.request)
		if err != nil {
			s.refuse(err, start)
			return
		}
		s.timed.readBy, s.timed.readStall = time.Time{}, c.StallTimeout
		if !s.exchange.run(start) {
			s.linger()
			return
		}
		s.conn.Release()
		c = s.listener.config.Load()
		wait = c.IdleTimeout
	}
}

// await waits for the first byte of a request.
func (s *session) await(wait time.Duration) bool {
	s.idle.Store(true)
	defer s.idle.Store(false)
	if s.listener.ending.Load() && s.conn.Buffered() == 0 || s.closed.Load() {
		return false
	}
	s.timed.nudgeRead(wait)
	return s.conn.Await() == nil
}

// refuse answers a request that could not be read.
func (s *session) refuse(err error, start time.Time) {
	x := &s.exchange
	x.begin(start)
	if e, ok := errors.AsType[*http1.ProtocolError](err); ok {
		x.refuse(e.Status, ReasonBadRequest, e.Reason)
	} else if expired(err) {
		x.refuse(408, ReasonClientSlow, "the request's head took too long")
	} else {
		return // the client went away: nobody is left to be answered
	}
	s.linger()
}

// Limits of reading on after an answer, for a client that is still sending.
const (
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// linger ends the connection such that the client gets the whole answer: with
// bytes unread, closing at once would reset it.
func (s *session) linger() {
	if s.closed.Load() || s.timed.CloseWrite() != nil {
		return
	}
	_ = s.timed.SetReadDeadline(time.Now().Add(lingerTime))
	var scratch [4096]byte
	for n := 0; n < lingerBytes; {
		read, err := s.timed.TCPConn.Read(scratch[:])
		if err != nil {
			return
		}
		n += read
	}
}

// closeIdle ends the session if it waits for a request.
func (s *session) closeIdle() {
	if s.idle.Load() {
		_ = s.timed.SetReadDeadline(time.Unix(1, 0))
	}
}

// cut ends the session whatever it does.
func (s *session) cut() {
	s.closed.Store(true)
	_ = s.timed.Close()
	if u := s.tunnelled.Load(); u != nil {
		_ = u.Close()
	}
}
