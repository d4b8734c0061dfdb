package rollout

import (
	"net/url"
	"time"
)

// Wait is what a release waits for.
type Wait string

// What a release can wait for.
const (
	WaitHooks    Wait = "hooks"    // that have not all said yes
	WaitReplicas Wait = "replicas" // to be available, or to end
	WaitHold     Wait = "hold"     // the least time of a step
	WaitJudge    Wait = "judge"    // who has not seen enough
	WaitGate     Wait = "gate"     // somebody who promotes it
	WaitResume   Wait = "resume"   // somebody who lets it go on: it is paused
	WaitKeep     Wait = "keep"     // the time for which the old version is kept
)

// Enum lists what a release can wait for.
func (Wait) Enum() []string {
	return []string{string(WaitHooks), string(WaitReplicas), string(WaitHold), string(WaitJudge), string(WaitGate), string(WaitResume), string(WaitKeep)}
}

// waits is what keeps the release where it is, and until when, if that is known.
func (r *Release) waits(now time.Time) (Wait, time.Time) {
	if r.Paused {
		return WaitResume, time.Time{}
	}
	switch r.Phase {
	case PhaseBefore, PhaseAfter:
		return WaitHooks, time.Time{}
	case PhaseStarting, PhaseRolling, PhasePromoting, PhaseRetiring, PhaseAborting:
		return WaitReplicas, time.Time{}
	case PhaseKeeping:
		return WaitKeep, r.PhaseAt.Add(max(r.Config.Keep, 0))
	case PhaseStepping:
		return r.waitsAtStep(now)
	}
	return "", time.Time{}
}

func (r *Release) waitsAtStep(now time.Time) (Wait, time.Time) {
	if r.Index >= len(r.Config.Steps) || r.StepAt.IsZero() {
		return WaitReplicas, time.Time{}
	}
	step := &r.Config.Steps[r.Index]
	switch end := r.StepAt.Add(step.Hold); {
	case end.After(now):
		return WaitHold, end
	case r.Why == waitsForJudge:
		return WaitJudge, time.Time{}
	case step.Gate:
		return WaitGate, time.Time{}
	}
	return "", time.Time{}
}

// StepStatus is what a step of a release asks for.
type StepStatus struct {
	// Mirror and Weight are shares from 0 to 1; 0 leaves the share as it was.
	Mirror float64 `json:"mirror,omitempty"`
	Weight float64 `json:"weight,omitempty"`
	// Match is set where requests that match something go to the new version.
	Match       bool    `json:"match,omitempty"`
	HoldSeconds float64 `json:"holdSeconds,omitempty"`
	Gate        bool    `json:"gate,omitempty"`
}

func (r *Release) plan() []StepStatus {
	all := make([]StepStatus, len(r.Config.Steps))
	for i, s := range r.Config.Steps {
		all[i] = StepStatus{float64(s.Mirror), float64(s.Weight), len(s.Match) > 0, s.Hold.Seconds(), s.Gate}
	}
	return all
}

// HookStatus is a hook and how its calls went.
type HookStatus struct {
	At HookTime `json:"at"`
	// URL is without what may be secret of it: the user and the query.
	URL string `json:"url"`
	// Yes is whether it has let the release go on, or, of one that is asked again
	// and again, whether it last did.
	Yes     bool `json:"yes"`
	Running bool `json:"running,omitempty"`
	Calls   int  `json:"calls"`
	// Failures are those since it last said yes, of which FailuresMax are borne.
	Failures    int       `json:"failures,omitempty"`
	FailuresMax int       `json:"failuresMax,omitempty"`
	LastAt      time.Time `json:"lastAt,omitzero"`
	Why         string    `json:"why,omitempty"` // of the last failure
}

func (r *Release) hooked(calls map[int]HookCalls) []HookStatus {
	all := make([]HookStatus, len(r.Config.Hooks))
	for i, h := range r.Config.Hooks {
		c := calls[i]
		all[i] = HookStatus{
			At: h.At, URL: shown(h.URL), Yes: r.Asked[i] || c.Calls > 0 && c.FailuresRow == 0, Running: c.Running, Calls: c.Calls,
			Failures: c.FailuresRow, FailuresMax: h.FailuresMax, LastAt: c.LastAt, Why: c.Why,
		}
	}
	return all
}

// shown is a URL without what may be secret in it.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}
