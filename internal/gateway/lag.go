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
type lag struct {
	now   atomic.Int64
	beat  atomic.Int64 // when it was last measured, in nanoseconds of clock; 0: it is not
	stood atomic.Int64 // until when Afloat last stood still, in nanoseconds of clock
}

const (
	// lagInterval is how often the lag is measured anew.
	lagInterval = 50 * time.Millisecond
	// lagKept is how many measurements the largest is taken of: a gap between
	// two busy moments is not an end.
	lagKept = 4
	// stallLeast is the delay from which on Afloat stood still: it was stopped,
	// or its machine was.
	stallLeast = 200 * time.Millisecond
	// lagQuantile of the goroutines waited at most for what counts as the lag.
	lagQuantile = 0.9
)

// current is the lag of the last moments. An answer that came while others were
// served waits twice: until the poller looks, and then for its turn.
func (l *lag) current() time.Duration { return time.Duration(2 * l.now.Load()) }

// stalledSince reports whether Afloat stood still since then: what took too long
// meanwhile may have been in time. Whoever wakes first after that may ask.
func (l *lag) stalledSince(start, now time.Time) bool {
	return l.stood.Load() > int64(start.Sub(clock)) || l.overdue(now.Sub(clock))
}

// overdue reports whether the next measurement ought to have come before now.
func (l *lag) overdue(now time.Duration) bool {
	beat := time.Duration(l.beat.Load())
	return beat != 0 && now-beat > lagInterval+stallLeast
}

// mark notes that Afloat runs, and that it stood still until now if it did.
func (l *lag) mark() {
	now := time.Since(clock)
	if l.overdue(now) {
		l.stood.Store(int64(now))
	}
	l.beat.Store(int64(max(now, 1)))
}

// watch measures until ctx ends.
func (l *lag) watch(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return // a runtime that does not tell: the lag stays 0
	}
	tick := time.NewTicker(lagInterval)
	defer tick.Stop()
	defer l.beat.Store(0)
	var before []uint64
	var kept [lagKept]time.Duration
	for i := 0; ; i++ {
		l.mark()
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
