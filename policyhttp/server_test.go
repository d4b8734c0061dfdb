package policyhttp

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// serve runs a server in memory and returns a transport to it. Its
// connections are pipes, so that it lives within a synctest bubble.
func serve(t *testing.T, h http.Handler) *http.Transport {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: h}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	transport := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Shutdown(context.Background()); err != nil { // once the handlers have returned
			t.Error(err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	return transport
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func mustTransport(t testing.TB, c TransportConfig) *Transport {
	t.Helper()
	transport, err := NewTransport(c)
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

func mustHandler(t testing.TB, next http.HandlerFunc, c HandlerConfig) *Handler {
	t.Helper()
	h, err := NewHandler(next, c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// must is for the constructors of policies with a good Config.
func must[P any](p P, err error) P {
	if err != nil {
		panic(err)
	}
	return p
}

func retry(c policy.RetryConfig) *policy.Retry { return must(policy.NewRetry(c)) }

// patient is a Retry that would repeat four times, whatever the traffic.
func patient() *policy.Retry {
	return retry(policy.RetryConfig{Attempts: 4, DelayMax: 30 * time.Second, Budget: policy.BudgetConfig{Off: true}})
}

func breaker(failures int) *policy.Breaker {
	return must(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: failures, OpenDuration: time.Minute}))
}

func bulkhead(n int) *policy.Bulkhead {
	return must(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: n}))
}

func timeout(d time.Duration) *policy.Timeout {
	return must(policy.NewTimeout(policy.TimeoutConfig{Timeout: d}))
}

// tripper is a RoundTripper that is a function.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// get asks for a response and reads its body.
func get(t *testing.T, rt http.RoundTripper, r *http.Request) (status int, text string, err error) {
	t.Helper()
	response, err := rt.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

func newRequest(t testing.TB, ctx context.Context, method string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "http://memory/", body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// story answers each request with the next of its statuses, the last of them
// for ever, and keeps what it was asked.
type story struct {
	statuses []int
	header   http.Header

	mu      sync.Mutex
	asked   []string // bodies
	headers []http.Header
}

func (s *story) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.asked = append(s.asked, string(body))
	s.headers = append(s.headers, r.Header)
	status := s.statuses[min(len(s.asked), len(s.statuses))-1]
	s.mu.Unlock()
	for name, values := range s.header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, http.StatusText(status))
}

func (s *story) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}
