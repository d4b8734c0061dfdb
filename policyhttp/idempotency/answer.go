package idempotency

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// answer is what is kept of a response.
type answer struct {
	Status int         `json:"status"`
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body,omitempty"`
	Lost   bool        `json:"lost,omitempty"` // the body was too long
}

func (a *answer) encode() []byte {
	if a.Lost {
		a = &answer{Status: a.Status, Lost: true}
	}
	text, _ := json.Marshal(a) // strings, bytes and numbers always can
	return text
}

func decode(text []byte) (*answer, error) {
	a := new(answer)
	if err := json.Unmarshal(text, a); err != nil {
		return nil, fmt.Errorf("read a kept answer: %w", err)
	}
	if !a.Lost && (a.Status < 200 || a.Status > 599) {
		return nil, fmt.Errorf("read a kept answer: status %d", a.Status)
	}
	return a, nil
}

// write sends the answer once more, and says so.
func (a *answer) write(w http.ResponseWriter) {
	header := w.Header()
	for name, values := range a.Header {
		header[name] = values
	}
	header.Set(ReplayedHeader, "true")
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client may have gone
}

// notKept are headers of one response or one connection. A Set-Cookie would
// put a secret into the Store, and a repeat would bring back a session that is
// over.
var notKept = []string{
	"Connection", "Content-Length", "Date", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Set-Cookie",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// recording is an [http.ResponseWriter] that keeps a copy.
type recording struct {
	http.ResponseWriter
	before http.Header // what others had set when the handler began
	max    int
	answer answer
}

func newRecording(w http.ResponseWriter, max int) *recording {
	return &recording{ResponseWriter: w, before: w.Header().Clone(), max: max}
}

// WriteHeader notes a final status and the headers that the handler has set.
func (w *recording) WriteHeader(status int) {
	if w.answer.Status == 0 && status >= 200 {
		w.note(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recording) note(status int) {
	w.answer.Status, w.answer.Header = status, http.Header{}
	ofConnection := strings.FieldsFunc(strings.Join(w.Header()["Connection"], ","), func(c rune) bool { return c == ',' || c == ' ' })
	for name, values := range w.Header() {
		named := func(other string) bool { return strings.EqualFold(name, other) }
		switch {
		case slices.ContainsFunc(notKept, named), slices.ContainsFunc(ofConnection, named):
		case slices.Equal(values, w.before[name]):
		case strings.HasPrefix(name, http.TrailerPrefix):
		default:
			w.answer.Header[name] = slices.Clone(values)
		}
	}
}

// Write begins the response if need be and keeps what it can. While all is
// kept, a client that has gone is no error: the answer is for its repeat.
func (w *recording) Write(p []byte) (int, error) {
	w.begin(p)
	a := &w.answer
	if !a.Lost && len(a.Body)+len(p) <= w.max {
		a.Body = append(a.Body, p...)
	} else {
		a.Lost, a.Body = true, nil
	}
	n, err := w.ResponseWriter.Write(p)
	if !a.Lost {
		return len(p), nil
	}
	return n, err
}

// begin does what net/http does at the first byte, so that it is kept, too.
func (w *recording) begin(p []byte) {
	if w.answer.Status != 0 {
		return
	}
	header := w.Header()
	if _, set := header["Content-Type"]; !set && header.Get("Content-Encoding") == "" && len(p) > 0 {
		header.Set("Content-Type", http.DetectContentType(p))
	}
	w.note(http.StatusOK)
}

// finish is for a handler that has written nothing.
func (w *recording) finish() { w.begin(nil) }

// Flush sends what there is, where the server can.
func (w *recording) Flush() { _ = w.FlushError() }

// FlushError is Flush for [http.ResponseController].
func (w *recording) FlushError() error {
	w.begin(nil)
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if !w.answer.Lost && !errors.Is(err, http.ErrNotSupported) {
		return nil // as in Write
	}
	return err
}

// Hijack is refused: what a connection does after it cannot be kept.
func (w *recording) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, fmt.Errorf("hijack a request with an Idempotency-Key: %w", http.ErrNotSupported)
}

// Unwrap is for [http.ResponseController].
func (w *recording) Unwrap() http.ResponseWriter { return w.ResponseWriter }
