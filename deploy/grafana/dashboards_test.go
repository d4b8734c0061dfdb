package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

func TestFilesAreThoseOfTheGenerator(t *testing.T) {
	for name, d := range dashboards() {
		want, err := encode(d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not current: run go generate ./deploy/grafana (%v)", name, err)
		}
		var back map[string]any
		if err := json.Unmarshal(got, &back); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	for name, d := range dashboards() {
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= width {
						t.Fatalf("%s: %q is where %q is", name, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

// TestEveryQueryFindsData keeps the metrics of a gateway in which everything
// happens all the time, and asks what the dashboards ask.
func TestEveryQueryFindsData(t *testing.T) {
	s := busyStore(t)
	values := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	asked := 0
	for name, d := range dashboards() {
		var all []string
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				all = append(all, q.Expr)
			}
		}
		for _, v := range d.Templating.List {
			if m := values.FindStringSubmatch(v.Query); m != nil {
				all = append(all, fmt.Sprintf("count by (%s) (%s)", m[2], m[1]))
			}
		}
		for _, expr := range all {
			asked++
			awaitData(t, s, name, filled(expr))
		}
	}
	if asked < 60 {
		t.Errorf("asked %d queries, want more", asked)
	}
}

// filled is a query with the variables of Grafana replaced.
func filled(expr string) string {
	expr = strings.ReplaceAll(expr, "$__rate_interval", "2s")
	return regexp.MustCompile(`\$\w+`).ReplaceAllString(expr, ".*")
}

func awaitData(t *testing.T, s *tsdb.Store, name, expr string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		found, err := s.Query(t.Context(), expr, time.Now())
		if err != nil {
			t.Errorf("%s: %s: %v", name, expr, err)
			return
		}
		if len(found) > 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%s: finds nothing: %s", name, expr)
			return
		}
	}
}

func busyStore(t *testing.T) *tsdb.Store {
	t.Helper()
	n := uint64(0)
	m := signal.NewMetrics(signal.MetricsConfig{
		Status: func() gateway.Status { return busy(n) },
		Replicas: func() []supervise.ServiceStatus {
			return []supervise.ServiceStatus{{Name: "s", Service: "s", Replicas: []supervise.ReplicaStatus{{ID: 1, Phase: supervise.PhaseReady}}}}
		},
	})
	o := tsdb.Options{Dir: t.TempDir(), Gatherer: gatherer{m, &n}}
	o.Interval = 100 * time.Millisecond
	s, err := tsdb.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Register(s); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	<-s.Ready()
	return s
}

func busy(n uint64) gateway.Status {
	return gateway.Status{
		Listeners: []gateway.ListenerStatus{{Address: "l"}},
		Routes: []gateway.RouteStatus{{Name: "r", To: []gateway.DestinationStatus{{Service: "s"}},
			Cache: &gateway.CacheStatus{Hits: n, Misses: n}}},
		Services: []gateway.ServiceStatus{{Name: "s", InFlight: 1, Limit: 2, Hedge: &gateway.HedgeStatus{}, Brownout: "low_refused",
			Endpoints: []gateway.EndpointStatus{{Address: "e", State: "down", Breaker: "open", Zone: "eu/a"}}}},
		Memory: gateway.MemoryStatus{LimitBytes: 1 << 30, State: "enough"},
	}
}

// gatherer lets everything happen once more before each gathering.
type gatherer struct {
	*signal.Metrics
	n *uint64
}

// Gather is part of the registry's interface.
func (g gatherer) Gather() ([]*dto.MetricFamily, error) {
	*g.n++
	route := g.Route("r", "s")
	route.Request(&gateway.Record{Status: 200, Tries: 2, Reason: gateway.ReasonFallback, RequestBytes: 1, ResponseBytes: 1, Duration: time.Millisecond})
	route.Request(&gateway.Record{Status: 503, Tries: 1, Reason: gateway.ReasonOverloaded, Duration: time.Millisecond})
	g.Endpoint("s", "e").Try(policy.Failure, time.Millisecond)
	g.Event(gateway.Event{Kind: gateway.EventDown})
	return g.Gatherer().Gather()
}
