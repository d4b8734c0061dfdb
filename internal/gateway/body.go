package gateway

import (
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// requestBody is the body of a request on its way to an endpoint. A short one
// is read first, so that a slow client holds no endpoint and the request can be
// repeated; a long one, or one of unknown length, is streamed once.
type requestBody struct {
	exchange *exchange
	framing  http1.Framing
	bytes    int64

	kept   []byte  // the whole body, unless it is streamed
	pooled *[]byte // what kept lies in, when it is not the client's buffer

	streamed bool          // an endpoint has been sent some of it
	ended    chan struct{} // closed when the streaming has ended; nil before it
	err      error         // why it ended early; read after ended
	counted  int64         // read after ended
}

// tooLarge is why a body was refused or broken off.
const tooLarge = "the request's body is larger than the listener's bodyBytes"

// replays holds buffers for bodies that did not fit the client's buffer.
var replays = sync.Pool{New: func() any { return new([]byte) }}

func (b *requestBody) prepare(x *exchange) {
	*b = requestBody{exchange: x, framing: x.request.Framing}
}

// collect reads a short body. A status other than 0 is what to refuse with.
func (b *requestBody) collect() (status int, reason Reason, why string) {
	if b.framing.None() {
		return 0, "", ""
	}
	s := b.exchange.session
	c := s.listener.config.Load()
	if c.BodyBytes > 0 && b.framing.Length > c.BodyBytes {
		return 413, ReasonTooLarge, tooLarge
	}
	if b.exchange.request.ExpectContinue {
		s.conn.WriteContinue()
		if s.conn.Flush() != nil {
			return 0, "", "" // the client has gone: the first try will notice
		}
	}
	if b.framing.Chunked || b.framing.Length > int64(b.exchange.to.service.config.Load().ReplayBytes) {
		return 0, "", ""
	}
	s.timed.readBy = time.Now().Add(c.StallTimeout)
	defer func() { s.timed.readBy = time.Time{} }()
	err := b.read(s.conn.Body(), int(b.framing.Length))
	switch {
	case err == nil:
		return 0, "", ""
	case expired(err):
		return 408, ReasonClientSlow, "the request's body took too long"
	}
	return 400, ReasonBadRequest, "the request's body ended early"
}

// read keeps the whole body: where it lies, when all of it has come with the
// head, and else in a buffer.
func (b *requestBody) read(body *http1.Body, length int) error {
	if view, err := body.Peek(); err == nil && len(view) == length {
		body.Consume(length) // the bytes stay until the connection is read again
		b.kept, b.bytes = view, int64(length)
		return nil
	}
	b.pooled = replays.Get().(*[]byte)
	kept := (*b.pooled)[:0]
	for len(kept) < length {
		if len(kept) == cap(kept) { // as much as has come: announcing a body must not cost memory
			kept = slices.Grow(kept, min(max(len(kept), 4<<10), length-len(kept)))
		}
		n, err := body.Read(kept[len(kept):min(cap(kept), length)])
		kept = kept[:len(kept)+n]
		b.bytes = int64(len(kept))
		if err != nil {
			return err
		}
	}
	*b.pooled, b.kept = kept, kept
	return nil
}

func (b *requestBody) release() {
	if b.pooled != nil {
		replays.Put(b.pooled)
	}
	b.kept, b.pooled = nil, nil
}

// replayable reports whether the request can be sent to another endpoint.
func (b *requestBody) replayable() bool { return !b.streamed }

// streams reports whether the body is sent while it comes.
func (b *requestBody) streams() bool { return !b.framing.None() && b.kept == nil }

// send writes the body after the head that is in u's buffer, and flushes.
func (b *requestBody) send(u *upstream) error {
	if !b.streams() {
		u.WriteBody(b.kept, b.framing)
		err := u.Flush()
		u.Release() // the answer may take long
		return err
	}
	b.streamed = true
	b.ended = make(chan struct{})
	go b.stream(u, b.ended)
	return nil
}

// stream sends the body while the response is awaited, since an endpoint may
// answer before it has read everything.
func (b *requestBody) stream(u *upstream, ended chan struct{}) {
	defer close(ended)
	most := int64(math.MaxInt64)
	if c := b.exchange.session.listener.config.Load(); c.BodyBytes > 0 {
		most = c.BodyBytes
	}
	b.counted, b.err = b.exchange.session.conn.Body().RelayAtMost(u.Conn, b.framing, most)
}

// sending reports whether the body is still on its way.
func (b *requestBody) sending() bool {
	if b.ended == nil {
		return false
	}
	select {
	case <-b.ended:
		return false
	default:
		return true
	}
}

// sentSoon reports whether the whole body has been sent, now that its response
// has begun. An endpoint may answer the last byte before the streaming learns
// that it wrote it.
func (b *requestBody) sentSoon() bool {
	if !b.sending() {
		return true
	}
	select {
	case <-b.ended:
		return true
	case <-time.After(2 * time.Millisecond):
		return false
	}
}

// broken is what kept the client's body from being read to its end, or nil.
func (b *requestBody) broken() error {
	if b.ended == nil || b.sending() {
		return nil
	}
	if e, ok := errors.AsType[*http1.ReadError](b.err); ok {
		return e.Err
	}
	return nil
}

// settle waits for the streaming to end and reports whether the whole body was
// read, so that the client's connection can go on. An endpoint that has
// answered need not read the rest: the streaming is then broken off.
func (b *requestBody) settle(u *upstream) bool {
	if b.ended == nil {
		return true
	}
	if b.sending() {
		_ = u.Close()
		b.interrupt()
	}
	b.bytes = b.counted
	return b.err == nil
}

// interrupt ends the streaming by making its read fail. The streaming may be
// setting a deadline of its own at that moment: hence more than once.
func (b *requestBody) interrupt() {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_ = b.exchange.session.timed.SetReadDeadline(time.Unix(1, 0))
		select {
		case <-b.ended:
			b.exchange.session.timed.readSet = time.Time{} // it is not what it was thought to be
			return
		case <-tick.C:
		}
	}
}

// bodyError is a try that ended because the client's body could not be read.
type bodyError struct{ cause error }

func (e *bodyError) Error() string { return "read the request's body: " + e.cause.Error() }

func (e *bodyError) reason() Reason {
	_, protocol := errors.AsType[*http1.ProtocolError](e.cause)
	switch {
	case errors.Is(e.cause, http1.ErrTooLong):
		return ReasonTooLarge
	case expired(e.cause):
		return ReasonClientSlow
	case protocol:
		return ReasonBadRequest
	}
	return ReasonClientGone
}
