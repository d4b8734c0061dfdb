package gateway

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// respond passes the endpoint's response on in HTTP/1.1.
func (s *session) respond(x *exchange, u upstream) (n int64, keep bool, err error) {
	f, keep := s.writeHead(x, s.mayKeep() && x.body.sentSoon())
	conn, ok := u.(*upstreamConn)
	if !ok || x.pace.slow() || x.tee != nil {
		n, err = x.pass(u, &framed{s.conn, f})
		return n, keep, err
	}
	for {
		passed, err := conn.Body().Relay(s.conn, f)
		if n += passed; err == nil {
			return n, keep, nil
		}
		if err := x.silence(err); err != nil {
			return n, keep, err
		}
	}
}

// framed is a body on its way in HTTP/1.1.
type framed struct {
	conn    *http1.Conn
	framing http1.Framing
}

func (f *framed) write(p []byte) error {
	f.conn.WriteBody(p, f.framing)
	return f.conn.Flush()
}

// end drops the trailers, as the codec does with those that it reads.
func (f *framed) end(upstream) error {
	f.conn.EndBody(f.framing)
	return f.conn.Flush()
}

// writeHead gives the client the head of the endpoint's response, and returns
// how its body is framed and whether the connection can go on.
func (s *session) writeHead(x *exchange, keep bool) (http1.Framing, bool) {
	c, r := s.conn, &x.response
	f := r.Framing
	switch {
	case r.Bodiless():
		f = http1.Framing{}
	case x.request.Minor == 0 && (f.Chunked || f.UntilClose):
		f, keep = http1.Framing{UntilClose: true}, false
	case f.UntilClose:
		f = http1.Framing{Chunked: true} // so that the client can tell a whole body from a broken one
	}
	c.WriteStatusLine(r.Status, r.Reason)
	for i := range r.Fields {
		if field := &r.Fields[i]; x.forwardsBack(field) {
			c.WriteField(field.Name, field.Value)
		}
	}
	for _, field := range x.addedBack() {
		c.WriteField(field.Name, field.Value)
	}
	if !r.Bodiless() {
		c.WriteFraming(f)
	}
	s.writeConnection(keep)
	c.EndHead()
	x.answered = true
	return f, keep
}

func (s *session) writeConnection(keep bool) {
	switch {
	case !keep:
		s.conn.WriteFieldString("Connection", "close")
	case s.exchange.request.Minor == 0:
		s.conn.WriteFieldString("Connection", "keep-alive")
	}
}

// mayKeep reports whether the client's connection may serve another request.
func (s *session) mayKeep() bool {
	return s.exchange.request.KeepAlive && !s.listener.last() && !s.closed.Load()
}

// answer gives Afloat's own answer. The connection goes on only if the request
// was read to its end.
func (s *session) answer(x *exchange, a *ownAnswer) (keep bool) {
	c := s.conn
	keep = a.status != 400 && a.status != 408 && s.mayKeep() && s.bodyRead(x)
	c.WriteStatusLine(a.status, nil)
	if !a.dated {
		c.WriteDate(time.Now())
	}
	if a.contentType != "" && !x.editsBack().drops(nameContentType) {
		c.WriteFieldString("Content-Type", a.contentType)
	}
	for i := range a.fields {
		c.WriteField(a.fields[i].Name, a.fields[i].Value)
	}
	if a.dated {
		c.WriteFieldString("Age", strconv.FormatInt(a.age, 10))
	}
	if a.retryAfter > 0 {
		c.WriteFieldString("Retry-After", strconv.Itoa(int(math.Ceil(a.retryAfter.Seconds()))))
	}
	for _, field := range x.addedBack() {
		c.WriteField(field.Name, field.Value)
	}
	s.writeConnection(keep)
	if a.status != 204 && a.status != 304 {
		c.WriteFraming(http1.Framing{Length: int64(len(a.body))})
	}
	c.EndHead()
	if x.request.Method != "HEAD" && a.status != 204 && a.status != 304 {
		c.AppendString(a.body)
		x.record.ResponseBytes = int64(len(a.body))
	}
	return c.Flush() == nil && keep
}

// bodyRead reports whether the request's body is behind us. What has come of
// a short one is read away.
func (s *session) bodyRead(x *exchange) bool {
	if x.body.ended != nil {
		return !x.body.coming() && x.body.failure() == nil
	}
	b := s.conn.Body()
	if b.Done() || x.request.Framing.Chunked {
		return b.Done()
	}
	if view, err := b.Peek(); err != nil || int64(len(view)) != x.request.Framing.Length {
		return false
	}
	return b.Discard(x.request.Framing.Length) == nil
}

func (s *session) gone(sending bool) bool {
	return s.closed.Load() || !sending && s.conn.Gone()
}

func (s *session) awaited() bool { return s.timed.writing.Load() }

func (s *session) hold(u upstream) {
	s.mu.Lock()
	s.joined = u
	s.mu.Unlock()
}

func (s *session) protocol() string {
	if s.exchange.request.Minor == 0 {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

func (s *session) body() source { return s.conn.Body() }

func (s *session) proceed() error {
	s.conn.WriteContinue()
	return s.conn.Flush()
}

func (s *session) paceBody() { s.timed.pace = newBodyPace(s.listener.config.Load()) }

func (s *session) readBy(t time.Time) { s.timed.readBy = t }

// trail has nothing to do: the codec checks and drops trailers.
func (s *session) trail(*http.Request) {}

// interrupt makes a read fail that may be setting a deadline of its own at that
// moment: hence more than once.
func (s *session) interrupt(ended <-chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_ = s.timed.SetReadDeadline(time.Unix(1, 0))
		select {
		case <-ended:
			s.timed.readSet = time.Time{} // it is not what it was thought to be
			return
		case <-tick.C:
		}
	}
}

// abort ends the connection after this exchange.
func (s *session) abort() { s.closed.Store(true) }

func (s *session) reset() {
	_ = s.timed.SetLinger(0) // fails only on a closed connection
	s.abort()
}
