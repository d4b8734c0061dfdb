package http1

import (
	"errors"
	"io"
	"math"
)

// errLength is the cause of a WriteError when the body does not have the length
// that was announced for it.
var errLength = errors.New("http1: body differs from its announced length")

// Relay copies the rest of the body to dst in dst's framing f, ends it there and
// flushes. It flushes as well whenever it would have to wait for the sender, so
// that streams flow, and only then, so that a body that is at hand leaves in one
// write with the head before it. It returns the number of body bytes passed on,
// and nil, a *ReadError or a *WriteError: after either, dst has an unfinished
// message and must be closed.
func (b *Body) Relay(dst *Conn, f Framing) (n int64, err error) {
	return b.RelayAtMost(dst, f, math.MaxInt64)
}

// RelayAtMost is Relay for a body of at most max bytes. A longer one fails with
// a *ReadError of [ErrTooLong], and none of it beyond max is passed on.
func (b *Body) RelayAtMost(dst *Conn, f Framing, max int64) (n int64, err error) {
	for {
		view, err := b.Peek()
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, b.abandon(dst, err)
		}
		if len(view) == 0 {
			if err := b.relayFill(dst); err != nil {
				return n, err
			}
			continue
		}
		if int64(len(view)) > max-n {
			return n, b.abandon(dst, ErrTooLong)
		}
		if fixed(f) && n+int64(len(view)) > f.Length {
			return n, &WriteError{errLength}
		}
		dst.WriteBody(view, f)
		if dst.writer.err != nil {
			return n, &WriteError{dst.writer.err}
		}
		n += int64(len(view))
		b.Consume(len(view))
	}
	if fixed(f) && n != f.Length {
		return n, &WriteError{errLength}
	}
	dst.EndBody(f)
	if err := dst.Flush(); err != nil {
		return n, &WriteError{err}
	}
	return n, nil
}

func fixed(f Framing) bool { return !f.Chunked && !f.UntilClose }

// relayFill reads more of the body, and flushes dst before it waits for that.
func (b *Body) relayFill(dst *Conn) error {
	if dst.Pending() > 0 {
		filled, err := b.tryFill()
		if err != nil && err != io.EOF {
			return b.abandon(dst, err)
		}
		if filled || err != nil {
			return nil
		}
		if err := dst.Flush(); err != nil {
			return &WriteError{err}
		}
	}
	if err := b.fill(); err != nil && err != io.EOF {
		return b.abandon(dst, err)
	}
	return nil
}

// abandon passes on what was read before the sender failed.
func (b *Body) abandon(dst *Conn, err error) error {
	dst.Flush()
	return &ReadError{err}
}
