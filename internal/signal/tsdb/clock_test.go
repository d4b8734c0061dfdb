package tsdb

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestClockThatIsSetBackLeavesNoGap: samples of the second pass over the same
// ten minutes are kept too.
func TestClockThatIsSetBackLeavesNoGap(t *testing.T) {
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "gauge"})
	registry.MustRegister(gauge)
	o := Options{Dir: t.TempDir(), Gatherer: registry}
	o.Interval = 100 * time.Millisecond
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	var back atomic.Int64
	s.now = func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	<-s.Ready()
	await := func(want float64) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if v, err := s.Query(t.Context(), `gauge`, s.now()); err == nil && len(v) == 1 && v[0].F == want {
				return
			}
		}
		t.Fatalf("gauge is not %v", want)
	}
	await(0)
	back.Store(int64(10 * time.Minute))
	gauge.Set(1)
	await(1)
	back.Store(0)
	gauge.Set(2)
	await(2)
}
