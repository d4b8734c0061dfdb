package policyhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// body is a response's body that ends its call.
type body struct {
	inner   io.ReadCloser
	ending  *policy.Ending
	caller  context.Context
	try     context.Context // of the try that brought the response
	reading atomic.Bool
}

// Read reads on. The end of the body ends the call, and so does what breaks it.
func (b *body) Read(p []byte) (int, error) {
	b.reading.Store(true)
	n, err := b.inner.Read(p)
	b.reading.Store(false)
	switch {
	case err == nil:
	case err == io.EOF:
		b.ending.End(nil)
	default:
		err = b.broken(err)
	}
	return n, err
}

// broken ends the call with what broke the body, and names a timeout by whose
// deadline it broke.
func (b *body) broken(err error) error {
	if cause, ok := errors.AsType[*policy.TimeoutError](context.Cause(b.try)); ok && b.caller.Err() == nil {
		err = &policy.TimeoutError{After: cause.After, Err: err}
	}
	if b.givenUp() {
		b.ending.Abandon()
	} else {
		b.ending.End(err)
	}
	return err
}

// Close ends the call with what its response said. A caller that gives up a
// body which keeps it waiting says nothing about the callee.
func (b *body) Close() error {
	if b.reading.Load() || b.givenUp() {
		b.ending.Abandon()
	}
	err := b.inner.Close()
	b.ending.End(nil) // after it, since ending the call cancels its context
	return err
}

func (b *body) givenUp() bool { return errors.Is(b.caller.Err(), context.Canceled) }

// upgraded is the body of a connection that speaks another protocol now.
type upgraded struct {
	*body
	io.Writer
}

// CloseWrite closes the half that is written to, where the connection can.
func (u *upgraded) CloseWrite() error {
	if c, ok := u.Writer.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return fmt.Errorf("CloseWrite: %w", http.ErrNotSupported)
}

const (
	// drainMax is how much is read of a response that nobody wants, so that
	// its connection can be used again.
	drainMax = 32 << 10
	// drainPatience is how long that may take.
	drainPatience = 50 * time.Millisecond
)

// discard closes a response that nobody wants.
func discard(response *http.Response) {
	if response == nil || response.Body == nil {
		return
	}
	if response.StatusCode != http.StatusSwitchingProtocols && response.ContentLength <= drainMax {
		stalled := time.AfterFunc(drainPatience, func() { _ = response.Body.Close() })
		_, _ = io.CopyN(io.Discard, response.Body, drainMax+1) // the end, if it comes, is what matters
		stalled.Stop()
	}
	_ = response.Body.Close() // nobody is left to be told
}
