package signal

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// TestDurationsCountAsPrometheusDoes observes the same as a histogram of
// client_golang, bounds of buckets and what is beside them included.
func TestDurationsCountAsPrometheusDoes(t *testing.T) {
	theirs := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "d", Buckets: classicBounds, NativeHistogramBucketFactor: 1.1, NativeHistogramZeroThreshold: math.SmallestNonzeroFloat64,
	})
	ours := newDurationsVec("d", "")
	observe := func(d time.Duration) {
		theirs.Observe(d.Seconds())
		ours.with().observe(d)
	}
	for i := nativeFirst + 1; i < nativeLast; i++ {
		bound := time.Duration(math.Exp2(float64(i)/8) * 1e9)
		observe(bound)
		observe(bound + 1)
	}
	for _, bound := range classicBounds {
		for off := time.Duration(-1); off <= 1; off++ {
			observe(time.Duration(math.Round(bound*1e9)) + off)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		observe(time.Duration(math.Exp2(10+random.Float64()*31)) + 1) // 1 µs to 36 min
	}
	got, want := written(t, ours.with()), written(t, theirs)
	if diff := cmp.Diff(counts(want), counts(got)); diff != "" {
		t.Errorf("native: client_golang -, Afloat +:\n%s", diff)
	}
	for i, b := range want.Bucket {
		if n := got.Bucket[i].GetCumulativeCount(); n != b.GetCumulativeCount() {
			t.Errorf("le=%v: got %d, want %d", b.GetUpperBound(), n, b.GetCumulativeCount())
		}
	}
	if got.GetSampleCount() != want.GetSampleCount() || math.Abs(got.GetSampleSum()/want.GetSampleSum()-1) > 1e-6 || got.GetSchema() != want.GetSchema() {
		t.Errorf("got %d, %v, schema %d; want %d, %v, schema %d", got.GetSampleCount(), got.GetSampleSum(), got.GetSchema(),
			want.GetSampleCount(), want.GetSampleSum(), want.GetSchema())
	}
}

func TestDurationsOfAnyLengthAreCounted(t *testing.T) {
	d := newDurationsVec("d", "")
	for _, took := range []time.Duration{-1, 0, 1, time.Microsecond, 2 * time.Hour, math.MaxInt64} {
		d.with().observe(took)
	}
	h := written(t, d.with())
	if h.GetSampleCount() != 6 || h.Bucket[len(h.Bucket)-1].GetCumulativeCount() != 4 {
		t.Errorf("got %v", h)
	}
}

func written(t *testing.T, m prometheus.Metric) *dto.Histogram {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Histogram
}

// counts are a native histogram's, by the number of the bucket.
func counts(h *dto.Histogram) map[int32]int64 {
	out := map[int32]int64{}
	bucket, count, next := int32(0), int64(0), 0
	for _, span := range h.PositiveSpan {
		bucket += span.GetOffset()
		for range span.GetLength() {
			count += h.PositiveDelta[next]
			next++
			if count > 0 {
				out[bucket] = count
			}
			bucket++
		}
	}
	return out
}

// TestExemplarsAreOfTracesThatAreKept: one a second, and those that took twice
// as long.
func TestExemplarsAreOfTracesThatAreKept(t *testing.T) {
	m := NewMetrics(MetricsConfig{Traced: func(r *gateway.Record) bool { return r.Trace.Sampled || r.Failed() }})
	route := m.Route("r", "s")
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tell := func(trace byte, sampled bool, after, took time.Duration, status int) {
		r := &gateway.Record{Start: at.Add(after), Duration: took, Status: status, Tries: 1}
		if trace > 0 {
			r.Trace = gateway.TraceContext{TraceID: [16]byte{trace}, Sampled: sampled}
		}
		route.Request(r)
	}
	tell(0, true, 0, 2*time.Millisecond, 200)                    // has no trace
	tell(1, false, 0, 2*time.Millisecond, 200)                   // is not kept
	tell(2, true, 0, 3*time.Millisecond, 200)                    // the first
	tell(3, true, 10*time.Millisecond, 4*time.Millisecond, 200)  // too soon
	tell(4, true, 20*time.Millisecond, 40*time.Millisecond, 200) // much slower
	tell(5, false, 2*time.Second, 60*time.Second, 503)           // failed, beyond the last bucket
	tell(6, true, 10*time.Second, 700*time.Millisecond, 200)     // before the slow one ended
	tell(7, true, 70*time.Second, 7*time.Millisecond, 200)       // due
	got := ""
	for _, b := range written(t, route.(*requestMetrics).duration).Bucket {
		if b.Exemplar != nil {
			got += b.Exemplar.Label[0].GetValue()[:2] + " "
		}
	}
	if want := "02 07 04 05 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "afloat_request_duration_seconds" && !strings.Contains(f.String(), "trace_id") {
			t.Errorf("no exemplar in %v", f)
		}
	}
}
