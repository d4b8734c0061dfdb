package signal

import (
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// durationsVec are the durations of all labels, as a collector.
type durationsVec struct {
	desc  *prometheus.Desc
	names []string

	mu  sync.Mutex // guards what follows
	all map[string]*durationSeries
}

// durationSeries are the durations of one set of labels.
type durationSeries struct {
	durations
	desc   *prometheus.Desc
	labels []*dto.LabelPair
}

func newDurationsVec(name, help string, labels ...string) *durationsVec {
	return &durationsVec{desc: desc(name, help, labels...), names: labels, all: map[string]*durationSeries{}}
}

// labelSeparator is no byte of UTF-8.
const labelSeparator = "\xff"

// with returns the durations of labels, which are made when first asked for.
func (v *durationsVec) with(labels ...string) *durationSeries {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := strings.Join(labels, labelSeparator)
	s := v.all[key]
	if s == nil {
		s = &durationSeries{desc: v.desc}
		for i, value := range labels {
			s.labels = append(s.labels, &dto.LabelPair{Name: &v.names[i], Value: &value})
		}
		slices.SortFunc(s.labels, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
		v.all[key] = s
	}
	return s
}

// remove forgets the durations of labels.
func (v *durationsVec) remove(labels ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.all, strings.Join(labels, labelSeparator))
}

// Describe is part of [prometheus.Collector].
func (v *durationsVec) Describe(ch chan<- *prometheus.Desc) { ch <- v.desc }

// Collect is part of [prometheus.Collector].
func (v *durationsVec) Collect(ch chan<- prometheus.Metric) {
	v.mu.Lock()
	all := make([]*durationSeries, 0, len(v.all))
	for _, s := range v.all {
		all = append(all, s)
	}
	v.mu.Unlock()
	for _, s := range all { // whoever takes them may be slow
		ch <- s
	}
}

// Desc is part of [prometheus.Metric].
func (s *durationSeries) Desc() *prometheus.Desc { return s.desc }

// Write is part of [prometheus.Metric]. It gives classic buckets for every
// Prometheus, and native ones for those that ask for protobuf.
func (s *durationSeries) Write(out *dto.Metric) error {
	var native [nativeCount]uint64
	var classic [len(classicCounts{})]uint64
	total := uint64(0)
	for i := range s.cells {
		n := s.cells[i].Load()
		native[cellNative[i]] += n
		classic[cellClassic[i]] += n
		total += n
	}
	sum := float64(s.sum.Load()) / 1e9
	schema, threshold, zero := int32(nativeSchema), 0.0, uint64(0)
	h := &dto.Histogram{SampleCount: &total, SampleSum: &sum, Schema: &schema, ZeroThreshold: &threshold, ZeroCount: &zero}
	h.Bucket = make([]*dto.Bucket, len(classicBounds))
	below := uint64(0)
	for i := range classicBounds {
		below += classic[i]
		h.Bucket[i] = &dto.Bucket{CumulativeCount: ptr(below), UpperBound: &classicBounds[i]}
	}
	h.PositiveSpan, h.PositiveDelta = spansOf(&native)
	s.exemplars.write(h)
	out.Label, out.Histogram = s.labels, h
	return nil
}

// classicCounts are the classic buckets, and that for the rest.
type classicCounts [15]struct{}

func ptr[T any](v T) *T { return &v }

// spansOf writes counts as native histograms do: runs of buckets, and each
// count as the difference to the one before. Gaps of up to two are filled, since
// another run costs as much. Without any there is one empty run, which says that
// the histogram is native.
func spansOf(counts *[nativeCount]uint64) (spans []*dto.BucketSpan, deltas []int64) {
	const gapMax = 2
	end, before := 0, int64(0) // of the run
	for i, n := range counts {
		if n == 0 {
			continue
		}
		if len(spans) == 0 || i-end > gapMax {
			offset := int32(i - end)
			if len(spans) == 0 {
				offset = int32(i + nativeFirst)
			}
			spans = append(spans, &dto.BucketSpan{Offset: &offset, Length: new(uint32)})
			end = i
		}
		for ; end <= i; end++ {
			deltas = append(deltas, int64(counts[end])-before)
			before = int64(counts[end])
			*spans[len(spans)-1].Length++
		}
	}
	if len(spans) == 0 {
		spans = []*dto.BucketSpan{{Offset: new(int32), Length: new(uint32)}}
	}
	return spans, deltas
}
