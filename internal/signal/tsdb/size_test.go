package tsdb_test

import (
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	prom "github.com/prometheus/prometheus/tsdb"

	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// TestOldestBlocksMakeRoom fills a folder with more than may be kept: with room
// for all it stays as it is, and with less the oldest blocks go.
func TestOldestBlocksMakeRoom(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	const blocks = 8
	for i := range blocks { // the oldest first
		fill(t, dir, now.Add(time.Duration(i-blocks)*30*time.Minute))
	}
	all := size(t, dir)
	const limit = 64 << 20
	if all < limit*3/2 || all > limit*3 {
		t.Fatalf("filled with %d bytes, to be judged with a limit of %d", all, limit)
	}
	options := func(bytes int64) tsdb.Options {
		o := tsdb.Options{Dir: dir, Gatherer: prometheus.NewRegistry()}
		o.SizeBytes = bytes
		return o
	}
	const oldest, newest = `count(last_over_time(filled[30m] offset 225m))`, `count(last_over_time(filled[30m] offset 15m))`

	every := fmt.Sprintf("{} %d", seriesFilled)
	s, stop := serve(t, options(10*limit))
	await(t, s, oldest, every)
	await(t, s, newest, every)
	stop()
	s, stop = serve(t, options(limit))
	await(t, s, oldest)
	await(t, s, newest, every)
	stop()
	if left := size(t, dir); left > limit || left < limit/2 {
		t.Errorf("%d bytes are left, of %d allowed", left, limit)
	}
}

// seriesFilled is how many series each block has.
const seriesFilled = 800

// fill writes a block of half an hour. It is large because names are long: that
// takes less time than as many samples.
func fill(t *testing.T, dir string, from time.Time) {
	t.Helper()
	w, err := prom.NewBlockWriter(slog.New(slog.DiscardHandler), dir, (30 * time.Minute).Milliseconds())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	app := w.Appender(t.Context())
	for series := range seriesFilled {
		long := fmt.Sprintf("%d %d %0*d", from.Unix(), series, 10_000, 0)
		if _, err := app.Append(0, recorded("filled", "n", long), from.Add(time.Minute).UnixMilli(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// size is that of all files.
func size(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}
