package rollout

import (
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// Role is what a set of replicas is in a release.
type Role string

// The roles.
const (
	RoleOld      Role = "old"
	RoleNew      Role = "new"
	RoleBaseline Role = "baseline" // of the old version, beside the new one
)

// View is what a release is told of the world. The zero value is a world of
// which nothing is known yet, as after a restart.
type View struct {
	Now                time.Time
	Old, New, Baseline Set
	// Split is how the gateway shares the requests; nil: among all alike.
	Split *gateway.Split
	// Trial is how the release is judged, and Verdict what the judge finds.
	Trial   Trial
	Verdict Verdict
	// Hooks are the calls so far, by the hook's place in the Config.
	Hooks map[int]HookCalls
	// Next is whether a further release waits for the end of this one.
	Next bool
}

// Set is a version's replicas.
type Set struct {
	// Wanted is how many the supervisor was told to run.
	Wanted int
	// Alive is how many there are that are not being stopped, and Stopping how
	// many that are.
	Alive, Stopping int
	// Ready is how many of them get requests, and Available how many have been
	// ready for long enough.
	Ready, Available int
	// Crashes counts ends of processes that nobody asked for.
	Crashes int
	// Why is what keeps one of them from being ready.
	Why string
}

// most is how many processes there are, or are about to be.
func (s Set) most() int { return s.Stopping + max(s.Alive, s.Wanted) }

// sure is how many will still be available when what was asked for is done.
func (s Set) sure() int { return min(s.Available, s.Wanted) }

// none reports whether nothing of the set is available and nothing is about to be:
// after a restart its replicas may only not be known yet.
func (s Set) none() bool { return s.Available == 0 && (s.Wanted == 0 || s.Crashes > 0) }

// Trial says what the judge watches.
type Trial struct {
	Mode TrialMode
	// Stretch changes with the shares.
	Stretch int
}

// TrialMode is what the new version is held to.
type TrialMode string

// The modes of a trial.
const (
	TrialNone   TrialMode = ""
	TrialBeside TrialMode = "beside" // the old version, at the same time
	TrialAlone  TrialMode = "alone"  // the objective
)

// Decision is what a judge finds.
type Decision string

// The decisions. The empty one is that of no judge.
const (
	DecisionPass         Decision = "pass"
	DecisionFail         Decision = "fail"
	DecisionInconclusive Decision = "inconclusive"
)

// Verdict is a decision with its reason in words.
type Verdict struct {
	Decision Decision `json:"decision"`
	Why      string   `json:"why"`
}

// HookCalls are the calls of one hook.
type HookCalls struct {
	Running     bool
	Calls       int
	FailuresRow int // failures since the last success
	LastAt      time.Time
	Why         string // of the last failure
}

// ActionKind is what is to be done.
type ActionKind string

// The kinds of actions, in the order in which they are to be done.
const (
	ActionSplit ActionKind = "split" // share the requests
	ActionTrial ActionKind = "trial" // judge
	ActionScale ActionKind = "scale" // run so many replicas
	ActionCall  ActionKind = "call"  // ask a hook
)

// Action is something to do for a release.
type Action struct {
	Kind     ActionKind
	Split    *gateway.Split // of ActionSplit; nil ends it
	Trial    Trial          // of ActionTrial
	Role     Role           // of ActionScale
	Replicas int            // of ActionScale
	Hook     int            // of ActionCall
	Why      string
}
