package policyhttp

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/policy"
)

func TestResponseKeepsTheAbilitiesOfTheServers(t *testing.T) {
	abilities := func(w http.ResponseWriter) map[string]bool {
		_, flushes := w.(http.Flusher)
		_, hijacks := w.(http.Hijacker)
		_, reads := w.(io.ReaderFrom)
		_, pushes := w.(http.Pusher)
		return map[string]bool{"flush": flushes, "hijack": hijacks, "read from": reads, "push": pushes}
	}
	for name, http2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			var bare, wrapped map[string]bool
			wrap := mustHandler(t, func(w http.ResponseWriter, _ *http.Request) {
				wrapped = abilities(w)
				if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
					t.Errorf("the deadline: %v", err)
				}
				if _, err := io.WriteString(w, "text"); err != nil {
					t.Error(err)
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
			}, HandlerConfig{Policies: []policy.Policy{breaker(1)}})
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				bare = abilities(w)
				wrap.ServeHTTP(w, r)
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			response, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if diff := cmp.Diff(bare, wrapped); diff != "" || string(text) != "text" || err != nil || (response.ProtoMajor == 2) != http2 {
				t.Errorf("%s: %q, %v\n%s", response.Proto, text, err, diff)
			}
		})
	}
}

// plainWriter can write, and nothing else.
type plainWriter struct{ http.ResponseWriter }

// pushingWriter can push, as HTTP/2's can.
type pushingWriter struct {
	*httptest.ResponseRecorder
	pushed string
}

func (w *pushingWriter) Push(target string, _ *http.PushOptions) error { w.pushed = target; return nil }

func TestResponseClaimsNoAbilityThatIsNotThere(t *testing.T) {
	h := mustHandler(t, func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(http.Flusher); ok {
			t.Error("it says it can flush")
		}
		_, _ = w.Write([]byte("x"))
	}, HandlerConfig{})
	h.ServeHTTP(plainWriter{httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil))

	pushing := &pushingWriter{ResponseRecorder: httptest.NewRecorder()}
	h = mustHandler(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = w.(http.Pusher).Push("/style.css", nil)
		w.(http.Flusher).Flush()
	}, HandlerConfig{})
	h.ServeHTTP(pushing, httptest.NewRequest("GET", "/", nil))
	if pushing.pushed != "/style.css" || !pushing.Flushed {
		t.Errorf("pushed %q, flushed %v", pushing.pushed, pushing.Flushed)
	}
}

// loggingWriter flushes and hijacks, but copies for itself, as the writers of
// much middleware do.
type loggingWriter struct {
	http.ResponseWriter
	http.Flusher
	http.Hijacker
}

// plainHijacker hijacks, and does nothing else but write.
type plainHijacker struct {
	http.ResponseWriter
	http.Hijacker
}

func TestConnectionIsTakenOverBelowAWriterOfMiddleware(t *testing.T) {
	for name, wrap := range map[string]func(http.ResponseWriter) http.ResponseWriter{
		"that flushes": func(w http.ResponseWriter) http.ResponseWriter {
			return loggingWriter{w, w.(http.Flusher), w.(http.Hijacker)}
		},
		"that does not": func(w http.ResponseWriter) http.ResponseWriter { return plainHijacker{w, w.(http.Hijacker)} },
	} {
		t.Run(name, func(t *testing.T) { takesOver(t, wrap) })
	}
}

func takesOver(t *testing.T, wrap func(http.ResponseWriter) http.ResponseWriter) {
	counted := new(classes)
	h := mustHandler(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntext")
		_ = conn.Close()
	}, HandlerConfig{Policies: []policy.Policy{counted}})
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(over)
		h.ServeHTTP(wrap(w), r)
	}))
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); string(text) != "text" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	<-over
	counted.want(t, policy.Success)
}

func TestUpgradedConnectionSpeaksBothWaysAndHoldsItsPermits(t *testing.T) {
	inbound, outbound, counted := bulkhead(1), bulkhead(1), new(classes)
	server := httptest.NewServer(mustHandler(t, func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		echo(t, conn, rw)
	}, HandlerConfig{Policies: []policy.Policy{counted, inbound}}))
	defer server.Close()
	transport := mustTransport(t, TransportConfig{Policies: []policy.Policy{outbound}})
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	conn, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatalf("a %T cannot be written to", response.Body)
	}
	_, _ = io.WriteString(conn, "hello\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if line != "hello\n" || err != nil {
		t.Errorf("got %q, %v", line, err)
	}
	if in, out := inbound.Status().InFlight, outbound.Status().InFlight; in != 1 || out != 1 {
		t.Errorf("%d and %d permits are held", in, out)
	}
	_ = conn.Close()
	if n := outbound.Status().InFlight; n != 0 {
		t.Errorf("%d permits are held afterwards", n)
	}
	until(t, func() bool { return counted.count() == 1 && inbound.Status().InFlight == 0 })
	counted.want(t, policy.Success)
}

// echo sends one line back, then waits for the other side to close.
func echo(t *testing.T, conn net.Conn, rw *bufio.ReadWriter) {
	line, err := rw.ReadString('\n')
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.WriteString(conn, line)
	_, _ = rw.ReadByte()
}

// until polls what a real socket brings about.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestResponseReadsFromAFile(t *testing.T) {
	content, file := bytes.Repeat([]byte("0123456789"), 10_000), filepath.Join(t.TempDir(), "digits.txt")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	counted := new(classes)
	server := httptest.NewServer(mustHandler(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, file)
	}, HandlerConfig{Policies: []policy.Policy{counted}}))
	defer server.Close()
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if got, err := io.ReadAll(response.Body); !bytes.Equal(got, content) || err != nil {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	until(t, func() bool { return counted.count() == 1 })
	counted.want(t, policy.Success)
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%v", response.Header)
	}
}
