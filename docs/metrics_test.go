package docs_test

import (
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

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
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

func scrape(t *testing.T) string {
	t.Helper()
	m := signal.NewMetrics(signal.MetricsConfig{
		Version: "v", Revision: "r",
		Status: func() gateway.Status {
			return gateway.Status{
				Listeners: []gateway.ListenerStatus{{Address: "l"}},
				Routes:    []gateway.RouteStatus{{Name: "r", To: []gateway.DestinationStatus{{Service: "s"}}}},
				Services:  []gateway.ServiceStatus{{Name: "s", Endpoints: []gateway.EndpointStatus{{Address: "e", State: "up", Breaker: "closed"}}}},
			}
		},
		Replicas: func() []supervise.ServiceStatus {
			return []supervise.ServiceStatus{{Name: "s", Replicas: []supervise.ReplicaStatus{{ID: 1, Phase: supervise.PhaseReady}}}}
		},
	})
	access := signal.NewAccessLog(io.Discard, signal.AccessLogConfig{})
	defer access.Close(t.Context())
	if err := m.Register(access); err != nil {
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
