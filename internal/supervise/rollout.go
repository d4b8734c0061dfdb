package supervise

import "time"

// rollout follows whether a service gets closer to its current revision.
type rollout struct {
	state      RolloutState
	why        string
	progressAt time.Time

	// The best so far: counting only what exceeds it keeps a replica that comes and goes from looking like progress.
	fresh, available, old int
}

// headcount counts the replicas of a service as a rollout sees them.
type headcount struct {
	wanted    int
	fresh     int // of the current revision, not being stopped
	available int // of these
	old       int // of other revisions, being stopped or not
}

func newRollout(now time.Time, h headcount) rollout {
	return rollout{state: RolloutProgressing, progressAt: now, fresh: h.fresh, available: h.available, old: h.old}
}

// observe takes the counts at a time and returns what became of the rollout, empty when nothing did.
func (r *rollout) observe(now time.Time, deadline time.Duration, h headcount) EventKind {
	if r.state == RolloutComplete {
		return ""
	}
	if h.available >= h.wanted && h.old == 0 {
		r.state, r.why = RolloutComplete, ""
		return EventRolloutComplete
	}
	if h.fresh > r.fresh || h.available > r.available || h.old < r.old {
		r.fresh, r.available, r.old = max(r.fresh, h.fresh), max(r.available, h.available), min(r.old, h.old)
		r.progressAt = now
		if r.state == RolloutStalled {
			r.state, r.why = RolloutProgressing, ""
			return EventRolloutResumed
		}
	}
	if r.state == RolloutProgressing && now.Sub(r.progressAt) >= deadline {
		r.state = RolloutStalled
		return EventRolloutStalled
	}
	return ""
}
