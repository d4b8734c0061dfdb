package rollout

import (
	"fmt"
	"math"
)

// abort gives the service back to the old version.
func (r *Release) abort(why string) {
	r.LeftAt = r.Phase
	r.enter(PhaseAborting, why)
	r.Paused, r.NewBest, r.OldLeft = false, 0, math.MaxInt
}

// goBack takes an abort on. It ends when the old version is whole and the new one
// gone, or where nobody gains by waiting for the former: because a further release
// waits, or the old version does not come back.
func (r *Release) goBack(v *View) {
	r.Back = r.Back || r.able(v)
	n, left := r.Old.Process.Replicas, v.New.most()
	if r.Stayed {
		left = v.Old.most()
	}
	switch gone := left+v.Baseline.most() == 0; {
	case gone && (r.Late || v.Old.sure() >= n):
		r.enter(PhaseAborted, r.Why)
	case gone && v.Next:
		r.enter(PhaseAborted, fmt.Sprintf("%s; the next release begins with %d of %d replicas of the old version", r.Why, v.Old.Available, n))
	case !r.Late && v.Now.Sub(r.MovedAt) >= r.Old.Process.Rolling.ProgressDeadline:
		r.giveUp(v)
	}
}

// giveUp waits for the old version no longer. It gets the requests with what it
// has, unless that is less than half while the new one serves.
func (r *Release) giveUp(v *View) {
	n := r.Old.Process.Replicas
	r.Why += fmt.Sprintf("; no progress for %v: %d of %d replicas of the old version are available", r.Old.Process.Rolling.ProgressDeadline, v.Old.Available, n)
	if v.Old.Why != "" {
		r.Why += "; " + v.Old.Why
	}
	r.Late = true
	if r.Stayed = !r.Back && v.New.Available > 0 && 2*v.Old.Available < n; r.Stayed {
		r.Why += "; the new version stays"
	}
	r.Back = !r.Stayed
}

// able reports whether the old version can take all requests: it misses no more
// replicas than a rolling release may take of it, or nobody else has any. Where
// it has them all and serves already, it goes on with what there is of them.
func (r *Release) able(v *View) bool {
	switch has := v.Old.sure(); {
	case v.New.none():
		return true
	case r.Config.Strategy != Rolling && !r.All:
		return has > 0
	default:
		unavailable, _ := r.Old.Process.Rolling.Bounds(r.Old.Process.Replicas)
		return has >= max(r.Old.Process.Replicas-unavailable, 1)
	}
}

// retreat brings the old version back and lets the new one go, or the other way
// round where the new one stays. While neither can take all requests they do so
// within the bounds of a rolling release.
func (r *Release) retreat(v *View) {
	n, rolling := r.Old.Process.Replicas, r.Config.Strategy == Rolling
	r.BaseWant = 0
	switch {
	case r.Stayed && rolling:
		r.NewWant, r.OldWant = r.roll(v.New, v.Old, r.NewWant, r.OldWant, n)
	case r.Stayed:
		r.NewWant, r.OldWant = n, 0
	case rolling:
		r.OldWant, r.NewWant = r.roll(v.Old, v.New, r.OldWant, r.NewWant, n)
	default:
		r.OldWant = n
	}
	if r.Back {
		r.NewWant = 0
	}
}
