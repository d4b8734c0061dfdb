package policy

import (
	"math"
	"time"
)

// dip is a short time of a lower limit in which [gradient] measures its
// baseline. A baseline cannot be seen under a standing load, and one that is
// not measured again drifts upward with the load or outlives its truth.
//
//	       every dipEvery of use,                the calls above the
//	       or calls stay slow                    dip's limit ended
//	noDip ────────────────────────▶ draining ──────────────────────▶ settling
//	  ▲                                                                 │ a round trip
//	  └──────────────────────────── measuring ◀─────────────────────────┘
//
// The limit of the dip is somewhat less than what the callee works on at once,
// by Little's law: its own queue runs dry, it stays busy, and no traffic is
// stopped. TCP BBR's ProbeRTT and Envoy's minRTT window go down to almost
// nothing for the same purpose.
type dip struct {
	stage dipStage
	limit float64
	since time.Duration // of the stage
	next  time.Duration // when the next dip is due; 0 before the first use
	slow  int           // windows in a row in which calls were slow
}

type dipStage uint8

const (
	noDip     dipStage = iota
	draining           // more calls are running than the dip allows
	settling           // calls that began before are still ending
	measuring          // calls have the callee to themselves
)

const (
	// dipDepth is the dip's limit as a share of what the callee works on, and
	// dipDeepest as one of the limit: a stale baseline must not close the gate.
	dipDepth, dipDeepest = 0.75, 0.5
	// dipEvery is how long a measured baseline is good for.
	dipEvery = 5 * time.Second
	// dipSoon is when to measure again after a surprise.
	dipSoon = 500 * time.Millisecond
	// surprise is the share of the baseline below which a new one is one.
	surprise = 0.9
	// slowMost is how many windows in a row may be twice as slow as the
	// baseline before it is doubted.
	slowMost = 3
	// drainMost is for how many round trips to wait for the callee's queue.
	drainMost = 4
)

// due reports whether to begin a dip after a window of use.
func (d *dip) due(t time.Duration, slow bool) bool {
	if d.next == 0 {
		d.next = t + dipSoon
	}
	d.slow++
	if !slow {
		d.slow = 0
	}
	return t >= d.next || d.slow >= slowMost
}

// waits reports whether a dip has not come to its measuring yet, and moves it
// on when that is due.
func (d *dip) waits(s AdaptiveSample, rtt float64) bool {
	passed := float64(s.End - d.since)
	switch d.stage {
	case draining:
		if float64(s.InFlight) <= d.limit+1 || passed > drainMost*rtt {
			d.stage, d.since = settling, s.End
		}
		return true
	case settling:
		if passed > rtt {
			d.stage = measuring
		}
		return true
	}
	return false
}

func (g *gradient) beginDip(t time.Duration) {
	working := g.limit * min(g.baseline/g.rtt, 1)
	g.dip = dip{stage: draining, limit: g.bounded(math.Floor(max(dipDepth*working, dipDeepest*g.limit))), since: t}
}

func (g *gradient) endDip(w *samples, t time.Duration) {
	g.dip = dip{next: t + dipEvery}
	if w.count < samplesMin {
		return
	}
	mean := w.mean()
	if mean < surprise*g.baseline {
		g.dip.next = t + dipSoon // some of it may have been queueing still
	}
	if math.Abs(mean-g.baseline) > 2*w.doubt() {
		g.baseline = mean
	} else {
		g.baseline += (mean - g.baseline) / 2 // perhaps only chance
	}
}
