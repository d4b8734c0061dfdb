package gateway

import (
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// requestBody is the body of a request on its way to an endpoint. A short one
// is read first, so that a slow client holds no endpoint and the request can be
// repeated. One of unknown length is passed on while it comes, and kept for a
// repeat as long as it is short; a long one is streamed once.
type requestBody struct {
	exchange *exchange
	framing  http1.Framing
	bytes    int64

	kept   []byte  // the whole body, unless it is streamed
	pooled *[]byte // what kept lies in, when it is not the client's buffer

	streamed bool          // an endpoint has been sent some of it
	ended    chan struct{} // closed when it has been read to its end, or failed; nil before it is streamed
	err      error         // why it ended early; read after ended
	counted  int64         // read after ended
	feed     *feed         // of a body of unknown length, or from or to HTTP/2
	tap      *tap          // the present try's
}

// tooLarge is why a body was refused or broken off.
const tooLarge = "the request's body is larger than the listener's bodyBytes"

// tooLargeKeyed is why a body cannot be compared with that of a repeat.
const tooLargeKeyed = "the body is too large for a request with an Idempotency-Key"

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
	x := b.exchange
	c := x.session.listener.config.Load()
	if c.BodyBytes > 0 && b.framing.Length > c.BodyBytes {
		return 413, ReasonTooLarge, tooLarge
	}
	if x.request.ExpectContinue && x.client.proceed() != nil {
		return 0, "", "" // the client has gone: the first try will notice
	}
	switch most := int64(x.to.replays); {
	case x.keyed != nil:
		most = int64(x.keyed.config.BodyBytes)
		if b.framing.Length > most {
			return 413, ReasonTooLarge, tooLargeKeyed
		}
	case b.framing.Chunked, b.framing.Length > most:
		x.client.paceBody()
		return 0, "", ""
	}
	x.client.readBy(time.Now().Add(c.StallTimeout))
	var err error
	if b.framing.Chunked {
		err = b.readToEnd(x.client.body(), min(x.keyed.config.BodyBytes, int(min(b.bytesMax(), math.MaxInt))))
	} else {
		err = b.read(x.client.body(), int(b.framing.Length))
	}
	x.client.readBy(time.Time{})
	switch {
	case err == nil:
		return 0, "", ""
	case err == http1.ErrTooLong:
		return 413, ReasonTooLarge, tooLargeKeyed
	case expired(err):
		return 408, ReasonClientSlow, "the request's body took too long"
	}
	return 400, ReasonBadRequest, "the request's body ended early"
}

// read keeps the whole body: where it lies, when all of it has come with the
// head, and else in a buffer.
func (b *requestBody) read(body source, length int) error {
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
		if err != nil && len(kept) < length {
			return err
		}
	}
	*b.pooled, b.kept = kept, kept
	return nil
}

// readToEnd keeps the whole of a body of unknown length, which is sent with its
// length then.
func (b *requestBody) readToEnd(body source, most int) error {
	kept, err := io.ReadAll(io.LimitReader(body, int64(most)+1))
	b.bytes = int64(len(kept))
	switch {
	case err != nil:
		return err
	case len(kept) > most:
		return http1.ErrTooLong
	}
	b.kept, b.framing = kept, http1.Framing{Length: int64(len(kept))}
	b.exchange.request.Framing = b.framing
	return nil
}

func (b *requestBody) release() {
	if b.feed != nil {
		b.stop()
	}
	if b.pooled != nil {
		replays.Put(b.pooled)
	}
	b.kept, b.pooled = nil, nil
}

// replayable reports whether the request can be sent to another endpoint.
func (b *requestBody) replayable() bool {
	return !b.streamed || b.feed != nil && b.feed.replayable()
}

// streams reports whether the body is sent while it comes.
func (b *requestBody) streams() bool { return !b.framing.None() && b.kept == nil }

// bytesMax bounds the body.
func (b *requestBody) bytesMax() int64 {
	if c := b.exchange.session.listener.config.Load(); c.BodyBytes > 0 {
		return c.BodyBytes
	}
	return math.MaxInt64
}

// send writes the body after the head that is in u's buffer. A new connection's
// endpoint may have spoken before it was asked; one that is reused has not.
func (b *requestBody) send(u *upstreamConn) error {
	u.unsent = u.again && !b.streams()
	if !b.streams() {
		u.WriteBody(b.kept, b.framing)
		if u.unsent {
			return nil
		}
		err := u.Flush()
		u.Release() // the answer may take long
		return err
	}
	unknown := b.framing.Chunked && b.exchange.to.replays > 0
	if s, ok := b.exchange.client.(*session); ok && b.feed == nil && !unknown {
		b.streamed = true
		b.ended = make(chan struct{})
		go b.relay(s, u, b.ended)
		return nil
	}
	go b.open().pour(u, b.framing)
	return nil
}

// open gives the body, from its beginning, to what does not write it by the
// codec of the client's connection.
func (b *requestBody) open() *tap {
	if b.feed == nil {
		length := b.framing.Length
		if b.framing.Chunked {
			length = -1
		}
		b.feed = newFeed(b.exchange.client.body(), b.bytesMax(), length, b.exchange.to.replays)
		b.ended = b.feed.ended
	}
	b.streamed = true
	b.tap = b.feed.tap()
	return b.tap
}

// relay sends the body while the response is awaited, since an endpoint may
// answer before it has read everything.
func (b *requestBody) relay(s *session, u *upstreamConn, ended chan struct{}) {
	defer close(ended)
	b.counted, b.err = s.conn.Body().RelayAtMost(u.Conn, b.framing, b.bytesMax())
}

// sending reports whether the body is still on its way.
func (b *requestBody) sending() bool {
	if b.tap != nil {
		return !b.tap.over()
	}
	return b.coming()
}

// coming reports whether the body is streamed and has not been read to its end.
func (b *requestBody) coming() bool {
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
	if !b.coming() {
		return true
	}
	select {
	case <-b.ended:
		return true
	case <-time.After(2 * time.Millisecond):
		return false
	}
}

// failure is why the streaming ended early, once it has.
func (b *requestBody) failure() error {
	if b.feed == nil {
		return b.err
	}
	b.feed.mu.Lock()
	defer b.feed.mu.Unlock()
	if b.feed.err == io.EOF {
		return nil
	}
	return b.feed.err
}

// promptly is how soon the whole of a streamed body has come that the client did
// not take its time for.
const promptly = 5 * time.Millisecond

// prompt reports whether a streamed body was there as soon as one that is read
// first.
func (b *requestBody) prompt() bool {
	if b.feed == nil {
		return false
	}
	b.feed.mu.Lock()
	defer b.feed.mu.Unlock()
	return b.feed.err == io.EOF && b.feed.took < promptly
}

// broken is what kept the client's body from being read to its end, or nil.
func (b *requestBody) broken() error {
	if b.ended == nil || b.coming() {
		return nil
	}
	if e, ok := errors.AsType[*http1.ReadError](b.failure()); ok {
		return e.Err
	}
	return nil
}

// leave ends what the try at u takes of the body. Where another try may take
// it anew, the client's is read on.
func (b *requestBody) leave(u upstream) {
	if b.feed == nil {
		b.settle(u)
	} else if b.tap != nil {
		b.tap.leave(u)
		b.tap = nil
	}
}

// settle waits for the streaming to end and reports whether the whole body was
// read, so that the client's connection can go on. An endpoint that has
// answered need not read the rest: the streaming is then broken off.
func (b *requestBody) settle(u upstream) bool {
	switch {
	case b.ended == nil:
		return true
	case b.feed != nil:
		sent := b.tap == nil || b.tap.leave(u)
		b.tap = nil
		b.stop()
		if b.err = b.failure(); b.err == nil && (b.coming() || !sent) {
			b.err = errTapClosed
		}
		return !b.coming() && b.failure() == nil
	case b.coming():
		_ = u.Close()
		b.exchange.client.interrupt(b.ended)
	}
	b.bytes = b.counted
	return b.err == nil
}

// stop ends the reading of the client's body.
func (b *requestBody) stop() {
	b.feed.stop(b.exchange.client.interrupt)
	b.feed.mu.Lock()
	defer b.feed.mu.Unlock()
	b.bytes = b.feed.count
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
