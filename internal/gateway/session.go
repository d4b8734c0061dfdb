package gateway

import (
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
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

	mu     sync.Mutex
	idle   bool // waiting for a request's first byte; guarded
	closed atomic.Bool
	// joined is the connection to an endpoint whose bytes are passed on.
	joined atomic.Pointer[upstream]
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
	defer s.survive()
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

// survive keeps a defect in one request's handling from ending all others.
func (s *session) survive() {
	if cause := recover(); cause != nil {
		s.listener.gateway.log.Error("a request's handling failed; its connection is closed", "panic", cause, "stack", string(debug.Stack()))
	}
}

// await waits for the first byte of a request.
func (s *session) await(wait time.Duration) bool {
	s.setIdle(true)
	if s.listener.ending.Load() && s.conn.Buffered() == 0 || s.closed.Load() {
		return false
	}
	s.timed.nudgeRead(wait)
	err := s.conn.Await()
	s.setIdle(false)
	if s.listener.ending.Load() {
		s.timed.readSet = time.Time{} // closeIdle may have moved it; a request that came before is served
	}
	return err == nil
}

func (s *session) setIdle(idle bool) {
	s.mu.Lock()
	s.idle = idle
	s.mu.Unlock()
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

// pause waits, and reports whether the client is still there.
func (s *session) pause(d time.Duration) bool {
	const look = 250 * time.Millisecond
	for d > 0 {
		step := min(d, look)
		time.Sleep(step)
		d -= step
		if s.closed.Load() || s.conn.Gone() {
			return false
		}
	}
	return true
}

// closeIdle ends the session if it waits for a request.
func (s *session) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle {
		_ = s.timed.SetReadDeadline(time.Unix(1, 0))
	}
}

// cut ends the session whatever it does.
func (s *session) cut() {
	s.closed.Store(true)
	_ = s.timed.Close()
	if u := s.joined.Load(); u != nil {
		_ = u.Close()
	}
}
