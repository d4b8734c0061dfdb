package rollout

import (
	"maps"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/control/judge"
)

// Status is a service and its last release, for people and their programs.
type Status struct {
	Service string `json:"service"`
	// Version is the one that the service is; while one is released, the old one.
	Version  string `json:"version"`
	Previous string `json:"previous,omitempty"`
	// Release is the last one, under way or ended; nil where there was none.
	Release *ReleaseStatus `json:"release,omitempty"`
}

// ReleaseStatus is a release at one moment.
type ReleaseStatus struct {
	ID       string    `json:"id"`
	Strategy Strategy  `json:"strategy"`
	Who      string    `json:"who"`
	Old      string    `json:"old"`
	New      string    `json:"new"`
	Phase    Phase     `json:"phase"`
	Step     int       `json:"step"`  // from 1; 0 before the first
	Steps    int       `json:"steps"` // how many there are
	At       string    `json:"at"`    // how far it has come, in words
	Why      string    `json:"why,omitempty"`
	Paused   bool      `json:"paused,omitempty"`
	Began    time.Time `json:"began"`
	Since    time.Time `json:"since"` // when the phase or the step began
	Ended    time.Time `json:"ended,omitzero"`
	// LeftAt is the phase in which it was aborted.
	LeftAt Phase `json:"leftAt,omitempty"`
	// Waits is what keeps it where it is, and Until when that will be over, if
	// that is known.
	Waits Wait      `json:"waits,omitempty"`
	Until time.Time `json:"until,omitzero"`
	// Weight, from 0 to 1, is what the new version gets of the requests.
	Weight float64     `json:"weight"`
	Sets   []SetStatus `json:"sets"`
	// Plan are its steps, of which Passed lie behind it.
	Plan   []StepStatus `json:"plan,omitempty"`
	Passed int          `json:"passed"`
	// KeepSeconds is how long the old version is kept in the end.
	KeepSeconds float64      `json:"keepSeconds,omitempty"`
	Hooks       []HookStatus `json:"hooks,omitempty"`
	// Judged is whether a judge follows it, and Verdict what the judge finds, or
	// last found; nil while there is nothing.
	Judged  bool           `json:"judged,omitempty"`
	Verdict *judge.Verdict `json:"verdict,omitempty"`
	// History is how it went, a point a second, the last ten minutes.
	History []Point `json:"history,omitempty"`
}

// SetStatus is the replicas of one version.
type SetStatus struct {
	Role      Role   `json:"role"`
	Version   string `json:"version"`
	Wanted    int    `json:"wanted"`
	Available int    `json:"available"`
	Stopping  int    `json:"stopping,omitempty"`
	Crashes   int    `json:"crashes,omitempty"`
	Why       string `json:"why,omitempty"`
}

// Point is a moment of a release. Its counts are of tries, and grow.
type Point struct {
	Time         time.Time `json:"time"`
	Weight       float64   `json:"weight"`
	NewRequests  uint64    `json:"newRequests"`
	NewErrors    uint64    `json:"newErrors"`
	OldRequests  uint64    `json:"oldRequests"`
	OldErrors    uint64    `json:"oldErrors"`
	NewAvailable int       `json:"newAvailable"`
	OldAvailable int       `json:"oldAvailable"`
	// Checks are what the judge compared then, in the order of its verdict.
	Checks []Compared `json:"checks,omitempty"`
}

// Compared are the values of one of the judge's checks; see [judge.Check].
type Compared struct {
	Name     string  `json:"name"`
	Canary   float64 `json:"canary"`
	Baseline float64 `json:"baseline"`
	Allowed  float64 `json:"allowed,omitempty"`
	P        float64 `json:"p,omitempty"`
}

const (
	historyEvery = time.Second
	historyMax   = 600
)

// Status is how all services stand that are released here, by name.
func (c *Controller) Status() []Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []Status{}
	for _, name := range slices.Sorted(maps.Keys(c.services)) {
		out = append(out, c.status(c.services[name]))
	}
	return out
}

// Brief is Status without how releases went and what their judges looked at, for
// those who ask all the time.
func (c *Controller) Brief() []Status {
	all := c.Status()
	for i := range all {
		r := all[i].Release
		if r == nil {
			continue
		}
		r.History = nil
		if v := r.Verdict; v != nil {
			r.Verdict = &judge.Verdict{Decision: v.Decision, Why: v.Why, Checks: []judge.Check{}}
		}
	}
	return all
}

func (c *Controller) status(s *service) Status {
	st := Status{Service: s.Service, Version: s.Stable.Name}
	if s.Previous != nil {
		st.Previous = s.Previous.Name
	}
	r := s.Release
	if r == nil {
		return st
	}
	rs := &ReleaseStatus{
		ID: r.ID, Strategy: r.Config.Strategy, Who: r.Who, Old: r.Old.Name, New: r.New.Name, Phase: r.Phase,
		Steps: len(r.Config.Steps), At: r.Done(), Why: r.Why, Paused: r.Paused, Began: r.Began, Since: r.PhaseAt, Ended: r.Ended,
		LeftAt: r.LeftAt, Judged: r.watched(),
		Weight: r.weight(), Sets: []SetStatus{}, Plan: r.plan(), Passed: min(r.Index, len(r.Config.Steps)),
		KeepSeconds: max(r.Config.Keep, 0).Seconds(), Hooks: r.hooked(c.hooks.calls(r)), History: slices.Clone(s.History),
	}
	rs.Waits, rs.Until = r.waits(time.Now())
	if r.Phase == PhaseStepping {
		rs.Step = min(r.Index+1, rs.Steps)
	}
	if s.verdict.Decision != "" {
		v := s.verdict
		rs.Verdict = &v
	}
	if s.active() != nil {
		v := c.view(s, c.opts.Processes.Status(), time.Now())
		for _, one := range []struct {
			role Role
			name string
			set  Set
		}{{RoleOld, r.Old.Name, v.Old}, {RoleNew, r.New.Name, v.New}, {RoleBaseline, baselineName(r.Old.Name), v.Baseline}} {
			if one.set.most() > 0 {
				rs.Sets = append(rs.Sets, SetStatus{one.role, one.name, one.set.Wanted, one.set.Available, one.set.Stopping, one.set.Crashes, one.set.Why})
			}
		}
	}
	st.Release = rs
	return st
}

// weight is the new version's share of the requests, from 0 to 1.
func (r *Release) weight() float64 {
	switch {
	case r.succeeded(), r.All && r.Phase != PhaseAborting && r.Phase != PhaseAborted:
		return 1
	case r.Phase == PhaseStepping, r.Phase == PhasePromoting:
		return float64(r.Shares.Weight)
	case r.Phase == PhaseRolling && r.full() > 0:
		return min(float64(r.NewBest)/float64(r.full()), 1)
	}
	return 0
}

// remember adds a point to the history of a release: once a second, and at each
// turn that it takes, for the last moments before an abort are those that decided.
func (s *service) remember(v *View, turned bool) {
	if n := len(s.History); n > 0 && !turned && v.Now.Sub(s.History[n-1].Time) < historyEvery {
		return
	}
	p := Point{Time: v.Now, Weight: s.Release.weight(), NewAvailable: v.New.Available, OldAvailable: v.Old.Available}
	if n := len(s.History); n > 0 { // counts of a court that has ended stay
		last := s.History[n-1]
		p.NewRequests, p.NewErrors, p.OldRequests, p.OldErrors = last.NewRequests, last.NewErrors, last.OldRequests, last.OldErrors
	}
	if c := s.court; c != nil {
		p.NewRequests, p.NewErrors = c.counts[judge.Canary].requests.Load(), c.counts[judge.Canary].errors.Load()
		p.OldRequests, p.OldErrors = c.counts[judge.Baseline].requests.Load(), c.counts[judge.Baseline].errors.Load()
		for _, check := range s.verdict.Checks {
			p.Checks = append(p.Checks, Compared{check.Name, check.Canary, check.Baseline, check.Allowed, check.P})
		}
	}
	s.History = append(s.History, p)
	if over := len(s.History) - historyMax; over > 0 {
		s.History = slices.Delete(s.History, 0, over)
	}
}
