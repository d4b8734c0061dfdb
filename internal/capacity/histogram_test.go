package capacity

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramQuantileIsAtMostOneThirtySecondTooHigh(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []time.Duration
	for range 5000 {
		d := time.Duration(random.ExpFloat64() * float64(30*time.Millisecond)).Truncate(time.Microsecond)
		h.record(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		exact := all[int(q*float64(len(all))+0.999999)-1]
		got := h.quantile(q)
		if got < exact || got > exact+exact/32+time.Microsecond {
			t.Errorf("quantile %v = %v, exact %v", q, got, exact)
		}
	}
	if h.max != all[len(all)-1] || h.quantile(1) != h.max {
		t.Errorf("max = %v, quantile 1 = %v, want %v", h.max, h.quantile(1), all[len(all)-1])
	}
}

func TestHistogramBucketsCoverEveryDuration(t *testing.T) {
	previous := uint16(0)
	for us := int64(0); us < 1<<40; us += us/100 + 1 {
		d := time.Duration(us) * time.Microsecond
		b := bucketOf(d)
		if b != previous && b != previous+1 {
			t.Fatalf("bucket of %v = %d after %d: a gap", d, b, previous)
		}
		if b < bucketsMax-1 && (upperEdge(b) <= d || b > 0 && upperEdge(b-1) > d) {
			t.Fatalf("bucket of %v = %d, between %v and %v", d, b, upperEdge(b-1), upperEdge(b))
		}
		previous = b
	}
	if previous != bucketsMax-1 {
		t.Errorf("last bucket = %d, want %d", previous, bucketsMax-1)
	}
}

func TestHistogramMergeEqualsRecordingBoth(t *testing.T) {
	var a, b, both histogram
	for i := range 100 {
		d := time.Duration(i*i) * time.Millisecond
		both.record(d)
		if i%3 == 0 {
			a.record(d)
		} else {
			b.record(d)
		}
	}
	a.merge(&b)
	if a.count != both.count || a.quantiles() != both.quantiles() {
		t.Errorf("merged %d %+v, want %d %+v", a.count, a.quantiles(), both.count, both.quantiles())
	}
}

func TestHistogramEmptyIsZero(t *testing.T) {
	var h histogram
	if got := h.quantiles(); got != (Quantiles{}) {
		t.Errorf("quantiles of nothing = %+v", got)
	}
}
