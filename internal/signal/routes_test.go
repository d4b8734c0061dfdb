package signal_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
)

// TestMetricsForgetRoutesThatAreGone reloads a gateway more often than there is
// room for routes, with a request under way across a reload.
func TestMetricsForgetRoutesThatAreGone(t *testing.T) {
	m := signal.NewMetrics(signal.MetricsConfig{RoutesMax: 3})
	arrived, answer := make(chan struct{}), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-answer
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(upstream.Close)
	g := gateway.New(gateway.Options{Observer: m})
	apply := func(names ...string) {
		t.Helper()
		c := &gateway.Config{
			Listeners: []gateway.ListenerConfig{{Address: "127.0.0.1:0"}},
			Services:  map[string]gateway.ServiceConfig{"web": {Endpoints: gateway.Addresses(strings.TrimPrefix(upstream.URL, "http://"))}},
		}
		for _, name := range names {
			c.Routes = append(c.Routes, gateway.RouteConfig{
				Name: name, Match: []gateway.MatchConfig{{Host: name + ".example"}}, To: []gateway.DestinationConfig{{Service: "web"}},
			})
		}
		if err := g.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	apply("slow")
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- g.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-served })
	get := func(host, path string) {
		request, _ := http.NewRequest(http.MethodGet, "http://"+g.Addresses()[0]+path, nil)
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	slow := make(chan struct{})
	go func() { defer close(slow); get("slow.example", "/slow") }()
	<-arrived

	for _, name := range []string{"a", "b", "c", "d"} {
		apply(name, name+"2")
		get(name+".example", "/")
		get("nobody.example", "/")
	}
	close(answer)
	<-slow
	text := scrapeUntil(t, m,
		`afloat_requests_total{code="200",route="d",service="web"} 1`,
		`afloat_requests_total{code="200",route="d2",service="web"} 0`,
		`afloat_requests_total{code="404",route="none",service=""} 4`,
	)
	for _, gone := range []string{`route="a"`, `route="c2"`, `route="slow"`, `route="other"`} {
		if strings.Contains(text, gone) {
			t.Errorf("there still is a series with %s", gone)
		}
	}
	apply("slow", "d")
	get("slow.example", "/")
	scrapeUntil(t, m,
		`afloat_requests_total{code="200",route="slow",service="web"} 1`,
		`afloat_requests_total{code="200",route="d",service="web"} 1`,
	)
}

// scrapeUntil has all lines: a request is counted when it has been answered,
// which its client may hear of first.
func scrapeUntil(t *testing.T, m *signal.Metrics, lines ...string) string {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		text := scrape(t, m, "text/plain")
		i := slices.IndexFunc(lines, func(l string) bool { return !strings.Contains(text, l+"\n") })
		if i < 0 {
			return text
		}
		if time.Now().After(deadline) {
			t.Fatalf("no line %s", lines[i])
		}
		time.Sleep(time.Millisecond)
	}
}

// TestMetricsOfARemovedRouteMakeNoSeries: what is under way may end in ways that
// were not seen before.
func TestMetricsOfARemovedRouteMakeNoSeries(t *testing.T) {
	m := signal.NewMetrics(signal.MetricsConfig{})
	gone := m.Route("gone", "web")
	m.Event(gateway.Event{Kind: gateway.EventApplied})
	m.Event(gateway.Event{Kind: gateway.EventApplied})
	for _, change := range []func(*gateway.Record){
		func(r *gateway.Record) { r.Status, r.Reason = 504, gateway.ReasonTimeout },
		func(r *gateway.Record) { r.GRPC = "OK" },
		func(r *gateway.Record) { r.Reason = gateway.ReasonFallback },
		func(r *gateway.Record) { r.Tries = 2 },
	} {
		r := record()
		change(r)
		gone.Request(r)
	}
	if text := scrape(t, m, "text/plain"); strings.Contains(text, `route="gone"`) {
		t.Error("the removed route has series again")
	}
}
