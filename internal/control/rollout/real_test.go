package rollout

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

var canary = Config{Steps: []StepConfig{{Weight: 0.05, Hold: 30 * time.Second}, {Weight: 0.5}}, Keep: time.Second}

func TestJudgeSparesUsersABadCanary(t *testing.T) {
	for _, test := range []struct {
		name   string
		weight float64
		errors string
		most   int // errors that users get
	}{{"half fail at 5%", 0.05, "errors=0.5", 12}, {"a tenth fail at 10%", 0.1, "errors=0.1", 20}} {
		t.Run(test.name, func(t *testing.T) {
			h := build(t, Config{Steps: []StepConfig{{Weight: policy.Ratio(test.weight), Hold: time.Minute}}}, 2, false, supervise.RollingConfig{})
			users := h.load(200)
			h.want("v2", test.errors)
			r := h.ends(PhaseAborted)
			if !strings.HasPrefix(r.Why, "the judge: ") || r.Verdict == nil || r.Verdict.Decision != judge.Fail {
				t.Errorf("aborted because of %q", r.Why)
			}
			if !slices.ContainsFunc(h.controller.Status()[0].Release.History, func(p Point) bool {
				return p.NewErrors >= 2 && slices.ContainsFunc(p.Checks, func(c Compared) bool { return c.P > 0 && c.P < 0.001 })
			}) {
				t.Error("what decided is not in the history")
			}
			users.end()
			if users.errors["v2"] > test.most || users.errors["v1"] > 0 || users.errors["v2"] < 2 {
				t.Errorf("users got %v, want at most %d", users.failed, test.most)
			}
			t.Logf("%d errors of %d requests to the canary: %s", users.errors["v2"], users.requests["v2"], r.Why)
		})
	}
}

func TestRepeatsHideABadCanaryFromUsersButNotFromItsJudge(t *testing.T) {
	h := build(t, canary, 2, true, supervise.RollingConfig{})
	users := h.load(200)
	h.want("v2", "errors=0.5")
	if r := h.ends(PhaseAborted); !strings.HasPrefix(r.Why, "the judge: ") {
		t.Errorf("aborted because of %q", r.Why)
	}
	if failed := users.end(); len(failed) > users.errors["v2"] {
		t.Errorf("%v", failed)
	}
}

func TestGoodCanaryIsPromotedAndNobodyNotices(t *testing.T) {
	h := build(t, Config{Steps: []StepConfig{{Mirror: 1}, {Weight: 0.3}, {Weight: 0.6}}, Baseline: true, Keep: 100 * time.Millisecond, Judge: soon()}, 2, false, supervise.RollingConfig{})
	users := h.load(200)
	h.want("v2", "")
	h.ends(PhaseComplete)
	h.eventually("all requests reach the new version", func() bool { return len(h.ready("web")) == 0 })
	if failed := users.end(); len(failed) > 0 {
		t.Errorf("%v", failed)
	}
	if users.requests["v2"] == 0 || users.requests["v1"] == 0 {
		t.Errorf("%v", users.requests)
	}
}

// TestBrokenVersionsAreRolledBack tries each strategy on each way in which a new
// version can be broken. Users notice nothing, and nothing is left running.
func TestBrokenVersionsAreRolledBack(t *testing.T) {
	bounds := map[string]supervise.RollingConfig{
		"deaf":  {MaxUnavailable: "0", MaxSurge: "1", ProgressDeadline: 3 * time.Second},
		"crash": {MaxUnavailable: "0", MaxSurge: "1", MinReady: 4 * time.Second},
	}
	for _, strategy := range []Config{{Strategy: Rolling}, {Strategy: BlueGreen}, {Strategy: Canary, Unjudged: true, Steps: []StepConfig{{Weight: 0.2, Hold: time.Minute}}}} {
		for fault, why := range map[string]string{"deaf": "no progress for 3s", "crash": "the new version ended by itself 2 times"} {
			t.Run(string(strategy.Strategy)+" "+fault, func(t *testing.T) {
				t.Parallel()
				h := build(t, strategy, 2, true, bounds[fault])
				users := h.load(100)
				h.want("v2", fault)
				if r := h.ends(PhaseAborted); !strings.HasPrefix(r.Why, why) {
					t.Errorf("aborted because of %q, want %q", r.Why, why)
				}
				if failed := users.end(); len(failed) > 0 {
					t.Errorf("%d of %v failed: %v", len(failed), users.requests, failed)
				}
				h.noNewOnes()
			})
		}
		for _, fault := range []string{"stubborn", "fork"} {
			t.Run(string(strategy.Strategy)+" "+fault, func(t *testing.T) {
				t.Parallel()
				h := build(t, strategy, 2, true, supervise.RollingConfig{MaxUnavailable: "0", MaxSurge: "1", MinReady: 300 * time.Millisecond})
				users := h.load(100)
				h.want("v2", fault)
				h.eventually("the new version serves", func() bool { r := h.release(); return r != nil && len(h.ready(h.next())) > 0 })
				if err := h.controller.Do("web", CommandAbort, "bob", ""); err != nil {
					t.Fatal(err)
				}
				h.ends(PhaseAborted)
				if failed := users.end(); len(failed) > 0 {
					t.Errorf("%d of %v failed: %v", len(failed), users.requests, failed)
				}
				h.noNewOnes()
			})
		}
	}
}

// next is the name of the new version's replicas.
func (h *house) next() string { return "web." + h.release().New }

// noNewOnes holds that nothing but the old version runs.
func (h *house) noNewOnes() {
	h.t.Helper()
	h.eventually("only the old version runs", func() bool { return len(h.processes()) == h.replicas })
	if got := h.supervisor.Status(); len(got) != 1 || got[0].Name != "web" || got[0].Ready != h.replicas {
		h.t.Errorf("%+v", got)
	}
}

// TestVersionThatCrashesAfterItWasReadyReachesNobody has the defaults of a rolling
// release, and requests of which nothing can be repeated.
func TestVersionThatCrashesAfterItWasReadyReachesNobody(t *testing.T) {
	h := build(t, Config{}, 3, false, supervise.RollingConfig{})
	users := h.load(200, http.MethodPost)
	h.want("v2", "crash")
	if r := h.ends(PhaseAborted); !strings.HasPrefix(r.Why, "the new version ended by itself 2 times") {
		t.Errorf("aborted because of %q", r.Why)
	}
	if failed := users.end(); len(failed) > 0 || users.requests["v1"] == 0 || users.requests["v2"] > 0 {
		t.Errorf("%d of %v failed: %v", len(failed), users.requests, failed)
	}
	h.noNewOnes()
}

func TestAbortIsTheLastThatTheNewVersionHears(t *testing.T) {
	h := build(t, Config{Strategy: Canary, Unjudged: true, Steps: []StepConfig{{Weight: 0.5, Gate: true}}}, 2, false, supervise.RollingConfig{})
	users := h.load(300)
	h.want("v2", "")
	h.eventually("it waits at the gate", func() bool { r := h.release(); return r != nil && strings.Contains(r.Why, "gate") })
	time.Sleep(200 * time.Millisecond) // of traffic to both
	if err := h.controller.Do("web", CommandAbort, "bob", ""); err != nil {
		t.Fatal(err)
	}
	aborted := time.Now()
	h.ends(PhaseAborted)
	if failed := users.end(); len(failed) > 0 {
		t.Errorf("%v", failed)
	}
	if late := users.last["v2"].Sub(aborted); late > 0 || users.requests["v2"] == 0 {
		t.Errorf("the last request to the new version began %v after the abort, of %v", late, users.requests)
	}
}

func TestRollingStaysWithinItsBoundsUnderLoad(t *testing.T) {
	h := build(t, Config{Strategy: Rolling}, 3, false, supervise.RollingConfig{MaxUnavailable: "0", MaxSurge: "1", MinReady: 100 * time.Millisecond})
	users := h.load(300)
	sampled := h.sample(3, 4)
	for _, version := range []string{"v2", "v3", "v4"} {
		h.want(version, "")
		h.ends(PhaseComplete)
	}
	if n := sampled(); n < 10 {
		t.Errorf("only %d samples", n)
	}
	if failed := users.end(); len(failed) > 0 {
		t.Errorf("%d of %v failed: %v", len(failed), users.requests, failed)
	}
}

// sample looks every 10 ms whether as many replicas are ready and alive as must
// be, and returns how to end it.
func (h *house) sample(readyMin, aliveMax int) (stop func() int) {
	done, ended, n := make(chan struct{}), make(chan struct{}), 0
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			n++
			ready, alive := 0, 0
			for _, s := range h.supervisor.Status() {
				ready += s.Ready
				alive += len(s.Replicas)
			}
			if ready < readyMin || alive > aliveMax {
				h.t.Errorf("%d replicas are ready of %d, want at least %d of at most %d", ready, alive, readyMin, aliveMax)
			}
		}
	}()
	return func() int { close(done); <-ended; return n }
}

func TestUndoGoesBackAfterTheOldVersionIsGone(t *testing.T) {
	h := build(t, Config{Strategy: Rolling}, 2, false, supervise.RollingConfig{MinReady: 100 * time.Millisecond})
	users := h.load(200)
	h.want("v2", "")
	h.ends(PhaseComplete)
	if err := h.controller.Undo("web", "bob", ""); err != nil {
		t.Fatal(err)
	}
	h.eventually("it is undone", func() bool { r := h.release(); return r.Who == "bob (undo)" && r.Phase == PhaseComplete })
	h.eventually("users get the old version", func() bool {
		users.mu.Lock()
		defer users.mu.Unlock()
		return users.last["v1"].After(users.last["v2"])
	})
	if failed := users.end(); len(failed) > 0 {
		t.Errorf("%v", failed)
	}
	h.want("v3", "") // and another release goes on from there
	h.ends(PhaseComplete)
	if got := h.processes(); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestServiceThatIsReleasedFromNowOnKeepsItsEndpoints(t *testing.T) {
	h := build(t, Config{Strategy: Rolling}, 2, false, supervise.RollingConfig{}, plain)
	users := h.load(100)
	if n := len(h.endpoints("")); n != 2 {
		t.Fatalf("%d endpoints without a version", n)
	}
	h.config = Config{Unjudged: true, Steps: []StepConfig{{Weight: 0.5, Gate: true}}}
	h.want("v2", "")
	h.eventually("it waits at the gate", func() bool { r := h.release(); return r != nil && strings.Contains(r.Why, "gate") })
	if r := h.release(); len(h.endpoints(r.Old)) != 2 || len(h.endpoints(r.New)) != 1 {
		t.Errorf("%v and %v", h.endpoints(r.Old), h.endpoints(r.New))
	}
	if err := h.controller.Do("web", CommandAbort, "bob", ""); err != nil {
		t.Fatal(err)
	}
	h.ends(PhaseAborted)
	if failed := users.end(); len(failed) > 0 {
		t.Errorf("%v", failed)
	}
}

// endpoints are those of a version.
func (h *house) endpoints(version string) (addresses []string) {
	for _, e := range h.gateway.Status().Services[0].Endpoints {
		if e.Version == version && e.State == "up" {
			addresses = append(addresses, e.Address)
		}
	}
	return addresses
}
