package tsdb_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	prom "github.com/prometheus/prometheus/tsdb"

	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// TestOldSamplesAreDeleted fills a folder with the samples of four hours, and
// opens it with a retention of one.
func TestOldSamplesAreDeleted(t *testing.T) {
	dir := t.TempDir()
	o := prom.DefaultOptions()
	o.MinBlockDuration, o.MaxBlockDuration = (30 * time.Minute).Milliseconds(), (30 * time.Minute).Milliseconds()
	db, err := prom.Open(dir, slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for at := now.Add(-4 * time.Hour); at.Before(now); at = at.Add(time.Minute) {
		app := db.Appender(t.Context())
		if _, err := app.Append(0, recorded("old", "instance", "there"), at.UnixMilli(), 1); err != nil {
			t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	options := tsdb.Options{Dir: dir, Gatherer: prometheus.NewRegistry()}
	options.Retention = time.Hour
	s, _ := serve(t, options)
	await(t, s, `count(up)`, `{} 1`)
	await(t, s, `count(old offset 30m)`, `{} 1`)
	await(t, s, `count(old offset 3h)`, `{} 1`) // not cut into blocks yet
	for range 2 {                               // what has been cut is deleted the next time
		if err := s.DB().Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	await(t, s, `count(old offset 3h)`)
	await(t, s, `count(old offset 30m)`, `{} 1`)
}
