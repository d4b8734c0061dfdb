package gateway

import (
	"math"
	"runtime/metrics"
	"testing"
	"time"
)

func TestLagIsAQuantileOfWhatIsNew(t *testing.T) {
	h := &metrics.Float64Histogram{
		Buckets: []float64{math.Inf(-1), 0, 0.001, 0.010, math.Inf(1)},
		Counts:  []uint64{0, 100, 95, 5},
	}
	for _, c := range []struct {
		name   string
		before []uint64
		want   time.Duration
	}{
		{"nothing known before", nil, 0},
		{"nothing new", []uint64{0, 100, 95, 5}, 0},
		{"all of it", []uint64{0, 0, 0, 0}, time.Millisecond},
		{"the slow ones", []uint64{0, 100, 95, 0}, 10 * time.Millisecond},
		{"the quick ones", []uint64{0, 0, 95, 5}, 0},
	} {
		if got := quantileSince(c.before, h, 0.9); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestLagShowsWhenTheProcessorsAreTaken(t *testing.T) {
	l := new(lag)
	go l.watch(t.Context())
	stop := make(chan struct{})
	defer close(stop)
	for range 200 { // far more than any machine has processors
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					time.Sleep(0)
				}
			}
		}()
	}
	eventually(t, "a lag is seen", func() bool { return l.current() > 0 })
}
