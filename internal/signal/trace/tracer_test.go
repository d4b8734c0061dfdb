package trace

import (
	"bytes"
	"context"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	proto "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/otlptest"
	"github.com/afloat-dev/afloat/policy"
)

// collected is a collector of OTLP over HTTP that keeps what it gets.
type collected struct {
	*httptest.Server
	mu      sync.Mutex
	status  int // that it answers with
	spans   []*proto.Span
	service string
	headers http.Header
	path    string
}

func newCollector(t *testing.T) *collected {
	c := &collected{status: 200}
	c.Server = otlptest.NewCollector(t, func(r *http.Request, all []*proto.ResourceSpans) int {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.headers, c.path = r.Header, r.URL.Path
		if c.status != 200 {
			return c.status
		}
		for _, resource := range all {
			for _, a := range resource.Resource.Attributes {
				if a.Key == "service.name" {
					c.service = a.Value.GetStringValue()
				}
			}
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
		return 200
	})
	return c
}

func newTracer(t *testing.T, o Options) *Tracer {
	t.Helper()
	tracer, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

func end(t *testing.T, tracer *Tracer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := tracer.Close(ctx); err != nil {
		t.Error(err)
	}
}

// TestTracesOfAGatewayReachACollector runs all of it: a client in a trace, a
// gateway that tries twice, two endpoints, and a collector.
func TestTracesOfAGatewayReachACollector(t *testing.T) {
	var told []string
	endpoint := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			told = append(told, r.Header.Get("Traceparent"))
			w.WriteHeader(status)
		}))
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	bad, good := endpoint(503), endpoint(200)
	sink := newCollector(t)
	tracer := newTracer(t, Options{Config: Config{Endpoint: sink.URL, Sample: 1, Name: "edge"}, Headers: map[string]string{"Authorization": "Bearer x"}})
	share := 1.0
	g := gateway.New(gateway.Options{Observer: tracer, Traces: &share})
	err := g.Apply(&gateway.Config{
		Listeners: []gateway.ListenerConfig{{Address: "127.0.0.1:0"}},
		Services: map[string]gateway.ServiceConfig{"web": {Endpoints: gateway.Addresses(bad, good), Balance: gateway.BalanceRoundRobin,
			Outlier: gateway.OutlierConfig{Disabled: true}, Retry: policy.RetryConfig{Budget: policy.BudgetConfig{Off: true}}}},
		Routes: []gateway.RouteConfig{{Name: "all", To: []gateway.DestinationConfig{{Service: "web"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = g.Serve(ctx) }()
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for range 2 { // one of them begins at the bad endpoint
		req, _ := http.NewRequest("GET", "http://"+g.Addresses()[0]+"/cart?card=4111", nil)
		req.Header.Set("Traceparent", "00-"+trace+"-"+span+"-01")
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		res.Body.Close()
	}
	cancel()
	<-ended
	end(t, tracer)

	if sink.service != "edge" || sink.path != "/v1/traces" || sink.headers.Get("Authorization") != "Bearer x" {
		t.Errorf("service %q at %q with %v", sink.service, sink.path, sink.headers)
	}
	parents, ids := map[string]string{}, map[string]*proto.Span{}
	for _, s := range sink.spans {
		if hex.EncodeToString(s.TraceId) != trace {
			t.Errorf("a span of trace %x", s.TraceId)
		}
		ids[hex.EncodeToString(s.SpanId)] = s
		parents[hex.EncodeToString(s.SpanId)] = hex.EncodeToString(s.ParentSpanId)
	}
	if len(ids) != 5 || len(told) != 3 {
		t.Fatalf("%d spans and %d tries, want 2 requests with 3 tries", len(ids), len(told))
	}
	for _, field := range told {
		try := ids[field[36:52]]
		if try == nil || parents[parents[field[36:52]]] != span {
			t.Errorf("the try of %q has span %v, below %q", field, try, parents[field[36:52]])
		}
	}
	for id, s := range ids {
		if parents[id] != span {
			continue
		}
		got := attributes(s)
		if s.Name != "GET all" || s.Kind != proto.Span_SPAN_KIND_SERVER || got["url.path"] != "/cart" || got["afloat.service"] != "web" || got["http.response.status_code"] != "200" {
			t.Errorf("the request's span is %q with %v", s.Name, got)
		}
	}
	if failed := try(ids, "503"); failed == nil || failed.Status.Code != proto.Status_STATUS_CODE_ERROR || attributes(failed)["afloat.class"] != "failure" || attributes(failed)["server.address"] != bad {
		t.Errorf("the failed try is %v", failed)
	} else if got := attributes(failed); got["afloat.breaker"] != "closed" || got["afloat.breaker_after"] != "closed" {
		t.Errorf("the breaker of the failed try is %v", got)
	}
}

// TestDecisionsAreAttributes, each only where there was something to decide.
func TestDecisionsAreAttributes(t *testing.T) {
	sink := newCollector(t)
	tracer := newTracer(t, Options{Config: Config{Endpoint: sink.URL}})
	tracer.Request(record(func(r *gateway.Record) {
		r.Trace.Sampled = true
		r.Decisions = gateway.Decisions{Queued: 20 * time.Millisecond, InFlight: 7, Limit: 8, Held: time.Second,
			Stopped: policy.ErrBudget.Error(), HedgeRefused: true, Cache: "Afloat; fwd=miss"}
		r.Spans = []gateway.TrySpan{{Span: [8]byte{3}, Breaker: "half-open", BreakerAfter: "open", Zone: "eu/a", Priority: 2}}
	}))
	tracer.Request(record(func(r *gateway.Record) { r.Trace.Sampled, r.Trace.Span = true, [8]byte{4} }))
	end(t, tracer)
	got := map[byte]string{}
	for _, s := range sink.spans {
		var all []string
		for name, value := range attributes(s) {
			if !slices.Contains([]string{"afloat.tries", "afloat.request_id", "afloat.first_byte_ms", "afloat.class"}, name) && strings.HasPrefix(name, "afloat.") {
				all = append(all, name[len("afloat."):]+"="+value)
			}
		}
		slices.Sort(all)
		got[s.SpanId[0]] = strings.Join(all, " ")
	}
	want := map[byte]string{
		2: "cache=Afloat; fwd=miss hedge_refused=true held_ms=1000 in_flight=7 limit=8 not_repeated=the retry budget is spent queued_ms=20",
		3: "breaker=half-open breaker_after=open priority=2 zone=eu/a",
		4: "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func attributes(s *proto.Span) map[string]string {
	all := map[string]string{}
	for _, a := range s.Attributes {
		all[a.Key] = strings.Trim(a.Value.String()[strings.Index(a.Value.String(), ":")+1:], `"`)
	}
	return all
}

// try is the span of a try with a status.
func try(all map[string]*proto.Span, status string) *proto.Span {
	for _, s := range all {
		if s.Kind == proto.Span_SPAN_KIND_CLIENT && attributes(s)["http.response.status_code"] == status {
			return s
		}
	}
	return nil
}

func record(change func(*gateway.Record)) *gateway.Record {
	r := &gateway.Record{Start: time.Now(), Duration: time.Millisecond, Method: "GET", Status: 200, Trace: gateway.TraceContext{TraceID: [16]byte{1}, Span: [8]byte{2}}}
	change(r)
	return r
}

// TestWhatIsKeptIsDecidedAtTheEnd of a request.
func TestWhatIsKeptIsDecidedAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*gateway.Record)
		kept   bool
	}{
		"fast and good": {func(*gateway.Record) {}, false},
		"sampled":       {func(r *gateway.Record) { r.Trace.Sampled = true }, true},
		"slow":          {func(r *gateway.Record) { r.Duration = 2 * time.Second }, true},
		"failed":        {func(r *gateway.Record) { r.Status = 503; r.Reason = gateway.ReasonOverloaded }, true},
		"gRPC failed":   {func(r *gateway.Record) { r.GRPC = "UNAVAILABLE" }, true},
		"without trace": {func(r *gateway.Record) { r.Status, r.Trace = 503, gateway.TraceContext{} }, false},
	} {
		sink := newCollector(t)
		tracer := newTracer(t, Options{Config: Config{Endpoint: sink.URL}})
		tracer.Request(record(c.change))
		end(t, tracer)
		if got := len(sink.spans) > 0; got != c.kept {
			t.Errorf("%s: kept is %v, want %v", name, got, c.kept)
		}
	}
}

// TestCollectorThatFailsIsToldOnce and holds up nobody; then that it is back.
func TestCollectorThatFailsIsToldOnce(t *testing.T) {
	sink := newCollector(t)
	sink.status = 400
	var said bytes.Buffer
	tracer := newTracer(t, Options{Config: Config{Endpoint: sink.URL, Sample: 1}, Log: slog.New(slog.NewTextHandler(&said, nil))})
	for _, status := range []int{400, 400, 200} {
		sink.mu.Lock()
		sink.status = status
		sink.mu.Unlock()
		tracer.Request(record(func(r *gateway.Record) { r.Trace.Sampled = true }))
		for tracer.kept.Load() > 0 && len(tracer.queue) > 0 {
			time.Sleep(time.Millisecond)
		}
		if err := tracer.provider.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	end(t, tracer)
	tracer.Request(record(func(r *gateway.Record) { r.Trace.Sampled = true }))
	if got := said.String(); strings.Count(got, "cannot be sent") != 1 || strings.Count(got, "sent again") != 1 {
		t.Errorf("said %s", got)
	}
	if tracer.dropped.Load() != 1 || tracer.failed.Load() == 0 {
		t.Errorf("%d dropped after the end, %d spans failed", tracer.dropped.Load(), tracer.failed.Load())
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []struct {
		config Config
		field  string
	}{
		{Config{Endpoint: "http://127.0.0.1:4318"}, ""},
		{Config{Endpoint: "https://collector.example/otlp/v1/traces", Sample: -1, Slow: -1}, ""},
		{Config{}, "endpoint"},
		{Config{Endpoint: "127.0.0.1:4318"}, "endpoint"},
		{Config{Endpoint: "grpc://127.0.0.1:4317"}, "endpoint"},
		{Config{Endpoint: "http://user:secret@127.0.0.1"}, "endpoint"},
		{Config{Endpoint: "http://127.0.0.1:4318", Sample: 2}, "sample"},
	} {
		err := c.config.Validate()
		if got, _ := err.(*policy.FieldError); (got == nil) != (c.field == "") || got != nil && got.Field != c.field {
			t.Errorf("%+v: %v", c.config, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("tells a secret: %v", err)
		}
	}
}

func BenchmarkRequestNotKept(b *testing.B) {
	tracer, err := New(b.Context(), Options{Config: Config{Endpoint: "http://127.0.0.1:1"}})
	if err != nil {
		b.Fatal(err)
	}
	r := record(func(*gateway.Record) {})
	for b.Loop() {
		tracer.Request(r)
	}
}
