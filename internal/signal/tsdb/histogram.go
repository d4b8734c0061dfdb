package tsdb

import (
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// histogram appends both forms of a histogram: the native one, if it has that,
// and the classic buckets that rules and dashboards of all ages ask for.
func (r *round) histogram(to []*series, h *dto.Histogram, gauge bool) {
	if to[0].native {
		r.native(to[0], h, gauge)
		to = to[1:]
	}
	buckets := finite(h)
	for i, b := range buckets {
		r.append(to[i], cumulative(b))
		r.exemplar(to[i], b.GetExemplar())
	}
	rest := to[len(buckets):]
	r.append(rest[0], observations(h))
	if len(h.Bucket) > len(buckets) {
		r.exemplar(rest[0], h.Bucket[len(buckets)].GetExemplar())
	}
	r.append(rest[1], h.GetSampleSum())
	r.append(rest[2], observations(h))
}

// cumulative and observations are counts that are whole, or those of a
// histogram of floats.
func cumulative(b *dto.Bucket) float64 {
	if v := b.GetCumulativeCountFloat(); v > 0 {
		return v
	}
	return float64(b.GetCumulativeCount())
}

func observations(h *dto.Histogram) float64 {
	if v := h.GetSampleCountFloat(); v > 0 {
		return v
	}
	return float64(h.GetSampleCount())
}

func (r *round) native(to *series, h *dto.Histogram, gauge bool) {
	hint := histogram.UnknownCounterReset
	if gauge {
		hint = histogram.GaugeType
	}
	if h.GetSampleCountFloat() > 0 || h.GetZeroCountFloat() > 0 {
		fh := &histogram.FloatHistogram{
			CounterResetHint: hint, Schema: h.GetSchema(), Count: h.GetSampleCountFloat(), Sum: h.GetSampleSum(),
			ZeroThreshold: h.GetZeroThreshold(), ZeroCount: h.GetZeroCountFloat(),
			PositiveSpans: spans(h.PositiveSpan), PositiveBuckets: h.PositiveCount,
			NegativeSpans: spans(h.NegativeSpan), NegativeBuckets: h.NegativeCount,
		}
		r.appendHistogram(to, nil, fh.Compact(0))
	} else {
		whole := &histogram.Histogram{
			CounterResetHint: hint, Schema: h.GetSchema(), Count: h.GetSampleCount(), Sum: h.GetSampleSum(),
			ZeroThreshold: h.GetZeroThreshold(), ZeroCount: h.GetZeroCount(),
			PositiveSpans: spans(h.PositiveSpan), PositiveBuckets: h.PositiveDelta,
			NegativeSpans: spans(h.NegativeSpan), NegativeBuckets: h.NegativeDelta,
		}
		r.appendHistogram(to, whole.Compact(0), nil)
	}
	slices.SortFunc(h.Exemplars, func(a, b *dto.Exemplar) int { // the database takes no older one later
		return a.GetTimestamp().AsTime().Compare(b.GetTimestamp().AsTime())
	})
	for _, e := range h.Exemplars {
		r.exemplar(to, e)
	}
}

func spans(all []*dto.BucketSpan) []histogram.Span {
	out := make([]histogram.Span, len(all))
	for i, s := range all {
		out[i] = histogram.Span{Offset: s.GetOffset(), Length: s.GetLength()}
	}
	return out
}

// exemplar keeps an example of what was counted, with its trace. Most have been
// kept before, which the database sees by itself.
func (r *round) exemplar(to *series, e *dto.Exemplar) {
	if e == nil {
		return
	}
	b := labels.NewScratchBuilder(len(e.Label))
	for _, pair := range e.Label {
		b.Add(pair.GetName(), pair.GetValue())
	}
	b.Sort()
	kept := exemplar.Exemplar{Labels: b.Labels(), Value: e.GetValue(), Ts: r.at}
	if e.Timestamp != nil {
		kept.Ts, kept.HasTs = e.Timestamp.AsTime().UnixMilli(), true
	}
	if math.IsNaN(kept.Value) || to.ref == 0 {
		return
	}
	_, _ = r.app.AppendExemplar(to.ref, to.labels, kept) // one that is refused was kept before, or is older
}
