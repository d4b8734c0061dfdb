package http1

import (
	"errors"
	"io"
)

// ErrTooLong is returned by [Body.Discard] and [Body.RelayAtMost] for a body
// beyond its limit.
var ErrTooLong = errors.New("http1: body is too long to discard")

// A Body reads the decoded body of the message that its connection read last. It
// is not safe for use by several goroutines at once.
type Body struct {
	c        *Conn
	state    bodyState
	response bool  // refusals are 502
	full     bool  // the last read filled the block
	left     int64 // bytes left of the body, or of the chunk
	err      error // sticky
	chunks
}

type bodyState uint8

const (
	bodyDone bodyState = iota
	bodyLength
	bodyUntilClose
	bodyChunkData
	bodyFraming // between chunks; chunks.state says where
)

func (b *Body) begin(f Framing, response bool) {
	*b = Body{c: b.c, response: response}
	switch {
	case f.Chunked:
		b.state = bodyFraming
	case f.UntilClose:
		b.state = bodyUntilClose
	case f.Length > 0:
		b.state, b.left = bodyLength, f.Length
	}
}

// Done reports whether the body was read to its end.
func (b *Body) Done() bool { return b.state == bodyDone }

// Read returns io.EOF at the end of the body, io.ErrUnexpectedEOF when the peer
// closed before it, and a *ProtocolError for a bad chunk.
func (b *Body) Read(p []byte) (int, error) {
	for {
		view, err := b.Peek()
		if err != nil {
			return 0, err
		}
		if len(view) > 0 {
			n := copy(p, view)
			b.Consume(n)
			return n, nil
		}
		if len(p) == 0 {
			return 0, nil
		}
		if err := b.fill(); err != nil {
			return 0, err
		}
	}
}

// Peek returns the decoded bytes at hand without reading from the peer: a view
// that is valid until the next call, and empty if there are none yet. Its errors
// are those of Read; they are returned only when no bytes are left.
func (b *Body) Peek() ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	c := b.c
	if b.state == bodyFraming && c.r < c.w {
		if err := b.skipFraming(); err != nil {
			return nil, b.fail(err)
		}
	}
	switch b.state {
	case bodyDone:
		return nil, io.EOF
	case bodyFraming:
		return nil, nil
	}
	n := int64(c.w - c.r)
	if b.state != bodyUntilClose {
		n = min(n, b.left)
	}
	if n == 0 {
		return nil, nil
	}
	return c.in.bytes[c.r : c.r+int(n)], nil
}

// Consume says that the first n bytes of the last Peek were used.
func (b *Body) Consume(n int) {
	b.c.r += n
	if b.state == bodyUntilClose {
		return
	}
	b.left -= int64(n)
	if b.left > 0 {
		return
	}
	if b.state == bodyLength {
		b.state = bodyDone
	} else {
		b.state = bodyFraming
	}
}

// Discard reads the rest of the body so that the connection can go on, and gives
// up with ErrTooLong when that is more than n bytes.
func (b *Body) Discard(n int64) error {
	for {
		view, err := b.Peek()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case int64(len(view)) > n || b.state == bodyLength && b.left > n:
			return ErrTooLong
		}
		n -= int64(len(view))
		b.Consume(len(view))
		if len(view) > 0 {
			continue
		}
		if err := b.fill(); err != nil && err != io.EOF {
			return err
		}
	}
}

// fill reads once from the peer. All buffered bytes must have been consumed.
func (b *Body) fill() error {
	b.room()
	return b.filled(b.c.fill())
}

// tryFill is fill, but returns false where it would have to wait.
func (b *Body) tryFill() (bool, error) {
	b.room()
	ok, err := b.c.probe.tryFill()
	return ok, b.filled(err)
}

func (b *Body) filled(err error) error {
	b.full = b.c.in != nil && b.c.w == len(b.c.in.bytes)
	if err == nil {
		return nil
	}
	if err == io.EOF && b.state == bodyUntilClose {
		b.state = bodyDone
		b.c.failed = io.EOF
		return io.EOF
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b.fail(err)
}

// fail keeps the error, unless it is a timeout: then the caller may go on.
func (b *Body) fail(err error) error {
	if b.response {
		err = asUpstream(err)
	}
	if b.c.note(err); b.c.failed != nil {
		b.err = err
	}
	return err
}

// room prepares the block for the next read. The space after the head serves
// small bodies; one that filled it, or will, goes on in a large block, and the
// head stays where its views point.
func (b *Body) room() {
	c := b.c
	if c.in == nil {
		c.in, c.base = newBlock(blockSmall), 0
	}
	c.r, c.w = c.base, c.base
	const least = 512
	space := len(c.in.bytes) - c.base
	grow := len(c.in.bytes) < blockLarge && (b.full || b.left > int64(space))
	if !grow && space >= least {
		return
	}
	old, pinned := c.in, c.base > 0
	c.in, c.r, c.w, c.base = newBlock(blockLarge), 0, 0, 0
	if pinned {
		c.head = old
	} else {
		old.free()
	}
}
