package http1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// A feed is a connection whose peer sends fixed bytes, at most step of them at
// a time, and then closes. What is written to it is kept.
type feed struct {
	net.Conn // nil: nothing else may be called
	rest     []byte
	step     int
	written  bytes.Buffer
	writes   int
}

func newFeed(s string, step int) *feed { return &feed{rest: []byte(s), step: step} }

func (f *feed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), f.step)], f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *feed) Write(p []byte) (int, error) {
	f.writes++
	return f.written.Write(p)
}

// wholly is a step that no test input reaches.
const wholly = 1 << 20

// A decoded is what a message turned out to be, in values that can be compared.
type decoded struct {
	Method, Path, Query, Host string // of a request
	Status                    int    // of a response
	KeepAlive                 bool
	Body                      string
	Rest                      string // bytes after the message
}

func decodeRequest(input string, step int) (decoded, error) {
	f := newFeed(input, step)
	c := NewConn(f, nil)
	var r Request
	if err := c.ReadRequest(&r); err != nil {
		return decoded{}, err
	}
	d := decoded{
		Method: r.Method, Path: string(r.Path), Query: string(r.Query), Host: string(r.Host), KeepAlive: r.KeepAlive,
	}
	return finish(d, c, f)
}

func decodeResponse(input, method string, step int) (decoded, error) {
	f := newFeed(input, step)
	c := NewConn(f, nil)
	var r Response
	if err := c.ReadResponse(&r, method); err != nil {
		return decoded{}, err
	}
	return finish(decoded{Status: r.Status, KeepAlive: r.KeepAlive}, c, f)
}

func finish(d decoded, c *Conn, f *feed) (decoded, error) {
	body, err := io.ReadAll(c.Body())
	if err != nil {
		return decoded{}, err
	}
	rest, err := io.ReadAll(c)
	if err != nil {
		return decoded{}, err
	}
	d.Body, d.Rest = string(body), string(rest)
	return d, nil
}

// refusal returns the status with which a message was refused, or fails.
func refusal(t *testing.T, err error) int {
	t.Helper()
	var refused *ProtocolError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return refused.Status
}

// head joins a start line and fields into a head; lines that begin a body follow
// after an empty one.
func head(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// get returns a request for / with further field lines.
func getWith(fields ...string) string {
	return head(append([]string{"GET / HTTP/1.1", "Host: h"}, fields...)...)
}

func chunked(body string) string {
	return head("POST / HTTP/1.1", "Host: h", "Transfer-Encoding: chunked") + body
}
