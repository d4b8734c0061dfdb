package tsdb

import (
	"context"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// figures are what the store counts of itself.
type figures struct {
	samples           prometheus.Counter
	dropped, failures *prometheus.CounterVec
	took              prometheus.Gauge

	mu      sync.Mutex // guards what follows
	failing map[string]bool
}

func newFigures() *figures {
	f := &figures{
		samples: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "afloat_store_samples_total", Help: "Samples that the store of metrics has kept.",
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "afloat_store_dropped_total", Help: "Samples that it has not, by reason.",
		}, []string{"reason"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "afloat_store_failures_total", Help: "Failures to open, to gather, to keep or to send metrics.",
		}, []string{"doing"}),
		took: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "afloat_store_gather_seconds", Help: "Time to gather and keep all metrics, the last time.",
		}),
		failing: map[string]bool{},
	}
	for _, reason := range []string{tooMany, tooOld, duplicate, invalid} {
		f.dropped.WithLabelValues(reason) // there from the start, so that an increase is seen
	}
	for _, doing := range []string{"open", "gather", "keep"} {
		f.failures.WithLabelValues(doing)
	}
	return f
}

// The reasons to drop a sample.
const (
	tooMany   = "too_many" // series
	tooOld    = "too_old"
	duplicate = "duplicate"
	invalid   = "invalid"
)

// tell counts a failure, and logs it when it begins and when it ends.
func (f *figures) tell(log *slog.Logger, doing string, err error) {
	f.mu.Lock()
	was := f.failing[doing]
	f.failing[doing] = err != nil
	f.mu.Unlock()
	switch {
	case err != nil && !was:
		log.Error("the store of metrics fails", "doing", doing, "error", err)
	case err == nil && was:
		log.Info("the store of metrics works again", "doing", doing)
	}
	if err != nil {
		f.failures.WithLabelValues(doing).Inc()
	}
}

// The descriptions of what is asked of the database at a scrape.
var (
	seriesDesc = prometheus.NewDesc("afloat_store_series", "Series in memory.", nil, nil)
	bytesDesc  = prometheus.NewDesc("afloat_store_bytes", "Bytes on the disk, the write-ahead log included.", nil, nil)
)

// Describe is part of [prometheus.Collector].
func (s *Store) Describe(ch chan<- *prometheus.Desc) {
	f := s.figures
	for _, c := range []prometheus.Collector{f.samples, f.dropped, f.failures, f.took} {
		c.Describe(ch)
	}
	ch <- seriesDesc
	ch <- bytesDesc
}

// Collect is part of [prometheus.Collector].
func (s *Store) Collect(ch chan<- prometheus.Metric) {
	f := s.figures
	for _, c := range []prometheus.Collector{f.samples, f.dropped, f.failures, f.took} {
		c.Collect(ch)
	}
	db := s.db.Load()
	if db == nil {
		return
	}
	size := db.Head().Size()
	for _, b := range db.Blocks() {
		size += b.Size()
	}
	ch <- prometheus.MustNewConstMetric(seriesDesc, prometheus.GaugeValue, float64(db.Head().NumSeries()))
	ch <- prometheus.MustNewConstMetric(bytesDesc, prometheus.GaugeValue, float64(size))
}

// bad lets only warnings and errors through: Prometheus' parts tell of each
// step and each block.
type bad struct{ slog.Handler }

// Enabled is part of [slog.Handler].
func (b bad) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && b.Handler.Enabled(ctx, level)
}

// WithAttrs is part of [slog.Handler].
func (b bad) WithAttrs(attrs []slog.Attr) slog.Handler { return bad{b.Handler.WithAttrs(attrs)} }

// WithGroup is part of [slog.Handler].
func (b bad) WithGroup(name string) slog.Handler { return bad{b.Handler.WithGroup(name)} }
