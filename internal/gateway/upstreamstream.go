package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// upstreamStream is a stream of HTTP/2 to an endpoint.
type upstreamStream struct {
	trunk  *trunk
	pool   *pool
	again  bool // the connection served others before
	mute   bool // it was waited for in vain
	left   bool
	cancel context.CancelFunc
	began  time.Time
	wrote  atomic.Bool // the request's head is on its way

	answered chan struct{} // closed when there is a response or an error
	response *http.Response
	err      error

	stall   time.Duration // zero: the body may stall for as long as it likes
	stalled *time.Timer
	timeout atomic.Bool // the body stalled for too long
}

// errUnprocessed is why a request may be sent again whatever its method is: the
// endpoint has not looked at it.
var errUnprocessed = errors.New("the endpoint did not take the request")

func (u *upstreamStream) reused() bool { return u.again }

// send begins the exchange, which goes on by itself.
func (u *upstreamStream) send(x *exchange, _ time.Duration) error {
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel = cancel
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { u.wrote.Store(true) }})
	req := x.outgoing(u).WithContext(ctx)
	u.answered, u.began = make(chan struct{}), time.Now()
	go func() {
		defer close(u.answered)
		u.response, u.err = u.trunk.RoundTrip(req)
	}()
	return nil
}

// outgoing is the request as net/http sends it over HTTP/2.
func (x *exchange) outgoing(u *upstreamStream) *http.Request {
	r := &x.request
	scheme := "http"
	if u.trunk.keys != nil {
		scheme = "https"
	}
	host := string(x.authority())
	out := &http.Request{
		Method: r.Method,
		// The path as it came: net/http takes away what stands before it.
		URL:    &url.URL{Scheme: scheme, Host: u.pool.endpoint.address, Opaque: "//" + host + string(x.target())},
		Host:   host,
		Header: make(http.Header, len(r.Fields)+3),
	}
	for i := range r.Fields {
		if f := &r.Fields[i]; x.forwards(f) {
			name := http.CanonicalHeaderKey(string(f.Name))
			out.Header[name] = append(out.Header[name], string(f.Value))
		}
	}
	for _, f := range x.added() {
		out.Header.Add(string(f.Name), string(f.Value))
	}
	if out.Header["User-Agent"] == nil {
		out.Header["User-Agent"] = []string{""} // else net/http names itself
	}
	if !x.callEnd.IsZero() {
		out.Header["Grpc-Timeout"] = []string{formatGRPCTimeout(time.Until(x.callEnd))}
	}
	if strings.EqualFold(string(r.Get("TE")), "trailers") {
		out.Header["Te"] = []string{"trailers"}
	}
	switch {
	case r.Framing.None():
		out.Body = http.NoBody
	case x.body.streams():
		out.Body, out.ContentLength = x.body.open(), -1
		if !r.Framing.Chunked {
			out.ContentLength = r.Framing.Length
		}
		x.client.trail(out)
	default:
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(x.body.kept)), r.Framing.Length
	}
	return out
}

// receive waits for the response.
func (u *upstreamStream) receive(x *exchange, by time.Time) error {
	wait := time.NewTimer(time.Until(by))
	defer wait.Stop()
	select {
	case <-u.answered:
	case <-wait.C:
		return os.ErrDeadlineExceeded
	}
	if u.err != nil {
		return u.problem(u.err)
	}
	u.trunk.heard.Store(int64(time.Since(clock)))
	r := u.response
	f := http1.Framing{Length: r.ContentLength}
	if r.ContentLength < 0 {
		f = http1.Framing{Chunked: true}
	}
	return x.response.Take(r.StatusCode, fieldsOf(r.Header), f, x.request.Method, &upstreamLimits)
}

// reset is what net/http says of a stream that was reset, by its fields.
type reset struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (reset) Error() string { return "the stream was reset" }

// problem says what an error of the stream means for the request.
func (u *upstreamStream) problem(err error) error {
	const refused = 7 // RFC 9113, section 7
	e, ok := errors.AsType[reset](err)
	switch {
	case ok && e.Code == refused, !u.wrote.Load(), strings.Contains(err.Error(), "graceful shutdown GOAWAY"):
		return errUnprocessed
	case ok:
		return errors.New("the endpoint reset the stream")
	}
	return io.ErrUnexpectedEOF
}

// suspect says that the response was waited for in vain. A connection on which
// nothing else has come either gets no new streams.
func (u *upstreamStream) suspect() {
	u.mute = u.trunk.heard.Load() < int64(u.began.Sub(clock))
}

func (u *upstreamStream) atHand(*exchange) bool { return false }

func (u *upstreamStream) stream(x *exchange, stall time.Duration) {
	switch {
	case !x.callEnd.IsZero():
		u.stalled = time.AfterFunc(time.Until(x.callEnd), func() {
			u.timeout.Store(true)
			u.cancel()
		})
	case !x.endless():
		u.stall = stall
		u.stalled = time.AfterFunc(stall, func() {
			u.timeout.Store(true)
			u.cancel()
		})
	}
}

func (u *upstreamStream) read(p []byte) (int, error) {
	if u.stall > 0 {
		u.stalled.Reset(u.stall)
	}
	n, err := u.response.Body.Read(p)
	switch {
	case err == nil, err == io.EOF:
		return n, err
	case u.timeout.Load():
		return n, os.ErrDeadlineExceeded
	}
	return n, u.problem(err)
}

func (u *upstreamStream) trailers() []http1.Field {
	fields, err := http1.TakeTrailers(fieldsOf(u.response.Trailer), &upstreamLimits)
	if err != nil {
		return nil // nothing of them can be trusted
	}
	return fields
}

// Close ends the stream.
func (u *upstreamStream) Close() error {
	u.cancel()
	return nil
}

func (u *upstreamStream) put(*exchange) { u.finish(false) }

func (u *upstreamStream) discard() { u.finish(u.mute) }

func (u *upstreamStream) finish(retire bool) {
	if u.left {
		return
	}
	u.left = true
	if u.stalled != nil {
		u.stalled.Stop()
	}
	if u.cancel == nil {
		u.trunk.Release()
	} else {
		u.cancel()
		<-u.answered
		if u.response != nil {
			_ = u.response.Body.Close() // fails only where it has ended
		}
	}
	u.pool.leave(u.trunk, retire)
}
