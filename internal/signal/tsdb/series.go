package tsdb

import (
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// metric is one set of labels of a metric: a single series, or those of a
// histogram or a summary.
type metric struct {
	round  uint64
	bounds []float64 // of the buckets, or the quantiles
	series []*series
}

// series is one that the database knows by a number.
type series struct {
	ref    storage.SeriesRef
	labels labels.Labels
	native bool // a native histogram
}

// metric finds the series of a metric, or makes them; nil where there would be
// too many.
func (r *round) metric(known map[string]*metric, f *dto.MetricFamily, m *dto.Metric) *metric {
	r.key = r.key[:0]
	for _, pair := range m.Label {
		r.key = append(append(r.key, pair.GetName()...), 0xff) // no byte of UTF-8
		r.key = append(append(r.key, pair.GetValue()...), 0xff)
	}
	found := known[string(r.key)]
	if found != nil && found.fits(m) {
		return found
	}
	if found != nil {
		delete(known, string(r.key))
		r.staleAll(found.series)
	}
	made := r.newMetric(f, m)
	if len(made.series) > r.left {
		return nil
	}
	r.left -= len(made.series)
	known[string(r.key)] = made
	return made
}

// fits tells whether a metric has the buckets or the quantiles that it had, and
// is native if it was.
func (known *metric) fits(m *dto.Metric) bool {
	switch h, s := m.GetHistogram(), m.GetSummary(); {
	case h != nil:
		buckets := finite(h)
		return native(h) == known.series[0].native && slices.EqualFunc(known.bounds, buckets,
			func(bound float64, b *dto.Bucket) bool { return bound == b.GetUpperBound() })
	case s != nil:
		return slices.EqualFunc(known.bounds, s.Quantile,
			func(bound float64, q *dto.Quantile) bool { return bound == q.GetQuantile() })
	}
	return true
}

// newMetric makes the series of a metric, in the order in which sample appends
// them.
func (r *round) newMetric(f *dto.MetricFamily, m *dto.Metric) *metric {
	made := &metric{}
	add := func(suffix string, more ...string) *series {
		s := &series{labels: r.labels(f.GetName()+suffix, m.Label, more...)}
		made.series = append(made.series, s)
		return s
	}
	switch f.GetType() {
	case dto.MetricType_SUMMARY:
		for _, q := range m.GetSummary().GetQuantile() {
			made.bounds = append(made.bounds, q.GetQuantile())
			add("", model.QuantileLabel, labels.FormatOpenMetricsFloat(q.GetQuantile()))
		}
		add("_sum")
		add("_count")
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		if native(m.GetHistogram()) {
			add("").native = true
		}
		for _, b := range finite(m.GetHistogram()) {
			made.bounds = append(made.bounds, b.GetUpperBound())
			add("_bucket", labels.BucketLabel, labels.FormatOpenMetricsFloat(b.GetUpperBound()))
		}
		add("_bucket", labels.BucketLabel, "+Inf")
		add("_sum")
		add("_count")
	default:
		add("")
	}
	return made
}

// labels are a metric's, those of the store, and more; the metric's win.
func (r *round) labels(name string, own []*dto.LabelPair, more ...string) labels.Labels {
	b := labels.NewBuilder(r.store.labels)
	for _, pair := range own {
		b.Set(pair.GetName(), pair.GetValue())
	}
	for i := 0; i < len(more); i += 2 {
		b.Set(more[i], more[i+1])
	}
	return b.Set(model.MetricNameLabel, name).Labels()
}

// finite are the buckets but that for the rest, which is there only at times.
func finite(h *dto.Histogram) []*dto.Bucket {
	n := len(h.GetBucket())
	if n > 0 && math.IsInf(h.Bucket[n-1].GetUpperBound(), 1) {
		n--
	}
	return h.GetBucket()[:n]
}

// native tells whether a histogram has native buckets. One without observations
// has an empty span to say so.
func native(h *dto.Histogram) bool {
	return len(h.GetPositiveSpan()) > 0 || len(h.GetNegativeSpan()) > 0 || h.GetZeroThreshold() > 0 || h.GetZeroCount() > 0
}
