package gateway

import (
	"encoding/hex"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// parents collects what endpoints are told of traces.
type parents struct {
	mu     sync.Mutex
	fields []string
}

func (p *parents) add(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fields = append(p.fields, r.Header.Values("Traceparent")...)
}

// spans keeps the spans of the requests that ended.
type spans struct {
	notes
	mu    sync.Mutex
	kept  []TrySpan
	trace TraceContext
}

func (s *spans) Route(string, string) RequestObserver { return s }

func (s *spans) Request(r *Record) {
	s.mu.Lock()
	s.kept, s.trace = append([]TrySpan(nil), r.Spans...), r.Trace
	s.mu.Unlock()
	s.notes.Request(r)
}

// startTraced runs a gateway until the test ends.
func startTraced(t *testing.T, c *Config, share *float64, o Observer) string {
	t.Helper()
	_, url := startWith(t, c, Options{Observer: o, Traces: share})
	return url
}

const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// ask sends a request that is part of a trace, and waits until it is noted.
func (s *spans) ask(t *testing.T, client *http.Client, url string) *http.Response {
	t.Helper()
	before := s.count()
	req, _ := http.NewRequest("GET", url, nil)
	req.Header.Set("Traceparent", given)
	req.Header.Set("Tracestate", "vendor=1")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	s.last(t, before+1)
	return res
}

func (s *spans) count() int {
	s.notes.mu.Lock()
	defer s.notes.mu.Unlock()
	return len(s.records)
}

// TestTriesAreSpansOfTheRequestsTrace: each try has a span of its own, which is
// what its endpoint is told.
func TestTriesAreSpansOfTheRequestsTrace(t *testing.T) {
	var told parents
	bad := origin(t, func(w http.ResponseWriter, r *http.Request) { told.add(r); w.WriteHeader(503) })
	good := origin(t, func(w http.ResponseWriter, r *http.Request) { told.add(r) })
	c := oneService(ServiceConfig{Endpoints: Addresses(bad, good), Balance: BalanceRoundRobin, Outlier: OutlierConfig{Disabled: true},
		Retry: policy.RetryConfig{Budget: policy.BudgetConfig{Off: true}}, Breaker: policy.BreakerConfig{ConsecutiveFailures: -1, FailureRate: -1}})
	share, s := 0.0, new(spans)
	url := startTraced(t, c, &share, s)
	for name, client := range clients(t) {
		retried := false
		for range 2 {
			told.fields = nil
			if res := s.ask(t, client, url); res.StatusCode != 200 {
				t.Fatalf("%s: %d", name, res.StatusCode)
			}
			if len(told.fields) != len(s.kept) || hex.EncodeToString(s.trace.TraceID[:]) != given[3:35] || hex.EncodeToString(s.trace.Parent[:]) != given[36:52] {
				t.Fatalf("%s: endpoints were told %q, the trace is %+v with %+v", name, told.fields, s.trace, s.kept)
			}
			for i, field := range told.fields {
				got, ok := parseTraceParent([]byte(field))
				if !ok || got.TraceID != s.trace.TraceID || got.Parent != s.kept[i].Span || got.Sampled {
					t.Errorf("%s: try %d was told %q, and its span is %+v", name, i+1, field, s.kept[i])
				}
			}
			if len(s.kept) == 2 {
				retried = true
				first, second := s.kept[0], s.kept[1]
				if first.Status != 503 || first.Class != policy.Failure || first.Endpoint != bad || second.Status != 200 || second.Endpoint != good || second.Start.Before(first.Start.Add(first.Took)) {
					t.Errorf("%s: got %+v and %+v", name, first, second)
				}
			}
		}
		if !retried {
			t.Errorf("%s: no request was repeated", name)
		}
	}
}

// TestTracesPassWhereAfloatTakesNoPart: they are known for the logs, and no more.
func TestTracesPassWhereAfloatTakesNoPart(t *testing.T) {
	var told parents
	s := new(spans)
	url := startTraced(t, oneService(ServiceConfig{Endpoints: Addresses(origin(t, func(w http.ResponseWriter, r *http.Request) { told.add(r) }))}), nil, s)
	s.ask(t, http.DefaultClient, url)
	if len(told.fields) != 1 || told.fields[0] != given || hex.EncodeToString(s.trace.TraceID[:]) != given[3:35] || s.kept != nil {
		t.Errorf("the endpoint was told %q; the trace is %+v with %+v", told.fields, s.trace, s.kept)
	}
}

// TestTracesOfStrangersAreNotSampledForThem: else anyone could have all kept.
func TestTracesOfStrangersAreNotSampledForThem(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		var told parents
		c := oneService(ServiceConfig{Endpoints: Addresses(origin(t, func(w http.ResponseWriter, r *http.Request) { told.add(r) }))})
		if trusted {
			c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", TrustedPeers: []string{"127.0.0.1"}}}
		}
		share, s := 0.0, new(spans)
		s.ask(t, http.DefaultClient, startTraced(t, c, &share, s))
		if s.trace.Sampled != trusted {
			t.Errorf("trusted %v: sampled is %v", trusted, s.trace.Sampled)
		}
	}
}

// TestHedgeIsASpanBesideTheFirst whichever of the two was faster.
func TestHedgeIsASpanBesideTheFirst(t *testing.T) {
	p := newPair(t, false)
	share, s := 1.0, new(spans)
	url := startTraced(t, p.config(policy.HedgeConfig{Delay: 20 * time.Millisecond, Budget: unbounded}, ProtocolHTTP1), &share, s)
	hedged := 0
	for range 4 {
		s.ask(t, http.DefaultClient, url)
		if len(s.kept) < 2 {
			continue
		}
		hedged++
		first, second := s.kept[0], s.kept[1]
		if first.Hedge || !second.Hedge || first.Endpoint != p.slow || second.Endpoint != p.fast || second.Status != 200 || first.Span == second.Span {
			t.Errorf("got %+v and %+v", first, second)
		}
	}
	if hedged == 0 {
		t.Error("no request was hedged")
	}
}
