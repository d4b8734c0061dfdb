package rollout

import (
	"fmt"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// world is what a release acts upon, apart from processes and sockets. Replicas
// take time to start and to end.
type world struct {
	release *Release
	now     time.Time

	starts, ends time.Duration // how long a replica of the new version takes
	broken       bool          // replicas of the new version never get ready
	ruined       bool          // nor do those of the old one
	next         bool          // a further release waits
	sets         map[Role]*set
	split        *gateway.Split
	trial        Trial
	verdict      Verdict
	hooks        map[int]HookCalls
	says         map[int]bool // what hooks answer
	acted        []Action     // by the last turn
}

// set is the replicas of one version.
type set struct {
	wanted   int
	replicas []*replica
	crashes  int
}

type replica struct {
	ready time.Time // when it is
	gone  time.Time // zero while it is not being stopped
}

func newWorld(c Config, n int, rolling supervise.RollingConfig) *world {
	p := supervise.Config{Name: "web", Command: []string{"web"}, Replicas: n, Rolling: rolling}.WithDefaults()
	w := &world{
		now: time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC), starts: time.Second, ends: time.Second,
		sets: map[Role]*set{RoleOld: {}, RoleNew: {}, RoleBaseline: {}}, hooks: map[int]HookCalls{}, says: map[int]bool{},
	}
	w.sets[RoleOld].wanted = n
	for range n {
		w.sets[RoleOld].replicas = append(w.sets[RoleOld].replicas, &replica{ready: w.now})
	}
	w.release = New("r1", c, Version{"old", "web", p}, Version{"new", "web.new", p}, "ada", w.now)
	return w
}

func (s *set) view(w *world) Set {
	v := Set{Wanted: s.wanted, Crashes: s.crashes}
	for _, r := range s.replicas {
		switch {
		case !r.gone.IsZero():
			v.Stopping++
		case r.ready.After(w.now):
			v.Alive++
			v.Why = "not serving yet"
		default:
			v.Alive++
			v.Ready++
			v.Available++
		}
	}
	return v
}

func (w *world) view() View {
	return View{
		Now: w.now, Old: w.sets[RoleOld].view(w), New: w.sets[RoleNew].view(w), Baseline: w.sets[RoleBaseline].view(w),
		Split: w.split, Trial: w.trial, Verdict: w.verdict, Hooks: w.hooks, Next: w.next,
	}
}

// turn is one step of the release and what it asks for. It reports whether
// anything was asked.
func (w *world) turn() bool {
	w.acted = w.release.Step(w.view())
	for _, a := range w.acted {
		switch a.Kind {
		case ActionSplit:
			w.split = a.Split
		case ActionTrial:
			w.trial, w.verdict = a.Trial, Verdict{}
			if a.Trial.Mode != TrialNone {
				w.verdict = Verdict{DecisionInconclusive, "no requests"}
			}
		case ActionScale:
			w.scale(a.Role, a.Replicas)
		case ActionCall:
			w.answer(a.Hook)
		}
	}
	for role, s := range w.sets { // what nobody told to run since a restart ends
		w.scale(role, s.wanted)
	}
	return len(w.acted) > 0
}

// scale does as the supervisor: it starts some, or stops those first that are
// missed least.
func (w *world) scale(role Role, n int) {
	s := w.sets[role]
	s.wanted = n
	var alive []*replica
	for _, r := range s.replicas {
		if r.gone.IsZero() {
			alive = append(alive, r)
		}
	}
	for i := len(alive); i < n; i++ {
		r := &replica{ready: w.now.Add(w.starts)}
		if role == RoleNew && w.broken || role != RoleNew && w.ruined {
			r.ready = w.never()
		}
		s.replicas = append(s.replicas, r)
	}
	for len(alive) > n {
		least := 0
		for i, r := range alive {
			if r.ready.After(alive[least].ready) {
				least = i
			}
		}
		alive[least].gone = w.now.Add(w.ends)
		alive = append(alive[:least], alive[least+1:]...)
	}
}

// never is when something is ready that is broken.
func (w *world) never() time.Time { return w.now.Add(1e6 * time.Hour) }

// down is a crash of all replicas of a version, none of which comes back.
func (w *world) down(role Role) {
	for _, r := range w.sets[role].replicas {
		r.ready = w.never()
	}
	w.sets[role].crashes++
}

func (w *world) answer(hook int) {
	calls := w.hooks[hook]
	calls.Calls, calls.LastAt = calls.Calls+1, w.now
	if no, ok := w.says[hook]; ok && !no {
		calls.FailuresRow++
		calls.Why = "status 500"
	} else {
		calls.FailuresRow = 0
	}
	w.hooks[hook] = calls
}

// pass lets time pass, second by second.
func (w *world) pass(d time.Duration, each func()) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(500 * time.Millisecond)
		w.clear()
		w.settle(each)
	}
}

// settle steps until nothing more is asked for.
func (w *world) settle(each func()) {
	for range 100 {
		more := w.turn()
		each()
		if !more {
			return
		}
	}
	panic(fmt.Sprintf("it never comes to rest: %+v", w.acted))
}

// clear removes replicas whose end has come.
func (w *world) clear() {
	for _, s := range w.sets {
		left := s.replicas[:0]
		for _, r := range s.replicas {
			if r.gone.IsZero() || r.gone.After(w.now) {
				left = append(left, r)
			}
		}
		s.replicas = left
	}
}

// forget is a restart of the control loop: what was written down is read again,
// and nothing else is known. Killed is whether the processes died as well.
func (w *world) forget(again *Release, killed bool) {
	w.release = again
	again.Resume(w.now)
	w.split, w.trial, w.verdict, w.hooks = nil, Trial{}, Verdict{}, map[int]HookCalls{}
	for role, s := range w.sets {
		s.wanted, s.crashes = map[Role]int{RoleOld: again.OldWant, RoleNew: again.NewWant, RoleBaseline: again.BaseWant}[role], 0
		if killed {
			s.replicas = nil
		}
	}
}

// String is the world on one line.
func (w *world) String() string {
	r := w.release
	text := r.Done()
	if r.Paused {
		text += ", paused"
	}
	if r.Why != "" {
		text += " (" + r.Why + ")"
	}
	for _, role := range []Role{RoleOld, RoleNew, RoleBaseline} {
		if v := w.sets[role].view(w); v.most() > 0 {
			text += fmt.Sprintf(" | %s %d/%d", role, v.Available, v.Wanted)
			if v.Stopping > 0 {
				text += fmt.Sprintf(" -%d", v.Stopping)
			}
		}
	}
	if w.split != nil {
		var parts []string
		for i, v := range w.split.Versions {
			part := v.Version
			if i > 0 {
				part += " " + v.Share.String()
			}
			if v.Mirror > 0 {
				part += " copies " + v.Mirror.String()
			}
			if len(v.Match) > 0 {
				part += " matches"
			}
			parts = append(parts, part)
		}
		text += " | to " + strings.Join(parts, ", ")
	}
	if w.trial.Mode != TrialNone {
		text += " | judged " + string(w.trial.Mode)
		if r.Phase == PhaseRolling {
			text += fmt.Sprintf(", stretch %d", w.trial.Stretch)
		}
	}
	return text
}
