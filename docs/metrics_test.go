package docs_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/signal/trace"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

const metricsPage = "docs/metrics.md"

var (
	metricsTable = regexp.MustCompile(`(?s)<!-- metrics -->\n(.*?)<!-- end -->`)
	help         = regexp.MustCompile(`(?m)^# HELP (afloat_\S+) (.*)$`)
	kind         = regexp.MustCompile(`(?m)^# TYPE (afloat_\S+) (\S+)$`)
	labels       = regexp.MustCompile(`([a-z_]+)="`)
)

// TestMetricsPageListsWhatIsExported scrapes a program in which everything has
// happened once, and holds the page's table against it. With -update it writes
// the table.
func TestMetricsPageListsWhatIsExported(t *testing.T) {
	scraped := scrape(t)
	kinds := map[string]string{}
	for _, m := range kind.FindAllStringSubmatch(scraped, -1) {
		kinds[m[1]] = m[2]
	}
	rows := map[string]string{}
	for _, m := range help.FindAllStringSubmatch(scraped, -1) {
		rows[m[1]] = fmt.Sprintf("| `%s` | %s | %s | %s |\n", m[1], kinds[m[1]], labelsOf(scraped, m[1]), strings.ReplaceAll(m[2], `\"`, `"`))
	}
	if len(rows) < 20 {
		t.Fatalf("scraped %d metrics, want more:\n%s", len(rows), scraped)
	}
	out := "| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		out += rows[name]
	}
	text, err := os.ReadFile(filepath.Join(root, metricsPage))
	if err != nil {
		t.Fatal(err)
	}
	p := page{name: metricsPage, text: string(text)}
	if !metricsTable.MatchString(p.text) {
		t.Fatalf("%s has no table of metrics", metricsPage)
	}
	settle(t, p, metricsTable.ReplaceAllLiteralString(p.text, "<!-- metrics -->\n"+out+"<!-- end -->"))
}

// labelsOf are the labels of a metric's samples.
func labelsOf(scraped, name string) string {
	var found []string
	for line := range strings.Lines(scraped) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || !strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(rest, "_bucket"), "_sum"), "_count"), "{") {
			continue
		}
		for _, m := range labels.FindAllStringSubmatch(rest, -1) {
			if m[1] != "le" && !slices.Contains(found, m[1]) {
				found = append(found, m[1])
			}
		}
	}
	slices.Sort(found)
	return strings.Join(found, ", ")
}

// newAlerts are alerts with somebody to tell.
func newAlerts(t *testing.T) *alert.Manager {
	t.Helper()
	j, err := journal.Open(journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := alert.New(alert.Options{Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Apply(alert.Config{Receivers: map[string]alert.ReceiverConfig{"team": {Webhook: "http://127.0.0.1:1"}}}); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	t.Cleanup(func() { _ = m.Serve(ended) }) // it returns nil
	return m
}

func scrape(t *testing.T) string {
	t.Helper()
	m := signal.NewMetrics(signal.MetricsConfig{
		Version: "v", Revision: "r",
		Status: func() gateway.Status {
			return gateway.Status{
				Listeners: []gateway.ListenerStatus{{Address: "l", Certificates: []gateway.CertificateStatus{{Name: "c"}}}},
				Routes:    []gateway.RouteStatus{{Name: "r", Cache: &gateway.CacheStatus{}, To: []gateway.DestinationStatus{{Service: "s"}}, Mirrors: []gateway.MirrorStatus{{Service: "s"}}, Limits: []gateway.LimitStatus{{By: "user"}}}},
				Faults:    []gateway.FaultStatus{{Route: "r"}},
				Services: []gateway.ServiceStatus{{Name: "s", Hedge: &gateway.HedgeStatus{}, Retry: &gateway.RetryStatus{}, Versions: []gateway.VersionStatus{{Version: "v"}},
					Endpoints: []gateway.EndpointStatus{{Address: "e", State: "up", Breaker: "closed", Levers: []gateway.Lever{{Kind: gateway.LeverDrain}}}}}},
			}
		},
		Refused: func() bool { return false },
		Replicas: func() []supervise.ServiceStatus {
			return []supervise.ServiceStatus{{Name: "s", Service: "s", Replicas: []supervise.ReplicaStatus{{ID: 1, Phase: supervise.PhaseReady}}}}
		},
	})
	access := signal.NewAccessLog(io.Discard, signal.AccessLogConfig{})
	defer access.Close(t.Context())
	if err := m.Register(access); err != nil {
		t.Fatal(err)
	}
	tracer, err := trace.New(t.Context(), trace.Options{Config: trace.Config{Endpoint: "http://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Register(tracer); err != nil {
		t.Fatal(err)
	}
	if err := m.Register(openStore(t, m)); err != nil {
		t.Fatal(err)
	}
	if err := m.Register(newAlerts(t)); err != nil {
		t.Fatal(err)
	}
	m.Route("r", "s").Request(&gateway.Record{Status: 200, Tries: 2, Reason: gateway.ReasonFallback, RequestBytes: 1, ResponseBytes: 1})
	m.Route("r", "s").Request(&gateway.Record{Status: 503, Tries: 1, Reason: gateway.ReasonOverloaded})
	m.Endpoint("s", "e").Try(policy.Failure, time.Millisecond)
	m.Event(gateway.Event{Kind: gateway.EventDown})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// openStore returns a store of metrics that is open.
func openStore(t *testing.T, m *signal.Metrics) *tsdb.Store {
	t.Helper()
	s, err := tsdb.New(tsdb.Options{Dir: t.TempDir(), Gatherer: m.Gatherer()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	<-s.Ready()
	return s
}
