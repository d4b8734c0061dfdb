package rollout

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/supervise"
)

// evict is what the supervisor does of it: the replica ends, and another starts.
func (y *yard) evict(set string, id int) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	for i, r := range y.sets[set].replicas {
		if r.ID == id {
			y.sets[set].replicas[i].Phase, y.sets[set].replicas[i].Since = supervise.PhaseStopping, time.Now()
		}
	}
	y.move(time.Now())
	return nil
}

// guarded runs a controller whose service has a disruption budget, and begins a
// release.
func guarded(t *testing.T, y *yard, config Config, p supervise.Config) *Controller {
	t.Helper()
	c, err := NewController(Options{Processes: y, Traffic: y, Evict: y.evict})
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"v1", "v2"} {
		p.Command = []string{"web", version}
		if err := c.Apply([]supervise.Config{p}, map[string]Config{"web": config}); err != nil {
			t.Fatal(err)
		}
		if version == "v1" {
			go func() { _ = c.Serve(t.Context()) }()
			time.Sleep(5 * yardTime)
		}
	}
	synctest.Wait()
	return c
}

// TestEvictionKeepsToTheBudgetDuringARelease evicts all that it is allowed to at
// every moment of a release: there are never too few.
func TestEvictionKeepsToTheBudgetDuringARelease(t *testing.T) {
	for name, config := range map[string]Config{
		"rolling":   {Strategy: Rolling},
		"blueGreen": {Strategy: BlueGreen, Steps: []StepConfig{{Hold: 5 * time.Second}}, Keep: 5 * time.Second},
		"canary":    {Unjudged: true, Baseline: true, Steps: []StepConfig{{Weight: 0.1, Hold: 5 * time.Second}, {Weight: 0.5, Hold: 5 * time.Second}}, Keep: 5 * time.Second},
	} {
		for _, keep := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s keeps %d of 3", name, keep), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					y := newYard()
					p := template("v1")
					p.Budget = supervise.BudgetConfig{MinAvailable: supervise.IntOrPercent(fmt.Sprint(keep))}
					p.Rolling.MaxSurge, p.Rolling.MaxUnavailable = "1", "0"
					c := guarded(t, y, config, p)
					evicted, refused := 0, 0
					for range 200 { // quarters of a second, while it is the controller that keeps the budget
						if c.Status()[0].Release.Phase.Ended() {
							break
						}
						for _, set := range c.Sets() {
							for _, r := range set.Replicas {
								if r.Phase != supervise.PhaseReady {
									continue
								}
								switch err := c.Evict(versioned(set), r.ID); {
								case err == nil:
									evicted++
								case errors.Is(err, supervise.ErrBudget):
									refused++
								case err != nil && !errors.Is(err, supervise.ErrNoReplica):
									t.Fatal(err)
								}
							}
						}
						ready := 0
						for _, set := range c.Sets() {
							for _, r := range set.Replicas {
								if r.Phase == supervise.PhaseReady && set.Budget != nil {
									ready++
								}
							}
						}
						if ready < keep {
							t.Fatalf("%s: %d replicas are ready, and %d are to be", c.Status()[0].Release.At, ready, keep)
						}
						time.Sleep(yardTime / 4)
						synctest.Wait() // for what the loop does at this moment
					}
					if refused == 0 || name != "rolling" && evicted == 0 {
						t.Errorf("%d were evicted, and %d refused", evicted, refused)
					}
				})
			})
		}
	}
}

// TestRollingReleaseAsksNoBudget has a budget of all replicas, and no room for one
// more: the release goes on within its own bounds, as in Kubernetes.
func TestRollingReleaseAsksNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := template("v1")
		p.Budget = supervise.BudgetConfig{MinAvailable: "100%"}
		p.Rolling.MaxSurge, p.Rolling.MaxUnavailable = "0", "1"
		c := guarded(t, newYard(), Config{Strategy: Rolling}, p)
		time.Sleep(time.Minute)
		if r := c.Status()[0].Release; r.Phase != PhaseComplete {
			t.Errorf("%s: %s", r.At, r.Why)
		}
	})
}

func TestServiceKeepsItsNameAfterARelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		c := guarded(t, y, Config{Strategy: BlueGreen, Steps: []StepConfig{{Gate: true}}, Keep: 2 * time.Second}, template("v1"))
		time.Sleep(5 * yardTime)
		r := c.Status()[0].Release

		// While there are two versions, the number alone is not enough.
		if err := c.Evict("web", 2); err == nil || !strings.Contains(err.Error(), "web."+r.Old) || !strings.Contains(err.Error(), "web."+r.New) {
			t.Errorf("of two versions: %v", err)
		}
		if err := c.Evict("web."+r.Old, 2); err != nil {
			t.Errorf("the old version's: %v", err)
		}
		if err := c.Evict("web", 4); err != nil {
			t.Errorf("one that only the old version has: %v", err)
		}
		type named struct{ Service, Version string }
		got := map[named]int{}
		for _, s := range c.Sets() {
			got[named{s.Service, s.Version}] = len(s.Replicas)
		}
		want := map[named]int{{"web", r.Old}: 5, {"web", r.New}: 3} // two of them end
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}

		if err := c.Do("web", CommandPromote, "ada", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * yardTime)
		if err := c.Evict("web", 2); err != nil {
			t.Errorf("after the release: %v", err)
		}
		if err := c.Evict("web", 99); !errors.Is(err, supervise.ErrNoReplica) {
			t.Errorf("there is none: %v", err)
		}
		e := c.Named(supervise.Event{Service: "web." + r.New, Replica: 2, Revision: "of the set"})
		if e.Service != "web" || e.Revision != r.New || e.Replica != 2 {
			t.Errorf("an event of %+v", e)
		}
		if e := c.Named(supervise.Event{Service: "other", Revision: "1"}); e.Service != "other" || e.Revision != "1" {
			t.Errorf("an event of %+v", e)
		}
		all := c.Sets()
		if len(all) != 1 || all[0].Service != "web" || all[0].Version != r.New {
			t.Errorf("%+v", all)
		}
	})
}

func TestBudgetCountsTheVersionThatWouldBeLeft(t *testing.T) {
	for _, test := range []struct {
		r    Release
		want string
	}{
		{Release{Config: Config{Strategy: Rolling}, Phase: PhaseRolling}, "old new"},
		{Release{Config: Config{Strategy: Canary}, Phase: PhaseStepping}, "old"},
		{Release{Config: Config{Strategy: Canary}, Phase: PhaseKeeping, All: true}, "new"},
		{Release{Config: Config{Strategy: Canary}, Phase: PhaseAborting, All: true}, "new"},
		{Release{Config: Config{Strategy: Canary}, Phase: PhaseAborting, All: true, Back: true}, "old"},
		{Release{Config: Config{Strategy: Canary}, Phase: PhaseAborting, Late: true, Stayed: true}, "new"},
	} {
		r := test.r
		r.Old.Set, r.New.Set = "web", "web.new"
		got := []string{}
		for _, set := range []struct{ name, role string }{{r.Old.Set, "old"}, {r.New.Set, "new"}, {baselineSet(r.Old), "baseline"}} {
			if r.serves(set.name) {
				got = append(got, set.role)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s of %s: counts %v, want %s", r.Phase, r.Config.Strategy, got, test.want)
		}
	}
}

// TestSetsOfOldReleasesHaveNamesOfTheirOwn holds that no two sets of a service
// are the same to a store of metrics.
func TestSetsOfOldReleasesHaveNamesOfTheirOwn(t *testing.T) {
	s := newService(Record{Service: "web", Stable: Version{Name: "r3", Set: "web.r3"}})
	s.Release = &Release{Old: s.Stable, New: Version{Name: "r4", Set: "web.r4"}}
	seen := map[string]bool{}
	for _, set := range []string{"web", "web.r2", "web.r2.3", "web.r3", "web.r3.baseline", "web.r4"} {
		if v := s.version(set); seen[v] {
			t.Errorf("%s has the version %s, as another", set, v)
		} else {
			seen[v] = true
		}
	}
}
