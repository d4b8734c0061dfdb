package signal_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/signal/trace"
)

// TestExemplarsFollowTheTracer: those of slow requests are what exemplars are
// for, and one whose trace nobody keeps leads nowhere.
func TestExemplarsFollowTheTracer(t *testing.T) {
	tracer, err := trace.New(t.Context(), trace.Options{Config: trace.Config{Endpoint: "http://127.0.0.1:1", Slow: 500 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nobody takes what it has
		_ = tracer.Close(ctx)
	})
	for _, test := range []struct {
		name          string
		took          time.Duration
		status        int
		sampled       bool
		with, without bool
	}{
		{name: "fast", took: time.Millisecond, status: 200},
		{name: "slow", took: 600 * time.Millisecond, status: 200, with: true},
		{name: "failed", took: time.Millisecond, status: 503, with: true},
		{name: "sampled", took: time.Millisecond, status: 200, sampled: true, with: true, without: true},
	} {
		r := &gateway.Record{Start: time.Unix(1772366400, 0), Duration: test.took, Status: test.status,
			Trace: gateway.TraceContext{TraceID: [16]byte{1}, Parent: [8]byte{2}, Sampled: test.sampled}}
		for _, c := range []struct {
			traced func(*gateway.Record) bool
			want   bool
		}{{tracer.Keeps, test.with}, {nil, test.without}} {
			m := signal.NewMetrics(signal.MetricsConfig{Traced: c.traced})
			m.Route("checkout", "cart").Request(r)
			text := scrape(t, m, "application/openmetrics-text; version=1.0.0")
			if got := strings.Contains(text, `# {trace_id="0100`); got != c.want {
				t.Errorf("%s, tracing %v: exemplar %v, want %v", test.name, c.traced != nil, got, c.want)
			}
		}
	}
}
