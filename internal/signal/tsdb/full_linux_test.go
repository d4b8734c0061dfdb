package tsdb_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

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
