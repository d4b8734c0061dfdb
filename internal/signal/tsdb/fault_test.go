package tsdb_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

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

// TestFullDiskClosesTheStore: with no room for its chunks the database would
// end the process.
func TestFullDiskClosesTheStore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a small disk")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=40m"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "gauge"})
	registry.MustRegister(gauge)
	gauge.Set(7)
	receiver := httptest.NewServer(http.NotFoundHandler())
	defer receiver.Close()
	s, stop := serve(t, tsdb.Options{Dir: filepath.Join(dir, "metrics"), Gatherer: registry, Registerer: registry, Config: tsdb.Config{
		RemoteWrite: []tsdb.RemoteWriteConfig{{URL: receiver.URL}},
	}})
	registry.MustRegister(s)
	defer stop()
	await(t, s, `sum(gauge)`, `{} 7`)
	for range 2 { // what it registers, it takes back
		filler := filepath.Join(dir, "filler")
		if err := os.WriteFile(filler, make([]byte, 48<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("the disk is not full: %v", err)
		}
		awaitOpen(t, s, false)
		if _, err := s.Query(t.Context(), `gauge`, time.Now()); !errors.Is(err, tsdb.ErrNotReady) {
			t.Errorf("a query got %v", err)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		awaitOpen(t, s, true)
		await(t, s, `sum(gauge)`, `{} 7`)
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
