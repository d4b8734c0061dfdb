package tsdb_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// TestStoreOpensOnceItsFolderCanBeUsed: what keeps it from opening may pass.
func TestStoreOpensOnceItsFolderCanBeUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "metrics")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	s, _ := serve(t, tsdb.Options{Dir: dir, Gatherer: registry})
	registry.MustRegister(s)
	awaitFailure(t, registry, "open")
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	await(t, s, `count(up)`, `{} 1`)
}

// TestTornLogIsRepaired: a crash of the machine may leave half a record.
func TestTornLogIsRepaired(t *testing.T) {
	dir := t.TempDir()
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "gauge"})
	registry.MustRegister(gauge)
	gauge.Set(7)
	s, stop := serve(t, tsdb.Options{Dir: dir, Gatherer: registry})
	await(t, s, `sum(gauge)`, `{} 7`)
	stop()
	segments, err := filepath.Glob(filepath.Join(dir, "wal", "0*"))
	if err != nil || len(segments) == 0 {
		t.Fatal("no log", err)
	}
	f, err := os.OpenFile(slices.Max(segments), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("\x03 torn off"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	gauge.Set(8)
	s, _ = serve(t, tsdb.Options{Dir: dir, Gatherer: registry})
	await(t, s, `sum(gauge)`, `{} 8`)
	await(t, s, `sum(min_over_time(gauge[1m]))`, `{} 7`)
}

// TestStoresOfOneFolderFollowEachOther: the one that takes over comes before the
// one that ends.
func TestStoresOfOneFolderFollowEachOther(t *testing.T) {
	dir := t.TempDir()
	registry := prometheus.NewRegistry()
	elder, stop := serve(t, tsdb.Options{Dir: dir, Gatherer: registry})
	await(t, elder, `count(up)`, `{} 1`)
	for range 3 {
		younger, stopYounger := serve(t, tsdb.Options{Dir: dir, Gatherer: registry})
		select {
		case <-younger.Ready():
			t.Fatal("two have the folder open")
		case <-time.After(200 * time.Millisecond):
		}
		stop()
		await(t, younger, `count(up)`, `{} 1`)
		stop = stopYounger
	}
}

func awaitOpen(t *testing.T, s *tsdb.Store, open bool) {
	t.Helper()
	for end := time.Now().Add(patience); (s.DB() != nil) != open; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("open: %v, want %v", !open, open)
		}
	}
}

// TestQueryThatReadsOutlastsNoStore: the store closes once what reads it has
// ended, and takes no new query meanwhile.
func TestQueryThatReadsOutlastsNoStore(t *testing.T) {
	s, stop := serve(t, tsdb.Options{Gatherer: prometheus.NewRegistry()})
	await(t, s, `count(up)`, `{} 1`)
	reading, err := s.Queryable().Querier(0, time.Now().UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { stop(); close(ended) }()
	awaitOpen(t, s, false)
	if _, err := s.Queryable().Querier(0, 1); !errors.Is(err, tsdb.ErrNotReady) {
		t.Errorf("a new query got %v", err)
	}
	select {
	case <-ended:
		t.Error("the store closed under a query")
	case <-time.After(50 * time.Millisecond):
	}
	reading.Close()
	<-ended
}
