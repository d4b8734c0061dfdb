package rollout

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// ledger is a supervisor that notes what it is told.
type ledger struct {
	sets   map[string]supervise.Config
	scaled map[string]int
}

func (l *ledger) Apply(all []supervise.Config) error {
	l.sets = map[string]supervise.Config{}
	for _, p := range all {
		l.sets[p.Name] = p
	}
	return nil
}

func (l *ledger) Status() (all []supervise.ServiceStatus) {
	for name, p := range l.sets {
		n := p.Replicas
		if s := l.scaled[name]; s > 0 {
			n = s
		}
		all = append(all, supervise.ServiceStatus{Name: name, Desired: n})
	}
	return all
}

func (l *ledger) scale(set string, n int, _ string) error {
	l.scaled[set] = n
	return nil
}

type noTraffic struct{}

func (noTraffic) Supply(string, []gateway.EndpointConfig) {}
func (noTraffic) SetSplit(string, *gateway.Split) error   { return nil }
func (noTraffic) Drain(context.Context, string, string)   {}
func (l *ledger) options(dir string) Options {
	return Options{Dir: dir, Processes: l, Traffic: noTraffic{}, Scale: l.scale}
}

func shop(version string) supervise.Config {
	return supervise.Config{Name: "shop", Command: []string{"/bin/shop", version}, Replicas: 2, Budget: supervise.BudgetConfig{MinAvailable: "50%"}}
}

func TestScaledServiceIsReleasedAsItIs(t *testing.T) {
	dir, l := t.TempDir(), &ledger{scaled: map[string]int{}}
	release := map[string]Config{"shop": {Strategy: Rolling, Unjudged: true}}
	open := func() *Controller {
		c, err := NewController(l.options(dir))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	apply := func(c *Controller, version string) {
		t.Helper()
		if err := c.Apply([]supervise.Config{shop(version)}, release); err != nil {
			t.Fatal(err)
		}
	}
	c := open()
	apply(c, "1")
	if err := c.Scale("shop", 5, "load"); err != nil || l.sets["shop"].Replicas != 5 {
		t.Fatalf("scaled to %d: %v", l.sets["shop"].Replicas, err)
	}
	apply(c, "1") // a reload keeps it
	c = open()    // and so does another Afloat
	apply(c, "1")
	if got := l.sets["shop"]; got.Replicas != 5 || got.Budget.MinAvailable != "50%" {
		t.Errorf("after a restart: %d, budget %+v", got.Replicas, got.Budget)
	}
	if sets, n, ok := c.SetsOf("shop"); !slices.Equal(sets, []string{"shop"}) || n != 5 || !ok {
		t.Errorf("%v with %d, %v", sets, n, ok)
	}

	apply(c, "2")
	if sets, n, _ := c.SetsOf("shop"); len(sets) != 3 || n != 5 {
		t.Errorf("while a release is under way: %v with %d", sets, n)
	}
	if old := l.sets["shop"]; old.Replicas < 4 || old.Budget != (supervise.BudgetConfig{}) {
		t.Errorf("the old version has %d replicas and budget %+v, want 5, or 4 while it rolls, and that of the release", old.Replicas, old.Budget)
	}
	if n := c.services["shop"].Release.full(); n != 5 {
		t.Errorf("the new version is to have %d replicas, want 5", n)
	}
	if err := c.Scale("shop", 7, "load"); err != nil {
		t.Errorf("scaled while a release is under way: %v", err)
	}
	if r := c.services["shop"].Release; r.full() != 7 || r.Old.Process.Replicas != 7 {
		t.Errorf("the versions are to have %d and %d replicas, want 7", r.Old.Process.Replicas, r.full())
	}
	c = open()
	apply(c, "1") // undone
	if err := c.Scale("none", 3, ""); err != nil || l.scaled["none"] != 3 {
		t.Errorf("one that is not released: %v", err)
	}
}

// TestScaledReleaseGoesOnWithAsMany changes the number in the middle of a release,
// up and down, and once more on its way back.
func TestScaledReleaseGoesOnWithAsMany(t *testing.T) {
	for _, config := range []Config{{Strategy: Rolling}, gated, {Strategy: BlueGreen, Keep: 5 * time.Second, Steps: []StepConfig{{Gate: true}}}} {
		for _, abort := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				y := newYard()
				c := run(t, t.Context(), "", y, config, "v1")
				time.Sleep(2 * yardTime)
				if err := c.Start("web", new(template("v2")), "ada"); err != nil {
					t.Fatal(err)
				}
				for _, n := range []int{6, 2, 4} {
					time.Sleep(1500 * time.Millisecond)
					if n == 4 && abort {
						_ = c.Do("web", CommandAbort, "bob", "") // rolled to its end it may be over
					}
					if err := c.Scale("web", n, "load"); err != nil {
						t.Fatal(err)
					}
				}
				_ = c.Do("web", CommandFinish, "ada", "")
				time.Sleep(2 * time.Minute)
				st := c.Status()[0]
				got := y.running()
				if !st.Release.Phase.Ended() || len(got) != 1 || len(y.replicas(got[0])) != 4 {
					t.Errorf("%v, abort %v: %v with %v", config.Strategy, abort, st.Release, got)
				}
			})
		}
	}
}

func TestServiceKeepsItsNumberWhenItIsReleasedForTheFirstTime(t *testing.T) {
	l := &ledger{scaled: map[string]int{}}
	c, err := NewController(l.options(""))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply([]supervise.Config{shop("1")}, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Scale("shop", 6, "load"); err != nil || l.scaled["shop"] != 6 {
		t.Fatalf("%v, %v", l.scaled, err)
	}
	if _, err := c.Process("shop"); err != nil { // it belongs to the Controller from now on
		t.Fatal(err)
	}
	if l.sets["shop"].Replicas != 6 || l.scaled["shop"] != 0 {
		t.Errorf("it runs %d replicas, scaled %v", l.sets["shop"].Replicas, l.scaled)
	}
	if err := c.Scale("shop", 0, "no longer"); err != nil || l.sets["shop"].Replicas != 2 {
		t.Errorf("as the configuration says: %d, %v", l.sets["shop"].Replicas, err)
	}
}
