package policyhttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
)

// response is an [http.ResponseWriter] that notes its status.
type response struct {
	http.ResponseWriter
	inbound       *inbound
	attemptHeader string
	status        int // the final one; zero before it
	hijacked      bool
}

// begun reports whether it is too late for another answer.
func (w *response) begun() bool { return w.status != 0 || w.hijacked }

// WriteHeader notes a final status. One that is a failure says whether the
// call behind it has been repeated already.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
		if n := w.inbound.tried.Load(); n > 0 && status >= 500 && w.attemptHeader != NoHeader {
			w.Header()[w.attemptHeader] = []string{strconv.Itoa(int(n))}
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write begins the response if need be.
func (w *response) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// WriteString saves the copy that Write would need.
func (w *response) WriteString(s string) (int, error) {
	w.begin()
	return io.WriteString(w.ResponseWriter, s)
}

func (w *response) begin() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

// Unwrap is for [http.ResponseController].
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// writer is the response with the abilities that the server's has, and no
// others: handlers ask for them by type.
func (w *response) writer() http.ResponseWriter {
	_, flushes := w.ResponseWriter.(http.Flusher)
	_, hijacks := w.ResponseWriter.(http.Hijacker)
	_, reads := w.ResponseWriter.(io.ReaderFrom)
	_, pushes := w.ResponseWriter.(http.Pusher)
	switch {
	case flushes && hijacks && reads:
		return http1Response{flushingResponse{w}, hijacker{w}}
	case flushes && hijacks: // as of middleware's writers, which copy for themselves
		return struct {
			flushingResponse
			hijacker
		}{flushingResponse{w}, hijacker{w}}
	case hijacks:
		return struct {
			*response
			hijacker
		}{w, hijacker{w}}
	case flushes && pushes:
		return http2Response{flushingResponse{w}}
	case flushes:
		return flushingResponse{w}
	}
	return w
}

// flushingResponse is a response that can be flushed.
type flushingResponse struct{ *response }

// Flush begins the response if need be and sends what there is.
func (w flushingResponse) Flush() { _ = w.FlushError() }

// FlushError is Flush for [http.ResponseController].
func (w flushingResponse) FlushError() error {
	w.begin()
	if f, ok := w.ResponseWriter.(interface{ FlushError() error }); ok {
		return f.FlushError()
	}
	w.ResponseWriter.(http.Flusher).Flush()
	return nil
}

// hijacker is of a response whose connection can be taken over.
type hijacker struct{ of *response }

// Hijack hands over the connection.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := h.of.ResponseWriter.(http.Hijacker).Hijack()
	h.of.hijacked = h.of.hijacked || err == nil
	return conn, rw, err
}

// http1Response is a response over HTTP/1.
type http1Response struct {
	flushingResponse
	hijacker
}

// ReadFrom lets the kernel copy a file to the connection.
func (w http1Response) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	return w.ResponseWriter.(io.ReaderFrom).ReadFrom(r)
}

// http2Response is a response over HTTP/2.
type http2Response struct{ flushingResponse }

// Push starts a server push.
func (w http2Response) Push(target string, options *http.PushOptions) error {
	return w.ResponseWriter.(http.Pusher).Push(target, options)
}
