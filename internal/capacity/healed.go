package capacity

import "time"

// Healthy says what counts as well again.
type Healthy struct {
	// Window is the length over which failures and p99 are taken, a whole
	// number of ticks. Default 250 ms.
	Window time.Duration
	// For is how long every window must stay good. Default 2 s.
	For time.Duration
	// FailureMax is the greatest share of failures, 0 to 1. Default 0.
	FailureMax float64
	// ShedFails makes a shed request count as a failure.
	ShedFails bool
	// P99Max is the greatest p99 of [Stats.Latency]; 0 sets no limit. In a
	// window of fewer than 100 requests the p99 is their maximum.
	P99Max time.Duration
}

// HealedAfter returns how long after a moment requests were well again: the
// time until the first tick from which every window stayed good for as long as
// asked. Its resolution is one [Tick], and it rounds up. It is 0 if nothing was
// ever wrong. It reports false while that is not
// known (too little time has passed, or requests that decide it are pending),
// if no such time came, or if the timeline no longer reaches back to then. A
// window without requests is good, but some request must have been seen.
func (r *Recorder) HealedAfter(then time.Time, h Healthy) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ticks.reach(r.tickOf(time.Now()))
	first := r.tickOf(then)
	if first < r.ticks.begin() {
		return 0, false
	}
	j := judge{Healthy: h, ticks: &r.ticks, known: make(map[int]windowVerdict)}
	j.window = max(int(defaultTo(h.Window, 250*time.Millisecond)/Tick), 1)
	j.windows = max(int(defaultTo(h.For, 2*time.Second)/Tick)/j.window, 1)
	// The newest tick still fills and is left out.
	for start := first; start+j.windows*j.window < r.ticks.end; start++ {
		switch j.from(start) {
		case unknown:
			return 0, false
		case good:
			at := r.start.Add(time.Duration(start) * Tick)
			return max(at.Sub(then), 0), true
		}
	}
	return 0, false
}

type verdict int

const (
	bad verdict = iota
	good
	unknown // requests that decide it are pending
)

// A judge decides whether requests were well from a tick on. It remembers its
// windows, for most take part in the verdict on several starts.
type judge struct {
	Healthy
	ticks   *timeline
	window  int // in ticks
	windows int
	known   map[int]windowVerdict // by first tick
}

type windowVerdict struct {
	verdict  verdict
	requests uint64
}

// from judges the consecutive windows that begin at a tick.
func (j *judge) from(start int) verdict {
	result, requests := good, uint64(0)
	for i := range j.windows {
		w := j.at(start + i*j.window)
		if w.verdict == bad {
			return bad
		}
		if w.verdict == unknown {
			result = unknown
		}
		requests += w.requests
	}
	if requests == 0 {
		return bad
	}
	return result
}

// at judges the one window that begins at a tick.
func (j *judge) at(first int) windowVerdict {
	if w, found := j.known[first]; found {
		return w
	}
	s := j.ticks.merged(first, first+j.window).stats(time.Time{}, 0)
	failures := s.FailureShare()
	if j.ShedFails {
		failures += s.ShedShare()
	}
	w := windowVerdict{verdict: good, requests: s.Requests}
	switch {
	case s.Pending > 0:
		w.verdict = unknown
	case failures > j.FailureMax, j.P99Max > 0 && s.Latency.P99 > j.P99Max:
		w.verdict = bad
	}
	j.known[first] = w
	return w
}

func defaultTo(d, standard time.Duration) time.Duration {
	if d <= 0 {
		return standard
	}
	return d
}
