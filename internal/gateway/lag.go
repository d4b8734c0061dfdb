package gateway

import (
	"context"
	"math"
	"runtime/metrics"
	"slices"
	"sync/atomic"
	"time"
)

// lag measures how late Afloat itself is: how long its goroutines wait for a
// processor although they could run. That time is in every latency that the
// gateway measures, and it is no endpoint's fault.
type lag struct{ now atomic.Int64 }

const (
	// lagInterval is how often the lag is measured anew.
	lagInterval = 50 * time.Millisecond
	// lagKept is how many measurements the largest is taken of: a gap between
	// two busy moments is not an end.
	lagKept = 4
	// lagQuantile of the goroutines waited at most for what counts as the lag.
	lagQuantile = 0.9
)

// current is the lag of the last moments. An answer that came while others were
// served waits twice: until the poller looks, and then for its turn.
func (l *lag) current() time.Duration { return time.Duration(2 * l.now.Load()) }

// watch measures until ctx ends.
func (l *lag) watch(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return // a runtime that does not tell: the lag stays 0
	}
	tick := time.NewTicker(lagInterval)
	defer tick.Stop()
	var before []uint64
	var kept [lagKept]time.Duration
	for i := 0; ; i++ {
		h := sample[0].Value.Float64Histogram()
		kept[i%lagKept] = quantileSince(before, h, lagQuantile)
		l.now.Store(int64(slices.Max(kept[:])))
		before = append(before[:0], h.Counts...)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
	}
}

// quantileSince is a quantile of what a histogram counted since its counts were
// as before; 0 when that was nothing, or before is empty.
func quantileSince(before []uint64, h *metrics.Float64Histogram, q float64) time.Duration {
	if len(before) != len(h.Counts) {
		return 0
	}
	var total uint64
	for i, n := range h.Counts {
		total += n - before[i]
	}
	rank := uint64(math.Ceil(q * float64(total)))
	var seen uint64
	for i, n := range h.Counts {
		if seen += n - before[i]; seen >= rank && rank > 0 {
			lower := max(h.Buckets[i], 0) // the first bucket begins at -Inf
			return time.Duration(lower * float64(time.Second))
		}
	}
	return 0
}
