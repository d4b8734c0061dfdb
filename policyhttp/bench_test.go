package policyhttp

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// answer is a base without a network: what remains is the cost of the policies.
type answer struct{ text string }

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(a.text)), Request: r}, nil
}

// chains are what the figures are given for.
func chains() map[string][]policy.Policy {
	return map[string][]policy.Policy{
		"none":                           nil,
		"retry+breaker":                  {retry(policy.RetryConfig{}), breaker(5)},
		"retry+breaker+bulkhead":         {retry(policy.RetryConfig{}), breaker(5), bulkhead(1000)},
		"retry+breaker+bulkhead+timeout": {retry(policy.RetryConfig{}), breaker(5), bulkhead(1000), timeout(time.Minute)},
	}
}

func roundTrip(tb testing.TB, rt http.RoundTripper, r *http.Request) {
	response, err := rt.RoundTrip(r)
	if err != nil {
		tb.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
}

// TestTransportCostsFewAllocations guards the figures of docs/policyhttp.md.
func TestTransportCostsFewAllocations(t *testing.T) {
	r, base := newRequest(t, t.Context(), "GET", nil), http.RoundTripper(answer{"text"})
	bare := testing.AllocsPerRun(1000, func() { roundTrip(t, base, r) })
	for name, most := range map[string]float64{
		"none": 5, "retry+breaker": 8, "retry+breaker+bulkhead": 11, "retry+breaker+bulkhead+timeout": 22, // the last sends a header
	} {
		transport := mustTransport(t, TransportConfig{Base: base, Policies: chains()[name]})
		more := testing.AllocsPerRun(1000, func() { roundTrip(t, transport, r) }) - bare
		t.Logf("%s: %v allocations more", name, more)
		if more > most && !raceEnabled {
			t.Errorf("%s costs %v allocations, want at most %v", name, more, most)
		}
	}
}

func TestHandlerCostsFewAllocations(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	r, w := httptest.NewRequest("GET", "/", nil), &nowhere{header: http.Header{}}
	h := mustHandler(t, next, HandlerConfig{Policies: []policy.Policy{breaker(5), bulkhead(1000)}})
	n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) })
	t.Logf("breaker+bulkhead: %v allocations", n)
	if n > 5 {
		t.Errorf("costs %v allocations, want at most 5", n)
	}
}

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct{ header http.Header }

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (w *nowhere) WriteHeader(int)             {}

func BenchmarkTransport(b *testing.B) {
	b.Run("bare", func(b *testing.B) { benchmarkTrips(b, answer{"text"}) })
	for name, policies := range chains() {
		b.Run(name, func(b *testing.B) {
			benchmarkTrips(b, mustTransport(b, TransportConfig{Base: answer{"text"}, Policies: policies}))
		})
	}
}

func benchmarkTrips(b *testing.B, rt http.RoundTripper) {
	r := newRequest(b, b.Context(), "GET", nil)
	b.ReportAllocs()
	for b.Loop() {
		roundTrip(b, rt, r)
	}
}

// BenchmarkLoopback is the same over a real connection.
func BenchmarkLoopback(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "text") }))
	defer server.Close()
	base := new(http.Transport)
	defer base.CloseIdleConnections()
	arms := map[string]http.RoundTripper{"bare": base}
	for name, policies := range chains() {
		arms[name] = mustTransport(b, TransportConfig{Base: base, Policies: policies})
	}
	for name, rt := range arms {
		b.Run(name, func(b *testing.B) {
			r, err := http.NewRequestWithContext(b.Context(), "GET", server.URL, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				roundTrip(b, rt, r)
			}
		})
	}
}

func BenchmarkHandler(b *testing.B) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	arms := map[string]http.Handler{
		"bare":             next,
		"breaker+bulkhead": mustHandler(b, next, HandlerConfig{Policies: []policy.Policy{breaker(5), bulkhead(1000)}}),
	}
	for name, h := range arms {
		b.Run(name, func(b *testing.B) {
			r, w := httptest.NewRequest("GET", "/", nil), &nowhere{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
