package policy

import (
	"math"
	"time"
)

// gradient is the estimator of [Adaptive]: a hybrid of TCP Vegas and of
// Netflix's gradient limit (concurrency-limits, 2018).
//
// Samples are gathered in windows of about two round trips. After each window
// the limit is scaled by how much slower than its baseline the callee has
// become, and raised by a small allowance, so that it always probes upward:
//
//	limit = limit x min(tolerable / rtt, 1) + √limit
//
// Tolerable is the tolerance times the baseline, and at least the slack more
// than it: a callee that answers in microseconds is not overloaded because an
// answer took a millisecond.
//
// It changes only while it is being used, so an idle limit neither grows nor
// shrinks. The baseline is measured in dips: see [dip].
type gradient struct {
	least, most   float64
	limit         float64
	baseline, rtt float64 // in nanoseconds; 0 when not known
	variance      float64 // of single calls, smoothed
	why           string
	steady        bool // has met congestion: it no longer grows in leaps
	seen          int  // calls that have told how long calls take
	acquainted    int  // how many of them make the first baseline
	vegas         bool // follows Vegas's rule instead

	window samples
	dip    dip
}

const (
	// tolerance times the baseline is not yet congestion. It keeps about a
	// third more calls under way than the callee works on at once, so that
	// none of its workers runs dry between two calls.
	tolerance = 1.3
	// slack is how much slower than the baseline calls may always be: less
	// than anybody notices, and more than a busy scheduler adds.
	slack = float64(10 * time.Millisecond)
	// acquaintedMost is how many calls it takes to know a callee's first
	// baseline, acquaintedEach for each that the first limit allows at once: a
	// limit of one must not last for hundreds of round trips.
	acquaintedMost, acquaintedLeast, acquaintedEach = 300, 30, 15
	// shrinkMost is the most that one window shrinks the limit.
	shrinkMost = 0.5
	// growLeap is how the limit grows until it first meets congestion.
	growLeap = 1.5
	// usedLeast is the share of the limit that must be in flight for it to
	// change, and roomMost how far above what is in flight it may grow.
	usedLeast, roomMost = 0.5, 1.25
	// timeoutCut is how a window shrinks the limit in which at least
	// timeoutShare of the calls failed after a long time.
	timeoutCut, timeoutShare = 0.7, 0.1
	// driftRate is how fast the baseline follows calls that take longer
	// although the limit is not to blame.
	driftRate = 0.1
	// sinkRate is how fast the baseline follows calls that take less: one lucky
	// window must not make a slow callee of a fast one.
	sinkRate = 0.6
	// varianceRate is how fast the smoothed variance follows a window's.
	varianceRate = 0.1
)

func newGradient(initial int) *gradient {
	return &gradient{limit: float64(initial), why: "nothing is learned yet",
		acquainted: min(max(acquaintedEach*initial, acquaintedLeast), acquaintedMost)}
}

func (g *gradient) Bound(least, most int) {
	g.least, g.most = float64(least), float64(most)
	g.limit = g.bounded(g.limit)
}

func (g *gradient) bounded(limit float64) float64 { return min(max(limit, g.least), g.most) }

func (g *gradient) Estimate() AdaptiveEstimate {
	e := AdaptiveEstimate{int(math.Round(g.limit)), time.Duration(g.baseline), time.Duration(g.rtt), g.why, false}
	if g.dip.stage != noDip {
		e.Limit, e.Why, e.Passing = int(g.dip.limit), "it is low for a moment to measure the baseline", true
	}
	return e
}

func (g *gradient) Observe(s AdaptiveSample) bool {
	if g.dip.waits(s, g.rtt) {
		g.window = samples{began: s.End}
		return false
	}
	g.window.add(s, g.tolerable())
	if !g.window.complete(s.End, g.variance) {
		return false
	}
	w := g.window
	g.window = samples{began: s.End}
	if g.dip.stage == measuring {
		g.endDip(&w, s.End)
	} else {
		g.adjust(&w, s.End)
	}
	return true
}

// adjust moves the limit and the baseline after a window.
func (g *gradient) adjust(w *samples, t time.Duration) {
	used := float64(w.peak) > usedLeast*g.limit
	if used && w.timeouts > 0 && float64(w.timeouts) >= timeoutShare*float64(w.timeouts+w.count) {
		g.limit, g.why, g.steady = g.bounded(g.limit*timeoutCut), "calls time out, so it shrinks", true
		return
	}
	if w.count < samplesMin {
		return
	}
	mean, doubt := w.mean(), g.doubt(w)
	g.rtt = mean
	if g.seen < g.acquainted {
		g.seen += w.count
		// Too few to tell a slow callee from rare slow calls: all of them make
		// the first baseline, and the limit waits for it.
		g.baseline += (mean - g.baseline) * float64(w.count) / float64(g.seen)
		return
	}
	switch {
	case mean+2*doubt < g.baseline:
		if mean+2*doubt < surprise*g.baseline {
			g.dip.next = min(g.dip.next, t+dipSoon) // the callee itself has changed
			g.variance = w.variance()
		}
		g.baseline += (mean + 2*doubt - g.baseline) * sinkRate
	case !used, g.limit <= g.least:
		g.baseline += (mean - g.baseline) * driftRate // not our doing
		g.dip.next = t + dipEvery
	}
	if !used {
		g.why = "not all of it is used, so it stays"
		return
	}
	g.follow(mean-doubt, float64(w.peak))
	worthIt := mean > g.baseline+slack && g.limit > g.least // else a truer baseline changes nothing
	if g.dip.due(t, mean-2*doubt > 2*g.baseline) && worthIt {
		g.beginDip(t)
	}
}

// tolerable is how long calls may take without being taken for congested; 0
// before a baseline is known.
func (g *gradient) tolerable() float64 {
	if g.baseline == 0 {
		return 0
	}
	return max(tolerance*g.baseline, g.baseline+slack)
}

// follow moves the limit to where the round-trip time says it should be.
func (g *gradient) follow(rtt, peak float64) {
	slope, next := g.gradient(rtt)
	if g.vegas {
		slope, next = g.queueing(rtt)
	}
	room := roomAbove(peak, roomMost)
	if slope < 1 {
		g.steady = true
	} else if !g.steady {
		next, room = growLeap*g.limit, roomAbove(peak, growLeap)
	}
	next = g.bounded(min(next, max(room, g.limit)))
	switch {
	case next > g.limit:
		g.why = "calls are fast, so it grows"
	case next < g.limit:
		g.why = "calls have become slow, so it shrinks"
	}
	g.limit = next
}

// roomAbove is how far a limit may grow of which peak was used: at least to one
// more, or it would never leave one.
func roomAbove(peak, share float64) float64 { return max(share*peak, peak+1) }

// gradient is how much less the callee can serve than now, and the limit that
// follows.
func (g *gradient) gradient(rtt float64) (slope, limit float64) {
	slope = min(max(g.tolerable()/max(rtt, 1), shrinkMost), 1)
	return slope, g.limit*slope + math.Sqrt(g.limit)
}

// doubt is the standard error of a window's mean. A few calls seldom show how
// long the rare ones are, so the variance is at least that of late.
func (g *gradient) doubt(w *samples) float64 {
	g.variance += (w.variance() - g.variance) * varianceRate
	return max(w.doubt(), math.Sqrt(g.variance/float64(w.count)))
}
