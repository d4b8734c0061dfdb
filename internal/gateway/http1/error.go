package http1

import (
	"errors"
	"fmt"
)

// ErrUnread is returned when a message is asked for before the body of the one
// before it was read to its end.
var ErrUnread = errors.New("http1: body of the last message not read to its end")

// ErrHTTP2 is returned by [Conn.ReadRequest] where the client begins to speak
// HTTP/2. Of its preface [Preface], what follows [PrefaceRead] is still to be
// read.
var ErrHTTP2 error = &ProtocolError{Status: 505, Reason: "HTTP/2 is not served here"}

// ErrNotHTTP is returned by [Conn.ReadRequest] where the first line has no
// slash, and so neither a path nor a version of HTTP, and is no header of the
// PROXY protocol, which is rather a mistake of whoever set it up.
var ErrNotHTTP error = &ProtocolError{Status: 400, Reason: "not HTTP"}

// Preface is what a client of HTTP/2 sends first (RFC 9113, 3.4), and
// PrefaceRead the part of it that looks like a request.
const (
	Preface     = prefaceHead + "SM\r\n\r\n"
	PrefaceRead = prefaceHead
	prefaceHead = "PRI * HTTP/2.0\r\n\r\n"
)

// A ProtocolError says why a message was refused. The connection cannot be used
// for another message after it.
type ProtocolError struct {
	Status int    // what to answer: 4xx or 5xx for a request, 502 for a response
	Reason string // a constant phrase without any of the peer's bytes, fit for logs and metrics
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("http1: %s (%d)", e.Reason, e.Status)
}

// A ReadError tells that [Body.Relay] failed to read the body: the sender is at
// fault.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return "http1: read body: " + e.Err.Error() }
func (e *ReadError) Unwrap() error { return e.Err }

// A WriteError tells that [Body.Relay] failed to write the body: the receiver is
// at fault.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return "http1: write body: " + e.Err.Error() }
func (e *WriteError) Unwrap() error { return e.Err }

func bad(reason string) error { return refuse(400, reason) }

func refuse(status int, reason string) error {
	return &ProtocolError{Status: status, Reason: reason}
}
