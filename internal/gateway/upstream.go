package gateway

import (
	"crypto/tls"
	"io"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// upstream is what a try has of an endpoint: a connection of HTTP/1.1, or a
// stream of HTTP/2.
type upstream interface {
	io.Closer // may be called at any time, and more than once

	// send writes the request, which the endpoint must read within the time
	// given, or a streamed body for as long as that moves at all.
	send(x *exchange, within time.Duration) error
	// receive reads the response's head, interim ones too. After a timeout it
	// may be called again.
	receive(x *exchange, by time.Time) error
	// suspect says that the response was waited for in vain.
	suspect()
	// reused reports whether it served a try before.
	reused() bool

	// atHand reports whether all of the response has come: nobody waits for it.
	atHand(x *exchange) bool
	// stream begins the reading of the body, which may stall for so long.
	stream(x *exchange, stall time.Duration)
	// read reads the body.
	read(p []byte) (int, error)
	// trailers are the fields after the body.
	trailers() []http1.Field

	// put gives back what has ended well, and discard what has not.
	put(x *exchange)
	discard()
}

// upstreamConn is a connection of HTTP/1.1 to an endpoint.
type upstreamConn struct {
	*http1.Conn
	timed  *timedConn
	pool   *pool
	keys   *keys // it was made with; nil: no TLS
	again  bool
	unsent bool // the request leaves when its answer is awaited
	idleAt time.Time
}

func (u *upstreamConn) reused() bool { return u.again }

// receive holds no buffer before the response's first byte has come: an
// endpoint that is slow has many requests waiting.
func (u *upstreamConn) receive(x *exchange, by time.Time) error {
	if set := u.timed.readSet; set.After(by.Add(-lookInterval/2)) && set.Before(by) {
		by = set // near enough: leave the deadline as it is
	}
	u.timed.readBy = by
	if u.Buffered() == 0 {
		u.timed.setRead(by)
		if err := u.await(); err != nil {
			return err
		}
	}
	return u.ReadResponse(&x.response, x.request.Method)
}

func (u *upstreamConn) await() error {
	if u.unsent {
		return u.AwaitAnswer()
	}
	return u.Await()
}

// suspect has nothing to do: the connection is not used again.
func (u *upstreamConn) suspect() {}

func (u *upstreamConn) atHand(x *exchange) bool {
	f := x.response.Framing
	return !f.Chunked && !f.UntilClose && int64(u.Buffered()) >= f.Length
}

func (u *upstreamConn) stream(_ *exchange, stall time.Duration) {
	u.timed.readBy, u.timed.readStall = time.Time{}, stall
}

func (u *upstreamConn) read(p []byte) (int, error) { return u.Body().Read(p) }

// trailers are none: the codec checks and drops them.
func (u *upstreamConn) trailers() []http1.Field { return nil }

func (u *upstreamConn) put(x *exchange) {
	if x.response.KeepAlive && x.body.err == nil && !x.session.closed.Load() {
		u.pool.put(u, x.now)
	} else {
		u.discard()
	}
}

func (u *upstreamConn) discard() { u.pool.discard(u) }

// closeWrite says that nothing more is sent.
func (u *upstreamConn) closeWrite() error {
	if secured, ok := u.Conn.Conn.(*tls.Conn); ok {
		_ = secured.CloseWrite() // where it fails, so does what follows
	}
	return u.timed.CloseWrite()
}
