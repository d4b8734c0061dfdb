package tsdb_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

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
