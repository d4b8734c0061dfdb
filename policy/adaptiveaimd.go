package policy

import (
	"math"
	"time"
)

// aimd is the estimator that grows the limit by a little after each window of
// calls and cuts it when they are congested: additive increase, multiplicative
// decrease (D. Chiu and R. Jain, 1989). Congested means that calls take longer
// than a fixed time, or fail after it.
//
// Like [gradient], it changes only while it is being used.
type aimd struct {
	least, most float64
	limit       float64
	latencyMax  float64 // in nanoseconds
	rtt         float64
	why         string

	window samples
}

const (
	// aimdCut is what a congested window leaves of the limit.
	aimdCut = 0.8
	// aimdStep is what another window adds to it.
	aimdStep = 1
)

func newAIMD(limit int, latencyMax time.Duration) *aimd {
	return &aimd{limit: float64(limit), latencyMax: float64(latencyMax), why: "nothing is learned yet"}
}

func (a *aimd) Bound(least, most int) {
	a.least, a.most = float64(least), float64(most)
	a.limit = a.bounded(a.limit)
}

func (a *aimd) bounded(limit float64) float64 { return min(max(limit, a.least), a.most) }

func (a *aimd) Estimate() AdaptiveEstimate {
	return AdaptiveEstimate{Limit: int(math.Round(a.limit)), RTT: time.Duration(a.rtt), Why: a.why}
}

func (a *aimd) Observe(s AdaptiveSample) bool {
	a.window.add(s, a.latencyMax/2) // a failure counts from twice that on
	if !a.window.complete(s.End, 0) {
		return false
	}
	w := a.window
	a.window = samples{began: s.End}
	a.adjust(&w)
	return true
}

func (a *aimd) adjust(w *samples) {
	timeouts := float64(w.timeouts) >= timeoutShare*float64(w.timeouts+w.count)
	if w.count > 0 {
		a.rtt = w.mean()
	}
	switch {
	case float64(w.peak) <= usedLeast*a.limit:
		a.why = "not all of it is used, so it stays"
	case w.timeouts > 0 && timeouts:
		a.limit, a.why = a.bounded(a.limit*aimdCut), "calls time out, so it shrinks"
	case a.rtt > a.latencyMax:
		a.limit, a.why = a.bounded(a.limit*aimdCut), "calls take too long, so it shrinks"
	default:
		a.limit, a.why = a.bounded(min(a.limit+aimdStep, max(roomAbove(float64(w.peak), roomMost), a.limit))), "calls are fast enough, so it grows"
	}
}
