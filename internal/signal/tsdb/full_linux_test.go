package tsdb_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/signal/tsdb"
	"github.com/afloat-dev/afloat/internal/smalldisk"
)

// TestFullDiskClosesTheStore: with no room for its chunks the database would
// end the process.
func TestFullDiskClosesTheStore(t *testing.T) {
	disk := smalldisk.New(t, 40<<20)
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "gauge"})
	registry.MustRegister(gauge)
	gauge.Set(7)
	receiver := httptest.NewServer(http.NotFoundHandler())
	defer receiver.Close()
	s, stop := serve(t, tsdb.Options{Dir: filepath.Join(disk.Dir, "metrics"), Gatherer: registry, Registerer: registry, Config: tsdb.Config{
		RemoteWrite: []tsdb.RemoteWriteConfig{{URL: receiver.URL}},
	}})
	registry.MustRegister(s)
	defer stop()
	await(t, s, `sum(gauge)`, `{} 7`)
	for range 2 { // what it registers, it takes back
		disk.Fill(t)
		awaitOpen(t, s, false)
		if _, err := s.Query(t.Context(), `gauge`, time.Now()); !errors.Is(err, tsdb.ErrNotReady) {
			t.Errorf("a query got %v", err)
		}
		disk.MakeRoom(t)
		awaitOpen(t, s, true)
		await(t, s, `sum(gauge)`, `{} 7`)
	}
}
