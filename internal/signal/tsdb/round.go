package tsdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// round is one gathering after another: it knows the series of the last one, so
// that a known series needs no labels, and one that is gone is marked as such.
type round struct {
	store    *Store
	number   uint64
	families map[string]map[string]*metric // by name, by labels
	key      []byte                        // the labels that are looked up
	own      [len(ownNames)]series
	alone    bool // whether what an earlier process left was marked

	app     storage.Appender
	sent    storage.Appender // counts for the receivers; nil without any
	at      int64
	left    int // series that may still be made
	samples int
	dropped map[string]int
}

func newRound(s *Store) *round {
	r := &round{store: s, families: map[string]map[string]*metric{}, dropped: map[string]int{}}
	for i, name := range ownNames {
		r.own[i].labels = r.labels(name, nil)
	}
	return r
}

// ownNames are what every scraper adds to what it scrapes.
var ownNames = [...]string{"up", "scrape_duration_seconds", "scrape_samples_scraped"}

// gather puts what all metrics are now into the store.
func (s *Store) gather(r *round) {
	began := s.now()
	families, err := s.options.Gatherer.Gather()
	s.figures.tell(s.log, "gather", err) // what was gathered is kept all the same
	s.learn(families)
	r.begin(s.db.Load(), began)
	for _, f := range families {
		r.family(f)
	}
	r.forget(func(m *metric) bool { return m.round != r.number })
	took := s.now().Sub(began)
	up := 1.0
	if err != nil {
		up = 0
	}
	for i, v := range [len(ownNames)]float64{up, took.Seconds(), float64(r.samples)} {
		r.append(&r.own[i], v)
	}
	s.figures.tell(s.log, "keep", r.commit())
	s.gathered.Store(&Gathering{At: began, Took: took, Err: err})
	s.figures.took.Set(s.now().Sub(began).Seconds())
}

// Gathering is how the registry answered.
type Gathering struct {
	At   time.Time
	Took time.Duration
	Err  error
}

// Gathered is how the registry answered the last time; zero before the first.
func (s *Store) Gathered() Gathering {
	if last := s.gathered.Load(); last != nil {
		return *last
	}
	return Gathering{}
}

// end marks all series as gone, since nobody gathers them any more.
func (s *Store) end(r *round) {
	r.begin(s.db.Load(), s.now())
	r.forget(func(*metric) bool { return true })
	for i := range r.own {
		r.stale(&r.own[i])
	}
	s.figures.tell(s.log, "keep", r.commit())
}

func (r *round) begin(db *tsdb.DB, at time.Time) {
	r.number++
	r.at, r.samples = at.UnixMilli(), 0
	r.app = db.Appender(context.Background())
	if r.store.sent != nil {
		r.sent = r.store.sent.Appender(context.Background())
	}
	r.left = r.store.options.SeriesMax - int(db.Head().NumSeries())
}

func (r *round) commit() error {
	for reason, n := range r.dropped {
		r.store.figures.dropped.WithLabelValues(reason).Add(float64(n))
	}
	clear(r.dropped)
	r.store.figures.samples.Add(float64(r.samples))
	if err := r.app.Commit(); err != nil {
		return fmt.Errorf("write the samples: %w", err)
	}
	if r.sent != nil {
		_ = r.sent.Commit()
	}
	if !r.alone {
		r.alone = true
		return r.store.endOrphans(r.at)
	}
	return nil
}

func (r *round) family(f *dto.MetricFamily) {
	metrics := r.families[f.GetName()]
	if metrics == nil {
		metrics = map[string]*metric{}
		r.families[f.GetName()] = metrics
	}
	for _, m := range f.Metric {
		known := r.metric(metrics, f, m)
		if known == nil {
			r.dropped[tooMany]++
			continue
		}
		known.round = r.number
		r.sample(known.series, f.GetType(), m)
	}
}

// sample appends what a metric is now, to the series that newMetric made.
func (r *round) sample(to []*series, kind dto.MetricType, m *dto.Metric) {
	if at := r.at; m.GetTimestampMs() != 0 {
		r.at = m.GetTimestampMs()
		defer func() { r.at = at }()
	}
	switch kind {
	case dto.MetricType_COUNTER:
		r.append(to[0], m.GetCounter().GetValue())
		r.exemplar(to[0], m.GetCounter().GetExemplar())
	case dto.MetricType_GAUGE:
		r.append(to[0], m.GetGauge().GetValue())
	case dto.MetricType_SUMMARY:
		for i, q := range m.GetSummary().GetQuantile() {
			r.append(to[i], q.GetValue())
		}
		r.append(to[len(to)-2], m.GetSummary().GetSampleSum())
		r.append(to[len(to)-1], float64(m.GetSummary().GetSampleCount()))
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		r.histogram(to, m.GetHistogram(), kind == dto.MetricType_GAUGE_HISTOGRAM)
	default:
		r.append(to[0], m.GetUntyped().GetValue())
	}
}

// append keeps a number. What the database refuses is counted.
func (r *round) append(to *series, v float64) {
	ref, err := r.app.Append(to.ref, to.labels, r.at, v)
	r.kept(to, ref, err)
}

func (r *round) appendHistogram(to *series, h *histogram.Histogram, fh *histogram.FloatHistogram) {
	ref, err := r.app.AppendHistogram(to.ref, to.labels, r.at, h, fh)
	r.kept(to, ref, err)
}

func (r *round) kept(to *series, ref storage.SeriesRef, err error) {
	if err != nil {
		r.dropped[refusal(err)]++
		return
	}
	to.ref = ref
	r.samples++
	if r.sent != nil {
		_, _ = r.sent.Append(0, to.labels, r.at, 0) // it only counts
	}
}

func refusal(err error) string {
	switch {
	case errors.Is(err, storage.ErrOutOfOrderSample), errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds):
		return tooOld
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return duplicate
	}
	return invalid
}

// forget marks the series of the metrics that are gone, so that queries do not
// find them for five more minutes.
func (r *round) forget(gone func(*metric) bool) {
	for name, metrics := range r.families {
		for key, m := range metrics {
			if gone(m) {
				delete(metrics, key)
				r.staleAll(m.series)
			}
		}
		if len(metrics) == 0 {
			delete(r.families, name)
		}
	}
}

func (r *round) staleAll(all []*series) {
	for _, s := range all {
		r.stale(s)
	}
}

func (r *round) stale(s *series) {
	gone := math.Float64frombits(value.StaleNaN)
	if s.native {
		r.appendHistogram(s, &histogram.Histogram{Sum: gone}, nil)
		return
	}
	r.append(s, gone)
}
