package gateway

import (
	"crypto/tls"
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
	packets  *packetSession // of HTTP/3, in place of these two
	client   netip.AddrPort
	host     netip.Prefix   // whose connections it counts among; zero: they are not counted
	via      []byte         // the client's address without its port
	user     string         // who the client is among many
	original netip.AddrPort // where it was to go, of a transparent listener
	tls      bool
	speaks   string    // what was agreed on by ALPN; empty for HTTP/1.1
	identity string    // by the client's certificate; empty without one
	exchange *exchange // nil while no request is under way
	served   time.Time // when the last request was
	over     bool      // no request follows
	lingers  bool      // and the client is to get the whole of the last answer

	mu      sync.Mutex
	idle    bool      // waiting for a request's first byte; guarded
	idleAt  time.Time // since when; guarded
	streams int       // requests of HTTP/2 under way; guarded
	joined  upstream  // what passes its bytes on; guarded
	closed  atomic.Bool
	metered atomic.Pointer[metered] // nil but for HTTP/2
	resets  atomic.Int64            // requests of HTTP/2 that the client gave up, less those that ended
}

func newSession(l *listener, tcp *net.TCPConn) *session {
	c := l.config.Load()
	s := &session{
		listener: l,
		timed:    &timedConn{TCPConn: tcp, writeStall: c.StallTimeout},
	}
	peer, _ := netip.ParseAddrPort(tcp.RemoteAddr().String()) // empty once the client has gone
	s.serves(netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()))
	return s
}

// exchanges are those that no request needs now: most connections are idle most
// of the time.
var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// takeExchange gets the session what a request needs.
func (s *session) takeExchange() *exchange {
	s.exchange = exchanges.Get().(*exchange)
	s.exchange.session, s.exchange.client = s, s
	return s.exchange
}

// returnExchange gives it back once the request is behind the session. After an
// exchange that broke off, others may still look at it: it is left to them.
func (s *session) returnExchange() {
	x := s.exchange
	s.exchange, x.session, x.client = nil, nil, nil
	exchanges.Put(x)
}

// serves says whose connection it is.
func (s *session) serves(client netip.AddrPort) {
	s.client = client
	s.via = []byte(client.Addr().WithZone("").String())
	s.user = string(appendClient(nil, client.Addr()))
}

// serve answers requests until the connection ends. What it needs of the stack
// every connection at rest keeps: hence greet.
func (s *session) serve() {
	defer s.listener.remove(s)
	defer s.timed.Close()
	defer s.survive()
	if !s.greet() {
		return
	}
	defer s.conn.Close()
	wait := s.listener.config.Load().HeaderTimeout // for the first request; later ones may take their time
	for first := true; s.await(wait, first) && s.serveRequest(first); first = false {
		wait = s.listener.config.Load().IdleTimeout
	}
	if s.lingers {
		s.linger()
	}
}

// greet finds out what the connection is to be served as. It reports whether
// requests follow, or else has served it.
func (s *session) greet() bool {
	c := s.listener.config.Load()
	wait := c.HeaderTimeout
	if !s.introduced(wait) {
		return false
	}
	if c.TCP != nil {
		s.serveTCP(c.TCP, wait)
		return false
	}
	wire, ok := s.secure(wait)
	if !ok {
		return false
	}
	s.conn = http1.NewConn(wire, &http1.Limits{HeadBytesMax: c.HeaderBytes})
	if p := s.listener.passthrough; p != nil && !s.redirected(p) {
		_ = s.conn.Close()
		return false
	}
	return true
}

// serveRequest reads a request and answers it. It reports whether the connection
// can serve another.
func (s *session) serveRequest(first bool) (again bool) {
	c := s.listener.config.Load()
	start := time.Now()
	s.timed.readBy = start.Add(c.HeaderTimeout)
	x := s.takeExchange()
	err := s.conn.ReadRequest(&x.request)
	if first && (s.speaks == "h2" || !s.tls && err == http1.ErrHTTP2) {
		s.returnExchange()
		if err == http1.ErrHTTP2 {
			s.serveHTTP2()
		}
		return false
	}
	if first && !s.tls && err == http1.ErrNotHTTP {
		s.returnExchange()
		s.refusePreface()
		return false
	}
	if err != nil {
		s.refuse(err, start)
		return false
	}
	return s.run(start, c)
}

// refusePreface ends a connection that begins neither as HTTP/1.1 nor as HTTP/2
// does. It gets no answer, as RFC 9113, 3.4 wants of a preface that is wrong: an
// answer of HTTP/1.1 would be to nobody who speaks that.
func (s *session) refusePreface() {
	s.listener.gateway.log.Debug("a connection begins neither as HTTP/1.1 nor as HTTP/2", "listener", s.listener.address, "client", s.client)
	s.lingers = true
}

// run serves the request that was read.
func (s *session) run(start time.Time, c *ListenerConfig) (again bool) {
	s.timed.readBy, s.timed.readStall = time.Time{}, c.StallTimeout
	if !s.exchange.run(start) {
		s.lingers = true
		return false
	}
	s.conn.Release()
	s.served = start.Add(s.exchange.record.Duration)
	s.returnExchange()
	return true
}

// serveWhole serves a request that has come as a whole within the wait for it,
// which then goes on: most requests do, and it saves a look for the next one. It
// leaves all else to serveRequest.
func (s *session) serveWhole() (again bool) {
	s.setIdle(false, time.Time{})
	start := time.Now()
	if !s.conn.ReadWhole(&s.takeExchange().request) {
		s.returnExchange()
		return false
	}
	c := s.listener.config.Load()
	s.over = !s.run(start, c) || !s.rest(s.served, min(c.IdleTimeout, lookAfter))
	return !s.over
}

// survive keeps a defect in one request's handling from ending all others.
func (s *session) survive() {
	if cause := recover(); cause != nil {
		s.listener.gateway.log.Error("a request's handling failed; its connection is closed", "panic", cause, "stack", string(debug.Stack()))
	}
}

// lookAfter is how long a connection rests before it is looked at whether the
// client ended it along with the last request.
const lookAfter = time.Second

// await serves the requests that come as a whole and waits for the first byte of
// one that does not. The first is never served so: a client that sends but one
// may end its side along with it.
func (s *session) await(wait time.Duration, first bool) bool {
	var err error
	switch {
	case first || s.tls:
		if !s.rest(later(clock), wait) {
			return false
		}
		err = s.conn.Await()
	case !s.rest(later(clock), min(wait, lookAfter)):
		return false
	default:
		err = s.conn.AwaitEach(s.serveWhole)
		if expired(err) && s.rest(later(clock), wait) {
			err = s.conn.Await()
		}
	}
	s.setIdle(false, time.Time{})
	if s.listener.ending.Load() {
		s.timed.readSet = time.Time{} // closeIdle may have moved it; a request that came before is served
	}
	return err == nil && !s.over
}

// rest begins the wait for a request, now, if there is to be one.
func (s *session) rest(now time.Time, wait time.Duration) bool {
	s.setIdle(true, now)
	s.offerRoom()
	if s.listener.ending.Load() && s.conn.Buffered() == 0 || s.closed.Load() {
		return false
	}
	if s.tls {
		s.timed.readBy = time.Now().Add(wait) // its reads are not those of the socket
	} else {
		s.timed.nudgeRead(now, wait)
	}
	return true
}

func (s *session) setIdle(idle bool, since time.Time) {
	s.mu.Lock()
	s.idle, s.idleAt = idle, since
	s.mu.Unlock()
}

// beginStream notes that a stream of HTTP/2 asks for something.
func (s *session) beginStream() {
	s.mu.Lock()
	s.streams++
	s.mu.Unlock()
}

// endStream notes that one has been answered.
func (s *session) endStream() {
	s.mu.Lock()
	if s.streams--; s.streams == 0 {
		s.idleAt = time.Now()
	}
	s.mu.Unlock()
	s.offerRoom()
}

// idleSince says since when the session has waited for a request, and reports
// whether it does.
func (s *session) idleSince() (time.Time, bool) {
	if s.packets != nil {
		return s.packets.idleSince()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idleAt, s.idle || s.metered.Load() != nil && s.streams == 0
}

// makeRoom ends a session that waits for a request, for one that has come.
func (s *session) makeRoom() {
	_, idle := s.idleSince()
	switch {
	case s.packets != nil:
		s.packets.leave(0)
	case s.metered.Load() == nil:
		s.closeIdle()
	case idle:
		s.warn()
		s.hangUp()
	}
}

// offerRoom tells those who wait for room that the session may have become idle.
func (s *session) offerRoom() {
	if s.listener.full.Load() > 0 {
		s.listener.tellIdle()
	}
}

// refuse answers a request that could not be read.
func (s *session) refuse(err error, start time.Time) {
	x := s.exchange
	x.begin(start)
	if e, ok := errors.AsType[*http1.ProtocolError](err); ok {
		x.refuse(e.Status, ReasonBadRequest, e.Reason)
	} else if expired(err) {
		x.refuse(408, ReasonClientSlow, "the request's head took too long")
	} else {
		return // the client went away: nobody is left to be answered
	}
	s.lingers = true
}

// Limits of reading on after an answer, for a client that is still sending.
const (
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// linger ends the connection such that the client gets the whole answer: with
// bytes unread, closing at once would reset it.
func (s *session) linger() {
	if s.closed.Load() || s.closeWrite() != nil {
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

// closeWrite says that nothing more is sent, in TLS too, so that the client can
// tell an end from a cut.
func (s *session) closeWrite() error {
	if s.tls {
		_ = s.conn.Conn.(*tls.Conn).CloseWrite() // where it fails, so does what follows
	}
	return s.timed.CloseWrite()
}

// closeIdle ends the session if it waits for a request.
func (s *session) closeIdle() {
	if s.packets != nil {
		s.packets.retire()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle {
		_ = s.timed.SetReadDeadline(time.Unix(1, 0))
	}
}

// hangUp closes the client's connection. What is written ends at once, and the
// rest when whoever uses the connection has seen it, for which hangUp does not
// wait.
func (s *session) hangUp() {
	if s.packets != nil {
		s.packets.hangUp(http3ExcessiveLoad)
		return
	}
	_ = s.timed.CloseWrite() // fails only where it is closed
	go s.timed.Close()
}

// cut ends the session whatever it does.
func (s *session) cut() {
	s.closed.Store(true)
	s.hangUp()
	s.mu.Lock()
	u := s.joined
	s.mu.Unlock()
	if u != nil {
		_ = u.Close()
	}
}
