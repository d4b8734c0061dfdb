package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// client is who an exchange answers: a session of HTTP/1.1, or a stream of
// HTTP/2 or HTTP/3.
type client interface {
	// gone reports whether nobody waits for the answer any more. While the
	// request's body is still sent, HTTP/1.1 cannot tell.
	gone(sending bool) bool
	// awaited reports whether what was written waits for the client to take it.
	awaited() bool
	// hold has u closed when the client is cut off; nil ends that.
	hold(u upstream)

	// protocol is what the client speaks.
	protocol() string

	// body is that of the request.
	body() source
	// proceed tells a client that waits for it to send the body.
	proceed() error
	// paceBody asks for the listener's bodyRateMin from now on.
	paceBody()
	// readBy bounds how long the body may take from now on; zero: as long as it
	// moves.
	readBy(t time.Time)
	// trail has the body's trailers sent with it.
	trail(out *http.Request)
	// interrupt makes the body's reader fail, and returns when it has ended.
	interrupt(ended <-chan struct{})

	// respond passes the endpoint's response on. It returns the bytes of the
	// body, and whether the connection can go on.
	respond(x *exchange, u upstream) (n int64, keep bool, err error)
	// answer gives Afloat's own answer.
	answer(x *exchange, a *ownAnswer) (keep bool)
	// join passes bytes on both ways after the endpoint agreed to another
	// protocol, and returns how many when either side has ended.
	join(x *exchange, u *upstreamConn) (up, down int64)
	// abort makes sure that the client does not take what it got for the whole.
	abort()
	// reset is abort as by a peer that is gone.
	reset()
}

// source is a body that comes.
type source interface {
	io.Reader
	// Peek returns what is at hand, as a view; nothing where it cannot.
	Peek() ([]byte, error)
	// Consume says that so many bytes of the last Peek were used.
	Consume(n int)
}

// sink is a body that goes.
type sink interface {
	// write sends at once.
	write(p []byte) error
	// end ends the body, with the trailers that u has.
	end(u upstream) error
}

// ownAnswer is an answer of Afloat's own.
type ownAnswer struct {
	status            int
	contentType, body string
	retryAfter        time.Duration
	fields            []http1.Field // more of them
	dated             bool          // they have a Date
	age               int64         // in seconds, of one that is dated
}

// passages hold buffers for bodies between two protocols.
var passages = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// pass copies the response's body. Each piece goes out at once.
func (x *exchange) pass(u upstream, to sink) (n int64, err error) {
	var lost error // why nothing goes to the client any more, while a copy is wanted
	buf := passages.Get().(*[32 << 10]byte)
	defer passages.Put(buf)
	for {
		read, err := u.read(x.pace.piece(buf[:]))
		if read > 0 {
			if x.pace.slow() && !x.pace.pass(x, read) {
				return n, errClientGone
			}
			if x.tee != nil {
				x.tee.write(buf[:read])
			}
			if lost == nil {
				if err := to.write(buf[:read]); err == nil {
					n += int64(read)
				} else if lost = (&http1.WriteError{Err: err}); x.once == nil {
					return n, lost
				}
			}
		}
		switch {
		case err == io.EOF:
			if x.tee != nil {
				x.tee.end()
			}
			if lost != nil {
				return n, lost
			}
			if err := to.end(u); err != nil {
				return n, &http1.WriteError{Err: err}
			}
			return n, nil
		case err != nil:
			if err := x.silence(err); err != nil {
				return n, err
			}
		}
	}
}

// silence says what an error of reading the response means: nothing, where it
// is one that may be silent for as long as it likes and its client is there.
func (x *exchange) silence(err error) error {
	switch {
	case !expired(err) || !x.endless() || x.callOver(time.Now()):
		if _, ok := errors.AsType[*http1.ReadError](err); ok {
			return err
		}
		return &http1.ReadError{Err: err}
	case x.client.gone(false):
		return errClientGone
	}
	return nil
}
