package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// stream is a request of HTTP/2 or HTTP/3 and its response.
type stream struct {
	session *session
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	coming  incoming
	unhold  func() bool
	aborted bool   // the response broke off
	told    bool   // and the client knows how
	key     string // of the WebSocket that was asked for; empty for other requests
	writing atomic.Bool
	whole   bool // the client has been answered: else net/http would answer with 200

	mu   sync.Mutex
	over bool // net/http has taken the writer back; guarded

	exchange exchange
}

// stall has set, of the stream's control, end what stands still.
func (st *stream) stall(set func(time.Time) error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.over {
		_ = set(time.Unix(1, 0)) // fails only where the stream has ended
	}
}

// streamLimits bound a request; the size of its head is bounded before.
var streamLimits = http1.Limits{HeadBytesMax: 1 << 20}

// serveStream answers a request of HTTP/2 or HTTP/3.
func (s *session) serveStream(w http.ResponseWriter, r *http.Request) {
	st := &stream{session: s, w: w, r: r, control: http.NewResponseController(w)}
	st.coming = incoming{stream: st, from: r.Body}
	st.exchange.session, st.exchange.client = s, st
	defer func() {
		st.mu.Lock()
		st.over = true
		st.mu.Unlock()
		s.noteStream(r.Context().Err() != nil && !st.exchange.answered)
		s.survive()
		if !st.whole {
			panic(http.ErrAbortHandler) // resets the stream
		}
	}()
	st.serve(time.Now())
}

func (st *stream) serve(start time.Time) {
	x := &st.exchange
	if err := st.takeRequest(&x.request); err != nil {
		x.begin(start)
		e, _ := errors.AsType[*http1.ProtocolError](err)
		x.refuse(e.Status, ReasonBadRequest, e.Reason)
	} else {
		x.run(start)
	}
	st.whole = x.answered && !st.aborted
}

// takeRequest makes an exchange's request of that of HTTP/2.
func (st *stream) takeRequest(into *http1.Request) error {
	if protocol := st.extended(); protocol != "" {
		return st.takeUpgrade(into, protocol)
	}
	st.lookForBody()
	r := st.r
	f := http1.Framing{Length: r.ContentLength}
	if r.ContentLength < 0 {
		f = http1.Framing{Chunked: true}
	}
	return into.Take(r.Method, []byte(r.RequestURI), []byte(r.Host), fieldsOf(r.Header), f, &streamLimits)
}

// lookForBody finds out whether a request has a body that is likely to have
// none: HTTP/3 does not tell where its length is not said.
func (st *stream) lookForBody() {
	r := st.r
	if r.ProtoMajor < 3 || r.ContentLength >= 0 || !safe(r.Method) && r.Method != http.MethodDelete {
		return
	}
	var first [1]byte
	n, err := st.coming.Read(first[:])
	switch {
	case n > 0:
		st.coming.from = io.MultiReader(bytes.NewReader(first[:]), r.Body)
	case err == io.EOF:
		r.ContentLength = 0
	}
}

// fieldsOf are the fields of a header map, with their bytes side by side.
func fieldsOf(h http.Header) []http1.Field {
	n, bytes := 0, 0
	for name, values := range h {
		n += len(values)
		for _, v := range values {
			bytes += len(name) + len(v)
		}
	}
	if n == 0 {
		return nil
	}
	all, fields := make([]byte, 0, bytes), make([]http1.Field, 0, n)
	put := func(s string) []byte {
		from := len(all)
		all = append(all, s...)
		return all[from:len(all):len(all)]
	}
	for name, values := range h {
		for _, v := range values {
			fields = append(fields, http1.Field{Name: put(name), Value: put(v)})
		}
	}
	return fields
}

func (st *stream) gone(bool) bool {
	return st.r.Context().Err() != nil || st.session.closed.Load()
}

func (st *stream) awaited() bool { return st.writing.Load() }

func (st *stream) hold(u upstream) {
	if st.unhold != nil {
		st.unhold()
		st.unhold = nil
	}
	if u != nil {
		st.unhold = context.AfterFunc(st.r.Context(), func() { _ = u.Close() })
	}
}

func (st *stream) protocol() string {
	if st.r.ProtoMajor == 3 {
		return protocolHTTP3
	}
	return protocolHTTP2
}

// What streams are spoken in.
const (
	protocolHTTP2 = "HTTP/2"
	protocolHTTP3 = "HTTP/3"
)

// multiplexed reports whether a protocol has streams.
func multiplexed(protocol string) bool { return protocol == protocolHTTP2 || protocol == protocolHTTP3 }

func (st *stream) body() source { return &st.coming }

// proceed has nothing to do: reading the body says so.
func (st *stream) proceed() error { return nil }

func (st *stream) paceBody() { st.coming.pace = newBodyPace(st.session.listener.config.Load()) }

func (st *stream) readBy(t time.Time) {
	_ = st.control.SetReadDeadline(t) // fails only where the stream has ended
}

// trail passes on the trailers that the client announced, once they have come.
func (st *stream) trail(out *http.Request) {
	for name := range st.r.Trailer {
		if !http1.ForbiddenTrailer(name) {
			if out.Trailer == nil {
				out.Trailer = http.Header{}
			}
			out.Trailer[name] = nil
		}
	}
	if out.Trailer != nil {
		out.Body = &trailed{out.Body, st.r, out.Trailer}
	}
}

// trailed is a body that hands trailers on at its end.
type trailed struct {
	io.ReadCloser
	from *http.Request
	to   http.Header
}

func (b *trailed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		for name := range b.to {
			b.to[name] = b.from.Trailer[name]
		}
	}
	return n, err
}

func (st *stream) interrupt(ended <-chan struct{}) {
	st.readBy(time.Unix(1, 0))
	<-ended
}

func (st *stream) abort() { st.aborted = !st.told }

func (st *stream) reset() { st.abort() }

// respond passes the endpoint's response on in HTTP/2.
func (st *stream) respond(x *exchange, u upstream) (n int64, keep bool, err error) {
	h, r := st.w.Header(), &x.response
	for i := range r.Fields {
		if f := &r.Fields[i]; x.forwardsBack(f) {
			h.Add(string(f.Name), string(f.Value))
		}
	}
	for _, f := range x.addedBack() {
		h.Add(string(f.Name), string(f.Value))
	}
	if f := r.Framing; !r.Bodiless() && !f.Chunked && !f.UntilClose {
		h.Set("Content-Length", strconv.FormatInt(f.Length, 10))
	}
	st.begin(r.Status)
	if !r.Bodiless() && (r.Framing.Chunked || r.Framing.UntilClose) {
		_ = st.control.Flush() // the body may take long; an error comes again with it
	}
	out := &outgoing{stream: st, stall: st.session.listener.config.Load().StallTimeout}
	n, err = x.pass(u, out)
	if _, clientFailed := errors.AsType[*http1.WriteError](err); x.grpc && err != nil && !clientFailed && !st.gone(false) {
		code, why := grpcUnavailable, "the service broke the call off"
		if x.callOver(time.Now()) {
			code, why = grpcDeadlineExceeded, "the call took longer than its timeout"
		}
		st.endGRPC(x, http.TrailerPrefix, code, why)
		st.told = true
	}
	return n, true, err
}

// endGRPC says how a call ended, in the head or after the body.
func (st *stream) endGRPC(x *exchange, prefix string, code grpcCode, why string) {
	h := st.w.Header()
	h.Set(prefix+"Grpc-Status", strconv.Itoa(int(code)))
	h.Set(prefix+"Grpc-Message", escapeGRPC(why))
	x.record.GRPC = code.String()
}

// escapeGRPC is a message as gRPC sends it, in the part of percent-encoding that
// it asks for.
func escapeGRPC(s string) string {
	var b []byte
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c <= '~' && c != '%' {
			b = append(b, c)
		} else {
			b = fmt.Appendf(b, "%%%02X", c)
		}
	}
	return string(b)
}

// begin sends the status with what is in the header by now.
func (st *stream) begin(status int) {
	if h := st.w.Header(); h["Content-Type"] == nil {
		h["Content-Type"] = nil // else it is guessed
	}
	if st.session.packets == nil && st.session.listener.ending.Load() {
		st.w.Header().Set("Connection", "close") // net/http makes a GOAWAY of it; HTTP/3 tells by itself
	}
	st.exchange.answered = true
	st.w.WriteHeader(status)
}

// answer gives Afloat's own answer.
func (st *stream) answer(x *exchange, a *ownAnswer) (keep bool) {
	h := st.w.Header()
	if x.grpc {
		st.answerGRPC(x, a)
		return true
	}
	if st.key != "" && a.status/100 == 2 { // it would be taken for the joining
		a = &ownAnswer{status: 501, contentType: "text/plain; charset=utf-8", body: "no WebSocket is served here\n"}
		x.record.Status = a.status
	}
	if a.contentType != "" && !x.editsBack().drops(nameContentType) {
		h.Set("Content-Type", a.contentType)
	}
	for i := range a.fields {
		h.Add(string(a.fields[i].Name), string(a.fields[i].Value))
	}
	if a.dated {
		h.Set("Age", strconv.FormatInt(a.age, 10))
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(a.retryAfter.Seconds()))))
	}
	for _, f := range x.addedBack() {
		h.Add(string(f.Name), string(f.Value))
	}
	bodiless := a.status == 204 || a.status == 304
	if !bodiless {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	st.begin(a.status)
	if x.request.Method != "HEAD" && !bodiless {
		_, _ = io.WriteString(st.w, a.body) // fails only where nobody waits for it
		x.record.ResponseBytes = int64(len(a.body))
	}
	return true
}

// answerGRPC gives Afloat's own answer to a call of gRPC, which looks at
// nothing but its status.
func (st *stream) answerGRPC(x *exchange, a *ownAnswer) {
	h := st.w.Header()
	h.Set("Content-Type", "application/grpc")
	st.endGRPC(x, "", grpcOf(a.status), strings.TrimSuffix(a.body, "\n"))
	if a.retryAfter > 0 {
		h.Set("Grpc-Retry-Pushback-Ms", strconv.FormatInt(int64(math.Ceil(float64(a.retryAfter)/float64(time.Millisecond))), 10))
	}
	x.record.Status = 200
	st.begin(200)
}

// incoming is the request's body.
type incoming struct {
	stream  *stream
	from    io.Reader
	stalled *time.Timer
	pace    bodyPace
}

// Read reads within the listener's stallTimeout.
func (in *incoming) Read(p []byte) (int, error) {
	if in.stream.exchange.grpc {
		return in.from.Read(p) // a call may be silent for as long as it likes
	}
	stall := in.pace.within(in.stream.session.listener.config.Load().StallTimeout)
	if stall <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	start := time.Now()
	if in.stalled == nil {
		in.stalled = time.AfterFunc(stall, func() { in.stream.stall(in.stream.control.SetReadDeadline) })
	} else {
		in.stalled.Reset(stall)
	}
	n, err := in.from.Read(p)
	in.stalled.Stop()
	in.pace.note(time.Since(start), n)
	return n, err
}

// Peek knows nothing without reading.
func (in *incoming) Peek() ([]byte, error) { return nil, nil }

// Consume is never called: Peek shows nothing.
func (in *incoming) Consume(int) {}

// outgoing is the response's body.
type outgoing struct {
	stream  *stream
	stall   time.Duration
	stalled *time.Timer
}

// write fails where the client takes nothing for the listener's stallTimeout.
func (out *outgoing) write(p []byte) error {
	out.stream.writing.Store(true)
	defer out.stream.writing.Store(false)
	if out.stream.exchange.grpc {
		if _, err := out.stream.w.Write(p); err != nil {
			return err
		}
		return out.stream.control.Flush()
	}
	if out.stalled == nil {
		out.stalled = time.AfterFunc(out.stall, func() { out.stream.stall(out.stream.control.SetWriteDeadline) })
	} else {
		out.stalled.Reset(out.stall)
	}
	defer out.stalled.Stop()
	if _, err := out.stream.w.Write(p); err != nil {
		return err
	}
	return out.stream.control.Flush()
}

// end sends the trailers with the end of the stream.
func (out *outgoing) end(u upstream) error {
	h := out.stream.w.Header()
	for _, f := range u.trailers() {
		h.Add(http.TrailerPrefix+http.CanonicalHeaderKey(string(f.Name)), string(f.Value))
	}
	return out.stream.r.Context().Err()
}
