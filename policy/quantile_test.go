package policy

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantileBucketsHoldTheirDurations(t *testing.T) {
	last := -1
	for d := time.Duration(0); d <= durationMax; d += 1 + d/100 {
		i := quantileBucket(d)
		if i < last || i >= quantileBuckets {
			t.Fatalf("%v is in bucket %d, after %d", d, i, last)
		}
		if up := quantileUpTo(i); up < d || float64(up-d) > float64(d)/quantileSteps {
			t.Fatalf("%v is in a bucket up to %v", d, up)
		}
		last = i
	}
}

func TestQuantileIsNearTheTruth(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for name, draw := range map[string]func() float64{
		"uniform":     rng.Float64,
		"exponential": rng.ExpFloat64,
		"log-normal":  func() float64 { return math.Exp(2 * rng.NormFloat64()) },
		"two modes":   func() float64 { return 1 + 50*math.Floor(1.1*rng.Float64()) + rng.Float64() },
	} {
		for _, share := range []float64{0.5, 0.9, 0.95, 0.99} {
			var q quantile
			var all []time.Duration
			for range 2 * quantileCalls {
				d := time.Duration(draw() * float64(time.Millisecond))
				all = append(all, d)
				q.add(d, share)
			}
			slices.Sort(all)
			want := all[int(math.Ceil(share*float64(len(all))))-1]
			if got := time.Duration(q.value.Load()); got < want || float64(got) > 1.07*float64(want)+1 {
				t.Errorf("%s, %v: got %v, want %v to 7%% more", name, share, got, want)
			}
		}
	}
}

func TestQuantileForgets(t *testing.T) {
	var q quantile
	for range quantileKnown - 1 {
		q.add(time.Second, 0.95)
	}
	if got := q.value.Load(); got != 0 {
		t.Errorf("%v after too few calls", time.Duration(got))
	}
	for range 3 * quantileCalls {
		q.add(time.Second, 0.95)
	}
	for range 2 * quantileCalls {
		q.add(time.Millisecond, 0.95)
	}
	if got := time.Duration(q.value.Load()); got > 1070*time.Microsecond {
		t.Errorf("%v long after calls became quick", got)
	}
}

func BenchmarkQuantile(b *testing.B) {
	var q quantile
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q.add(time.Duration(i%5000)*time.Microsecond, 0.95)
	}
}
