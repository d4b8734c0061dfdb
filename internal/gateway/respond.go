package gateway

import (
	"cmp"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/policy"
)

// relay passes the endpoint's response on. The class is the outcome's, unless
// the response broke off later.
func (x *exchange) relay(o *outcome) (keep bool, class policy.Class) {
	u := x.upstream
	x.session.joined.Store(u)
	u.timed.readBy, u.timed.readStall = time.Time{}, x.to.service.config.Load().StallTimeout
	f, keep := x.writeResponseHead(x.mayKeep() && x.body.sentSoon())
	n, err := x.relayBody(u, f)
	x.session.joined.Store(nil)
	x.record.Status, x.record.ResponseBytes = o.status, n
	class = o.class
	if _, clientFailed := errors.AsType[*http1.WriteError](err); clientFailed || errors.Is(err, errClientGone) {
		class, x.record.Reason = policy.Ignored, ReasonClientGone
	} else if err != nil {
		class, x.record.Reason = policy.Failure, ReasonBrokenOff
	}
	keep = x.body.settle(u) && err == nil && keep
	if err == nil && x.response.KeepAlive && x.body.err == nil && !x.session.closed.Load() {
		u.pool.put(u)
		x.upstream = nil
	}
	if err != nil {
		x.session.closed.Store(true) // the client must not take what it got for the whole
	}
	x.drop()
	x.done()
	return keep, class
}

// relayBody copies the response's body. A stream of events may be silent for as
// long as it likes, while its client is there.
func (x *exchange) relayBody(u *upstream, f http1.Framing) (n int64, err error) {
	for {
		passed, err := u.Body().Relay(x.session.conn, f)
		n += passed
		if !expired(err) || !x.isEventStream(f) {
			return n, err
		}
		if x.session.closed.Load() || x.session.conn.Gone() {
			return n, errClientGone
		}
	}
}

// isEventStream reports whether the response is one of server-sent events.
func (x *exchange) isEventStream(f http1.Framing) bool {
	const name = "text/event-stream"
	kind := x.response.Get("Content-Type")
	return (f.Chunked || f.UntilClose) && len(kind) >= len(name) && strings.EqualFold(string(kind[:len(name)]), name)
}

// mayKeep reports whether the client's connection may serve another request.
func (x *exchange) mayKeep() bool {
	return x.request.KeepAlive && !x.session.listener.ending.Load() && !x.session.closed.Load()
}

// reject answers a request that a policy refused, or that no endpoint
// answered, with the route's fallback where there is one.
func (x *exchange) reject(status int, reason Reason, why string, err error) (keep bool) {
	if f := x.route.fallback; f != nil && status >= 500 { // the rest tells the client what to do better
		x.record.Reason = ReasonFallback
		return x.answer(cmp.Or(f.Status, 200), cmp.Or(f.ContentType, "text/plain; charset=utf-8"), f.Body, 0)
	}
	var retryAfter time.Duration
	if rejected, ok := errors.AsType[*policy.Rejected](err); ok {
		retryAfter = max(rejected.RetryAfter, time.Nanosecond)
	}
	x.record.Reason = reason
	return x.answer(status, "text/plain; charset=utf-8", why+"\n", retryAfter)
}

// refuse answers a request that is not passed on to anybody.
func (x *exchange) refuse(status int, reason Reason, why string) (keep bool) {
	x.record.Reason = reason
	return x.answer(status, "text/plain; charset=utf-8", why+"\n", 0)
}

// answer gives the client Afloat's own answer. The connection goes on only if
// the request was read to its end.
func (x *exchange) answer(status int, contentType, body string, retryAfter time.Duration) (keep bool) {
	c := x.session.conn
	keep = status != 400 && status != 408 && x.mayKeep() && x.bodyRead()
	c.WriteStatusLine(status, nil)
	c.WriteDate(time.Now())
	c.WriteFieldString("Content-Type", contentType)
	if retryAfter > 0 {
		c.WriteFieldString("Retry-After", strconv.Itoa(int(math.Ceil(retryAfter.Seconds()))))
	}
	x.writeConnection(keep)
	if status != 204 && status != 304 {
		c.WriteFraming(http1.Framing{Length: int64(len(body))})
	}
	c.EndHead()
	if x.request.Method != "HEAD" && status != 204 && status != 304 {
		c.AppendString(body)
		x.record.ResponseBytes = int64(len(body))
	}
	keep = c.Flush() == nil && keep
	x.record.Status = status
	x.done()
	return keep
}

// bodyRead reports whether the request's body is behind us. What has come of
// a short one is read away.
func (x *exchange) bodyRead() bool {
	if x.body.ended != nil {
		return !x.body.sending() && x.body.err == nil
	}
	b := x.session.conn.Body()
	if b.Done() || x.request.Framing.Chunked {
		return b.Done()
	}
	if view, err := b.Peek(); err != nil || int64(len(view)) != x.request.Framing.Length {
		return false
	}
	return b.Discard(x.request.Framing.Length) == nil
}

// tunnelIdle is how long a tunnel may carry nothing either way.
const tunnelIdle = time.Hour

// tunnel joins client and endpoint after the endpoint agreed to another
// protocol, and ends when either side does.
func (x *exchange) tunnel() (keep bool, class policy.Class) {
	s, u := x.session, x.upstream
	c := s.conn
	c.WriteStatusLine(101, x.response.Reason)
	for i := range x.response.Fields {
		if f := &x.response.Fields[i]; x.response.Forward(f) {
			c.WriteField(f.Name, f.Value)
		}
	}
	c.WriteFieldString("Connection", "Upgrade")
	c.WriteField(upgradeName, x.response.Upgrade)
	c.EndHead()
	x.answered = true
	x.record.Status = 101
	s.joined.Store(u)
	defer s.joined.Store(nil)
	if c.Flush() == nil {
		x.record.RequestBytes, x.record.ResponseBytes = s.join(u)
	}
	x.body.bytes = x.record.RequestBytes
	s.closed.Store(true)
	x.drop()
	x.done()
	return false, policy.Success
}

// join copies both ways until both are at their end, or one fails.
func (s *session) join(u *upstream) (up, down int64) {
	s.timed.readBy, s.timed.readStall = time.Time{}, tunnelIdle
	u.timed.readBy, u.timed.readStall = time.Time{}, tunnelIdle
	ended := make(chan int64)
	go func() {
		n, err := io.Copy(struct{ io.Writer }{u.timed}, struct{ io.Reader }{s.conn})
		if err != nil || u.timed.CloseWrite() != nil {
			_ = u.Close()
		}
		ended <- n
	}()
	down, err := io.Copy(struct{ io.Writer }{s.timed}, struct{ io.Reader }{u.Conn})
	if err != nil || s.timed.CloseWrite() != nil {
		_ = s.timed.Close()
		_ = u.Close()
	}
	return <-ended, down
}

func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
