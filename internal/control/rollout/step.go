package rollout

import (
	"fmt"
	"time"
)

// Step takes the release on as far as the view allows, and returns what must be
// done for what is to become what should be. Whoever does it must have written
// the release down before.
func (r *Release) Step(v View) []Action {
	r.now, r.actions = v.Now, nil
	r.note(&v)
	for {
		phase, step := r.Phase, r.Index
		if why := r.failure(&v); why != "" {
			r.abort(why)
		}
		r.advance(&v)
		if r.Phase == phase && r.Index == step {
			break
		}
	}
	r.pull(&v)
	return r.actions
}

// note keeps count of progress, and of what it makes of the shares.
func (r *Release) note(v *View) {
	reached, left := v.New.Available, v.Old.most()
	if r.Phase == PhaseAborting {
		reached, left = v.Old.Available, v.New.most()
	}
	if reached > r.NewBest || left < r.OldLeft {
		r.MovedAt = v.Now
	}
	r.NewBest, r.OldLeft = max(r.NewBest, reached), min(r.OldLeft, left)
	if r.Phase != PhaseRolling {
		return
	}
	// Nobody is sent to a version before one of its replicas has stayed up.
	apart := r.NewBest == 0 && v.Old.sure() > 0 && r.able(v)
	if now := (rolling{v.Old.Ready, v.New.Ready, apart}); now != r.rolling {
		r.rolling = now
		r.Stretch++
	}
}

// failure is why the release cannot go on; empty while it can.
func (r *Release) failure(v *View) string {
	switch r.Phase {
	case PhaseComplete, PhaseAborting, PhaseAborted, PhaseRetiring: // of the old version, too little may be left by then
		return ""
	}
	for i, h := range r.Config.Hooks {
		if calls := v.Hooks[i]; !r.Asked[i] && calls.FailuresRow > h.FailuresMax {
			return fmt.Sprintf("the hook %s says no: %s", shown(h.URL), calls.Why)
		}
	}
	if v.New.Crashes > max(r.Config.CrashesMax, 0) {
		return fmt.Sprintf("the new version ended by itself %d times: %s", v.New.Crashes, v.New.Why)
	}
	if v.Verdict.Decision == DecisionFail {
		return "the judge: " + v.Verdict.Why
	}
	if deadline := r.New.Process.Rolling.ProgressDeadline; r.moves() && v.Now.Sub(r.MovedAt) >= deadline {
		why := fmt.Sprintf("no progress for %v: %d of %d replicas of the new version are available", deadline, v.New.Available, r.NewWant)
		if v.New.Why != "" {
			why += "; " + v.New.Why
		}
		return why
	}
	return ""
}

// moves reports whether the release waits for processes, and for nothing else.
func (r *Release) moves() bool {
	switch r.Phase {
	case PhaseStarting, PhaseRolling, PhasePromoting:
		return !r.Paused
	case PhaseStepping:
		return !r.Paused && r.StepAt.IsZero()
	}
	return false
}

// advance goes to the next phase or step, where the present one is done.
func (r *Release) advance(v *View) {
	if r.Paused {
		return
	}
	switch r.Phase {
	case PhaseBefore:
		if r.asked(v, HookBefore) {
			r.start()
		}
	case PhaseStarting:
		if n := r.sized(r.taken()); v.New.sure() >= n && v.Baseline.sure() >= r.baselines(n) {
			r.enter(PhaseStepping, "")
		}
	case PhaseStepping:
		r.climb(v)
	case PhaseRolling:
		if v.New.sure() >= r.full() && v.Old.most() == 0 {
			r.enter(PhaseAfter, "")
		}
	case PhasePromoting:
		r.All = r.All || v.New.sure() >= r.full()
		if r.All && r.inForce(v) {
			r.enter(PhaseAfter, "")
		}
	case PhaseAfter:
		if r.asked(v, HookAfter) {
			r.enter(PhaseKeeping, "")
		}
	case PhaseKeeping:
		if r.Passed || v.Now.Sub(r.PhaseAt) >= max(r.Config.Keep, 0) {
			r.enter(PhaseRetiring, "")
		}
	case PhaseRetiring:
		if v.Old.most() == 0 && v.Baseline.most() == 0 {
			r.enter(PhaseComplete, "")
		}
	case PhaseAborting:
		r.goBack(v)
	}
}

func (r *Release) start() {
	if r.Config.Strategy == Rolling {
		r.rolling.apart = true
		r.enter(PhaseRolling, "")
	} else {
		r.enter(PhaseStarting, "")
	}
}

// climb goes from step to step, and after the last one on.
func (r *Release) climb(v *View) {
	if r.Index >= len(r.Config.Steps) {
		r.enter(PhasePromoting, "")
		return
	}
	if r.StepAt.IsZero() && !r.arrived(v) {
		r.Why = fmt.Sprintf("%d of %d replicas of the new version are available", v.New.Available, r.sized(r.taken()))
		return
	}
	if r.StepAt.IsZero() {
		r.StepAt = v.Now
	}
	if r.Passed || r.held(v, &r.Config.Steps[r.Index]) {
		r.enter(PhaseStepping, "")
		r.Index++
	}
}

// arrived reports whether what a step asks for is in force, once there are
// enough replicas for it.
func (r *Release) arrived(v *View) bool {
	s := r.taken()
	if s != r.Shares {
		if n := r.sized(s); v.New.sure() < n || v.Baseline.sure() < r.baselines(n) {
			return false
		}
		r.Shares = s
		r.Stretch++
	}
	return r.inForce(v)
}

// waitsForJudge is why a step goes on. What the judge has seen changes with every
// request, and is in the verdict.
const waitsForJudge = "inconclusive: the judge has not seen enough"

// held reports whether a step has lasted as long as it must, and says else what
// it waits for.
func (r *Release) held(v *View, step *StepConfig) bool {
	r.Why = ""
	switch end := r.StepAt.Add(step.Hold); {
	case end.After(v.Now):
		r.Why = "holds until " + end.UTC().Format(time.RFC3339)
	case r.judged() && r.Shares.live() && v.Verdict.Decision != DecisionPass:
		r.Why = waitsForJudge
	case step.Gate:
		r.Why = "waits at a gate for afloat rollout promote " + r.Service
	default:
		return true
	}
	return false
}

// asked reports whether all hooks of a time have said yes, and notes which have.
func (r *Release) asked(v *View, at HookTime) bool {
	all := true
	for i, h := range r.Config.Hooks {
		if h.At != at || r.Asked[i] {
			continue
		}
		calls := v.Hooks[i]
		r.Asked[i] = calls.Calls > 0 && !calls.Running && calls.FailuresRow == 0
		all = all && r.Asked[i]
	}
	return all
}
