package rollout

import (
	"cmp"
	"reflect"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// pull asks for what differs from what should be.
func (r *Release) pull(v *View) {
	r.size(v)
	if want := r.split(); !reflect.DeepEqual(v.Split, want) {
		r.do(Action{Kind: ActionSplit, Split: want})
	}
	if want := r.trial(); want != v.Trial {
		r.do(Action{Kind: ActionTrial, Trial: want})
	}
	r.scale(RoleOld, r.OldWant, v.Old.Wanted)
	r.scale(RoleNew, r.NewWant, v.New.Wanted)
	r.scale(RoleBaseline, r.BaseWant, v.Baseline.Wanted)
	r.call(v)
}

func (r *Release) do(a Action) {
	a.Why = cmp.Or(r.Why, r.Done())
	r.actions = append(r.actions, a)
}

func (r *Release) scale(role Role, want, has int) {
	if want != has {
		r.do(Action{Kind: ActionScale, Role: role, Replicas: want})
	}
}

// call asks the hooks whose time it is.
func (r *Release) call(v *View) {
	at := HookDuring
	switch r.Phase {
	case PhaseBefore:
		at = HookBefore
	case PhaseAfter:
		at = HookAfter
	case PhaseStepping, PhaseRolling, PhasePromoting:
	default:
		return
	}
	for i, h := range r.Config.Hooks {
		calls := v.Hooks[i]
		if h.At == at && !r.Asked[i] && !calls.Running && (calls.Calls == 0 || v.Now.Sub(calls.LastAt) >= h.Interval) {
			r.do(Action{Kind: ActionCall, Hook: i})
		}
	}
}

// inForce reports whether the requests are shared as they should be now.
func (r *Release) inForce(v *View) bool { return reflect.DeepEqual(v.Split, r.split()) }

// split is how the requests should be shared now.
func (r *Release) split() *gateway.Split {
	switch {
	case r.Phase == PhaseBefore, r.Phase.Ended():
		return nil
	case r.Phase == PhaseAborting && r.Back, r.Phase == PhaseRolling && r.rolling.apart:
		return r.among(gateway.SplitVersion{Version: r.Old.Name})
	case r.Config.Strategy == Rolling:
		return nil
	}
	old, next := gateway.SplitVersion{Version: r.Old.Name}, gateway.SplitVersion{Version: r.New.Name, Preview: true}
	switch {
	case r.Phase == PhaseRetiring:
		return r.among(next)
	case r.All:
		next.Share = 1
		return r.among(old, next)
	}
	next.Share, next.Mirror = r.Shares.Weight, r.Shares.Mirror
	if r.Shares.Match > 0 {
		next.Match = r.Config.Steps[r.Shares.Match-1].Match
	}
	if !r.compared() {
		return r.among(old, next)
	}
	base := gateway.SplitVersion{Version: baselineName(r.Old.Name), Share: min(next.Share, 1-next.Share), Mirror: next.Mirror}
	return r.among(old, next, base)
}

// compared reports whether the fresh replicas of the old version get as much as
// the new one. Of requests that match something, they get none.
func (r *Release) compared() bool {
	return r.Config.Baseline && (r.Shares.Weight > 0 || r.Shares.Mirror > 0)
}

func (r *Release) among(versions ...gateway.SplitVersion) *gateway.Split {
	return &gateway.Split{Versions: versions, Sticky: r.Config.Sticky, Salt: r.ID}
}

// baselineName is the version that the fresh replicas of the old one go by.
func baselineName(old string) string { return old + "-baseline" }

// trial is what the judge should watch.
func (r *Release) trial() Trial {
	switch {
	case !r.watched():
	case r.All && (r.Phase == PhasePromoting || r.Phase == PhaseAfter || r.Phase == PhaseKeeping),
		r.Shares.Weight >= 1 && (r.Phase == PhaseStepping || r.Phase == PhasePromoting):
		return Trial{TrialAlone, r.Stretch}
	case (r.Phase == PhaseStepping || r.Phase == PhasePromoting) && r.Shares.live(), r.Phase == PhaseRolling:
		return Trial{TrialBeside, r.Stretch}
	}
	return Trial{}
}

// size says how many replicas of each version there should be now.
func (r *Release) size(v *View) {
	n := r.full()
	switch r.Phase {
	case PhaseBefore:
		r.OldWant, r.NewWant, r.BaseWant = r.Old.Process.Replicas, 0, 0
	case PhaseStarting, PhaseStepping, PhasePromoting:
		r.OldWant = r.Old.Process.Replicas
		r.NewWant = max(r.sized(r.taken()), min(r.NewWant, n))
		if r.Phase == PhasePromoting {
			r.NewWant = n
		}
		r.BaseWant = 0
		if !r.All {
			r.BaseWant = r.baselines(r.NewWant)
		}
	case PhaseRolling:
		if !r.Paused {
			r.NewWant, r.OldWant = r.roll(v.New, v.Old, r.NewWant, r.OldWant, n)
		}
	case PhaseAfter, PhaseKeeping:
		r.NewWant, r.BaseWant = n, 0
		if r.Config.Strategy != Rolling {
			r.OldWant = r.Old.Process.Replicas
		}
	case PhaseRetiring:
		r.OldWant, r.NewWant, r.BaseWant = 0, n, 0
	case PhaseComplete, PhaseAborted:
		if r.OldWant, r.NewWant, r.BaseWant = r.Old.Process.Replicas, 0, 0; r.succeeded() {
			r.OldWant, r.NewWant = 0, n
		}
	case PhaseAborting:
		r.retreat(v)
	}
}

// baselines is how many replicas of the old version run beside n of the new one.
func (r *Release) baselines(n int) int {
	if !r.Config.Baseline {
		return 0
	}
	return n
}

// roll is how many replicas of two versions there should be next, so that one
// takes the place of the other within the bounds of the process: never more than
// n and the surge exist, those that are being stopped among them, and never
// fewer than n without the unavailable ones are available.
func (r *Release) roll(to, from Set, toWant, fromWant, n int) (nextTo, nextFrom int) {
	unavailable, surge := r.New.Process.Rolling.Bounds(n)
	to.Wanted, from.Wanted = max(to.Wanted, toWant), max(from.Wanted, fromWant)
	room := n + surge - to.most() - from.most()
	nextTo = min(n, toWant+max(room, 0))
	// Those of the version that goes may be all there is if the other fails: one
	// that is not available may come back, and one that has not come yet is none.
	spare := min(to.Available, toWant) + fromWant - (n - unavailable)
	nextFrom = fromWant - min(max(spare, 0), fromWant)
	return nextTo, nextFrom
}
