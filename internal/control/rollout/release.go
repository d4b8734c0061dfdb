package rollout

import (
	"fmt"
	"math"
	"time"

	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

// Phase is where a release is on its way.
type Phase string

// The phases of a release.
const (
	PhaseBefore    Phase = "before"    // hooks are asked
	PhaseStarting  Phase = "starting"  // the new version starts, without requests
	PhaseStepping  Phase = "stepping"  // it goes from step to step
	PhaseRolling   Phase = "rolling"   // it takes the place of the old one replica by replica
	PhasePromoting Phase = "promoting" // it grows to its full size, and gets all requests
	PhaseAfter     Phase = "after"     // hooks are asked
	PhaseKeeping   Phase = "keeping"   // the old version is kept for an instant way back
	PhaseRetiring  Phase = "retiring"  // the old version ends
	PhaseComplete  Phase = "complete"  // the new version is the service
	PhaseAborting  Phase = "aborting"  // the old version takes its place back
	PhaseAborted   Phase = "aborted"   // the old version is the service, as before; where it could not come back, the new one
)

// Ended reports whether nothing more happens in the phase.
func (p Phase) Ended() bool { return p == PhaseComplete || p == PhaseAborted }

// Version is one version of a service.
type Version struct {
	// Name tells it from others: the revision of its process, as the label
	// version of its endpoints has it.
	Name string `json:"name"`
	// Set is the name of its replicas in the supervisor.
	Set string `json:"set"`
	// Process is what it runs.
	Process supervise.Config `json:"process"`
}

// Release is the replacement of a service's version by another. Its exported
// fields are all that there is to know of it, and what is written down.
type Release struct {
	ID       string    `json:"id"`
	Service  string    `json:"service"`
	Config   Config    `json:"config"` // with defaults
	Old      Version   `json:"old"`
	New      Version   `json:"new"`
	Who      string    `json:"who"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended,omitzero"`
	Phase    Phase     `json:"phase"`
	PhaseAt  time.Time `json:"phaseAt"`           // when the phase began
	Index    int       `json:"step"`              // of Config.Steps, from 0
	StepAt   time.Time `json:"stepAt,omitzero"`   // since when all that the step asks for is in force
	LeftAt   Phase     `json:"leftAt,omitempty"`  // the phase in which it was aborted
	Passed   bool      `json:"passed,omitempty"`  // a person let it pass the step
	Paused   bool      `json:"paused,omitempty"`  // a person holds it where it is
	Why      string    `json:"why,omitempty"`     // it waits, or was aborted, in words
	Asked    []bool    `json:"asked,omitempty"`   // which hooks of before and after have said yes
	Stretch  int       `json:"stretch,omitempty"` // counts changes of the shares, for the judge
	MovedAt  time.Time `json:"movedAt,omitzero"`  // of the last progress
	OldWant  int       `json:"oldWant"`           // replicas
	NewWant  int       `json:"newWant"`
	BaseWant int       `json:"baseWant,omitempty"`

	// What has been reached, so that only more than it counts as progress.
	NewBest int `json:"newBest,omitempty"`
	OldLeft int `json:"oldLeft,omitempty"`

	// Shares are what the new version gets; All says that it gets everything, and
	// Back that the old one does since the release was aborted. Late says that it
	// is waited for no longer, and Stayed that the new one takes its place.
	Shares Shares `json:"shares"`
	All    bool   `json:"all,omitempty"`
	Back   bool   `json:"back,omitempty"`
	Late   bool   `json:"late,omitempty"`
	Stayed bool   `json:"stayed,omitempty"`

	now     time.Time
	actions []Action
	rolling rolling
}

// rolling is how the requests are shared while a release rolls.
type rolling struct {
	old, next int  // replicas that get some
	apart     bool // the new version gets none yet
}

// Shares are what a new version gets of the requests.
type Shares struct {
	Weight policy.Ratio `json:"weight"`
	Mirror policy.Ratio `json:"mirror,omitempty"` // copies
	// Match is the step whose matches hold, from 1; 0 for none.
	Match int `json:"match,omitempty"`
}

// New begins a release. The templates' Replicas say how many of each there are.
func New(id string, c Config, old, next Version, who string, now time.Time) *Release {
	c = c.WithDefaults()
	r := &Release{
		ID: id, Service: old.Process.Name, Config: c, Old: old, New: next, Who: who, Began: now,
		Asked: make([]bool, len(c.Hooks)), OldWant: old.Process.Replicas, OldLeft: old.Process.Replicas,
	}
	r.now = now
	r.enter(PhaseBefore, "")
	return r
}

// enter begins a phase.
func (r *Release) enter(p Phase, why string) {
	r.Phase, r.PhaseAt, r.MovedAt, r.Why = p, r.now, r.now, why
	r.StepAt, r.Passed = time.Time{}, false
	if p.Ended() {
		r.Ended, r.Paused = r.now, false
	}
}

// full is how many replicas the service has.
func (r *Release) full() int { return r.New.Process.Replicas }

// minReadyDefault is how long a replica of the new version must have been ready in
// a rolling release where the process does not say.
const minReadyDefault = 5 * time.Second

// minReady is how long a replica of the new version must have been ready to count.
func (r *Release) minReady() time.Duration {
	c := r.New.Process.Rolling
	if c.MinReady > 0 || r.Config.Strategy != Rolling {
		return c.MinReady
	}
	return min(minReadyDefault, c.ProgressDeadline/2)
}

// taken are the shares by the steps up to the present one. A step that says
// nothing of one leaves it as it was; a weight ends the copies.
func (r *Release) taken() Shares {
	var s Shares
	for i := range min(r.Index+1, len(r.Config.Steps)) {
		step := &r.Config.Steps[i]
		if step.Mirror > 0 {
			s.Mirror = step.Mirror
		}
		if len(step.Match) > 0 {
			s.Match = i + 1
		}
		if step.Weight > 0 {
			s.Weight, s.Mirror = step.Weight, 0
		}
	}
	return s
}

// live reports whether anybody's requests, or copies of them, reach the new
// version.
func (s Shares) live() bool { return s != Shares{} }

// sized is how many replicas the new version needs for its share. Copies need as
// many as the requests would.
func (r *Release) sized(s Shares) int {
	if r.Config.Strategy == BlueGreen {
		return r.full()
	}
	part := max(float64(s.Weight), float64(s.Mirror))
	return min(max(int(math.Ceil(part*float64(r.full())-1e-9)), 1), r.full())
}

// watched reports whether a judge follows the release, and may abort it.
func (r *Release) watched() bool { return r.Config.Judge != nil && !r.Config.Unjudged }

// judged reports whether the release needs the judge's word to go on.
func (r *Release) judged() bool { return r.watched() && r.Config.Strategy == Canary }

// Done is how far the release has come, in words.
func (r *Release) Done() string {
	switch r.Phase {
	case PhaseStepping:
		text := fmt.Sprintf("step %d of %d", min(r.Index+1, len(r.Config.Steps)), len(r.Config.Steps))
		if r.Shares.Weight > 0 {
			text += fmt.Sprintf(", weight %v", r.Shares.Weight)
		}
		return text
	case PhaseRolling:
		return fmt.Sprintf("rolling: %d of %d replicas are new", r.NewBest, r.full())
	}
	return string(r.Phase)
}

// succeeded reports whether the new version is the service from now on.
func (r *Release) succeeded() bool {
	return r.Phase == PhaseComplete || r.Phase == PhaseAborted && r.Stayed
}

// Resume goes on with a release that was read from where it was written down.
// A step is seen anew; what its judge saw before still counts against the new
// version.
func (r *Release) Resume(now time.Time) {
	r.MovedAt, r.StepAt = now, time.Time{}
	r.NewBest, r.OldLeft = 0, math.MaxInt
	r.Stretch++
}
