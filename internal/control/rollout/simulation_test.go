package rollout

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

// written is the release as it is read again.
func written(r *Release) *Release {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	again := new(Release)
	if err := json.Unmarshal(text, again); err != nil {
		panic(err)
	}
	return again
}

// seeds is how many releases are simulated.
func seeds() uint64 {
	if testing.Short() {
		return 500
	}
	return 5000
}

// TestSimulation releases thousands of times through everything that can happen
// at any moment, and holds what must hold in every one of them.
func TestSimulation(t *testing.T) {
	ends := map[Phase]int{}
	for seed := range seeds() {
		s := &simulation{random: rand.New(rand.NewPCG(seed, 1))}
		end, err := s.run()
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, s.log)
		}
		ends[end]++
	}
	if ends[PhaseComplete] < int(seeds())/10 || ends[PhaseAborted] < int(seeds())/10 {
		t.Errorf("nothing is learned where all end alike: %v", ends)
	}
}

// simulation is one release and its misfortunes.
type simulation struct {
	random *rand.Rand
	*world
	strategy  Strategy
	log       string
	abortedAt time.Time
	refused   bool // by the judge
	held      int  // new replicas when it was paused
	scales    bool // the number changes, which takes its time
}

func (s *simulation) chance(p float64) bool { return s.random.Float64() < p }

func (s *simulation) run() (Phase, error) {
	s.strategy = []Strategy{Rolling, BlueGreen, Canary}[s.random.IntN(3)]
	c := Config{Strategy: s.strategy, Keep: time.Duration(s.random.IntN(20)) * time.Second}
	if s.strategy == Canary {
		c.Baseline, c.Unjudged = s.chance(0.5), s.chance(0.3)
		weight := policy.Ratio(0)
		for range 1 + s.random.IntN(3) {
			weight += policy.Ratio(0.05 + 0.25*s.random.Float64())
			c.Steps = append(c.Steps, StepConfig{Weight: weight, Hold: time.Duration(s.random.IntN(10)) * time.Second, Gate: s.chance(0.2)})
		}
		if s.chance(0.2) {
			c.Steps = append(c.Steps, StepConfig{Weight: 1})
		}
	}
	if s.chance(0.3) {
		c.Hooks = append(c.Hooks, HookConfig{At: HookBefore, URL: "http://hook"}, HookConfig{At: HookDuring, URL: "http://hook", Interval: time.Second}, HookConfig{At: HookAfter, URL: "http://hook"})
	}
	rolling := supervise.RollingConfig{MaxSurge: "1", MaxUnavailable: "1", ProgressDeadline: time.Minute}
	if s.chance(0.5) {
		rolling.MaxUnavailable = "0"
	} else if s.chance(0.5) {
		rolling.MaxSurge = "0"
	}
	s.world = newWorld(c, 1+s.random.IntN(5), rolling)
	s.broken, s.ruined, s.scales = s.chance(0.1), s.chance(0.1), s.chance(0.1)
	s.settle(func() {})
	for range 2000 {
		s.misfortune()
		s.now = s.now.Add(time.Duration(s.random.IntN(1000)) * time.Millisecond)
		s.clear()
		s.turn()
		s.log += fmt.Sprintf("%v %v\n", s.now.Format("04:05.000"), s.world)
		if err := s.check(); err != nil {
			return s.release.Phase, err
		}
		if s.release.Phase.Ended() {
			return s.release.Phase, s.settled()
		}
	}
	return s.release.Phase, fmt.Errorf("it never ends: %v", s.world)
}

// misfortune is something that happens now and then.
func (s *simulation) misfortune() {
	switch {
	case s.chance(0.002):
		s.sets[RoleNew].crashes++
	case s.chance(0.002):
		_ = s.release.Do(CommandPause, "bob", s.now)
	case s.chance(0.004):
		s.says[s.random.IntN(3)] = s.chance(0.8)
	case s.chance(0.004):
		s.forget(written(s.release), false)
	case s.chance(0.005):
		if !s.release.Phase.Ended() && s.release.Phase != PhaseAborting {
			s.abortedAt = s.now
			if err := s.release.Do(CommandAbort, "bob", s.now); err != nil {
				panic(err)
			}
		}
	case s.chance(0.002):
		s.next = true
	case s.scales && s.chance(0.02):
		n := 1 + s.random.IntN(6)
		s.release.Old.Process.Replicas, s.release.New.Process.Replicas = n, n
	case s.chance(0.1):
		s.judges()
	}
	if s.release.Paused && s.chance(0.1) {
		_ = s.release.Do(CommandResume, "bob", s.now)
	}
	if s.chance(0.05) {
		_ = s.release.Do(CommandPromote, "bob", s.now)
	}
}

func (s *simulation) judges() {
	if s.trial.Mode == TrialNone {
		return
	}
	s.verdict = Verdict{DecisionPass, "as good as the old one"}
	if s.chance(0.05) {
		s.verdict, s.refused = Verdict{DecisionFail, "worse than the old one"}, true
	}
}

// check holds what must hold at every moment.
func (s *simulation) check() error {
	if s.scales {
		return nil
	}
	r, old, next, base := s.release, s.sets[RoleOld].view(s.world), s.sets[RoleNew].view(s.world), s.sets[RoleBaseline].view(s.world)
	n := r.full()
	unavailable, surge := r.New.Process.Rolling.Bounds(n)
	exist := len(s.sets[RoleOld].replicas) + len(s.sets[RoleNew].replicas)
	if s.strategy == Rolling && exist > n+surge {
		return fmt.Errorf("%d processes exist, want at most %d", exist, n+surge)
	}
	if r.Phase == PhaseRolling && r.Paused && next.Wanted > s.held && s.held > 0 {
		return fmt.Errorf("%d new replicas while it is paused with %d", next.Wanted, s.held)
	}
	if s.held = 0; r.Paused {
		s.held = next.Wanted
	}
	if got := old.Available + next.Available; s.strategy == Rolling && got < n-unavailable && !r.Late {
		return fmt.Errorf("%d replicas are available, want at least %d", got, n-unavailable)
	}
	if s.strategy != Rolling && !r.All && old.Available < n {
		return fmt.Errorf("%d old replicas are available while the new version may fail", old.Available)
	}
	if base.most() > 0 && !r.Config.Baseline {
		return fmt.Errorf("%d replicas of a baseline that nobody asked for", base.most())
	}
	able := old.Available >= max(n-unavailable, 1) || old.Available > 0 && s.strategy != Rolling && !r.All
	if r.Back && !able && !r.Late && next.Available > 0 {
		return fmt.Errorf("%d old replicas get the requests of all: %v", old.Available, s.world)
	}
	if r.Phase == PhaseAborting && able && !r.Stayed && (s.split == nil || len(s.split.Versions) != 1 || s.split.Versions[0].Version != "old") {
		return fmt.Errorf("requests go to the new version although the release is aborted: %v", s.world)
	}
	if alone := r.Shares.Weight == 1 || r.All; alone && s.trial.Mode == TrialBeside && r.Phase == PhaseStepping {
		return fmt.Errorf("it is judged beside a version that gets nothing: %v", s.world)
	}
	if s.split != nil {
		for _, v := range s.split.Versions[1:] {
			if v.Version == "new" && v.Share > 0 && next.Wanted == 0 && r.Phase != PhaseAborting {
				return fmt.Errorf("requests go where nothing runs: %v", s.world)
			}
		}
	}
	return nil
}

// settled holds what must hold at the end.
func (s *simulation) settled() error {
	r := s.release
	old, next, base := s.sets[RoleOld].view(s.world), s.sets[RoleNew].view(s.world), s.sets[RoleBaseline].view(s.world)
	switch {
	case s.split != nil || s.trial != (Trial{}):
		return fmt.Errorf("what was there for the release goes on: %v", s.world)
	case r.Stayed && (old.Wanted > 0 || next.Available == 0):
		return fmt.Errorf("nothing serves: %v", s.world)
	case r.Stayed, r.Phase == PhaseAborted && next.Wanted == 0 && (s.ruined || s.next):
		// It could not come back, or gave way to the next.
	case base.most() > 0:
		return fmt.Errorf("%d replicas of the baseline are left", base.most())
	case s.scales && next.Wanted+old.Wanted != r.full():
		return fmt.Errorf("%d replicas are to run, want %d", next.Wanted+old.Wanted, r.full())
	case s.scales:
	case r.Phase == PhaseComplete && (old.most() > 0 || next.Available != r.full()):
		return fmt.Errorf("complete with %d old and %d new replicas", old.most(), next.Available)
	case r.Phase == PhaseAborted && (next.most() > 0 || old.Available != r.full()):
		return fmt.Errorf("aborted with %d old and %d new replicas", old.Available, next.most())
	case s.refused && r.Phase != PhaseAborted:
		return fmt.Errorf("promoted what the judge had refused")
	case !s.abortedAt.IsZero() && r.Phase != PhaseAborted:
		return fmt.Errorf("an abort was forgotten: %v", s.world)
	case r.Phase == PhaseAborted && r.Why == "":
		return fmt.Errorf("nobody knows why it was aborted")
	}
	return nil
}
