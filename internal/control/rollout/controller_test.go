package rollout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

// template is a version of a service.
func template(version string) supervise.Config {
	return supervise.Config{Name: "web", Command: []string{"web", version}, Replicas: 3, Rolling: supervise.RollingConfig{MinReady: time.Millisecond, ProgressDeadline: time.Minute}}
}

// run starts a controller over the yard.
func run(t *testing.T, ctx context.Context, dir string, y *yard, config Config, version string) *Controller {
	t.Helper()
	c, err := NewController(Options{Dir: dir, Processes: y, Traffic: y})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if err := c.Apply([]supervise.Config{template(version)}, map[string]Config{"web": config}); err != nil && !errors.Is(err, errDead) {
			t.Error(err)
		}
		_ = c.Serve(ctx)
	}()
	synctest.Wait()
	return c
}

// TestKilledLoopGoesOn kills the loop at each lever that a release moves, with
// its processes or without them, and once more after that. The next loop ends the
// release, and leaves what must be there and nothing else.
func TestKilledLoopGoesOn(t *testing.T) {
	for name, config := range map[string]Config{
		"rolling":   {Strategy: Rolling},
		"blueGreen": {Strategy: BlueGreen, Steps: []StepConfig{{Hold: time.Second}}, Keep: 2 * time.Second},
		"canary":    {Unjudged: true, Baseline: true, Steps: []StepConfig{{Weight: 0.1, Hold: time.Second}, {Weight: 0.5, Hold: time.Second}}, Keep: 2 * time.Second},
	} {
		for _, abort := range []bool{false, true} {
			for _, processes := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s abort=%v processes=%v", name, abort, processes), func(t *testing.T) {
					died := 0
					for n := 1; ; n++ {
						if !killedAt(t, n, config, abort, processes) {
							break
						}
						died = n
					}
					if died < 4 {
						t.Errorf("the loop died at only %d levers", died)
					}
				})
			}
		}
	}
}

// killedAt reports whether the loop died at the nth lever.
func killedAt(t *testing.T, n int, config Config, abort, processes bool) (died bool) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		ctx, stop := context.WithCancel(t.Context())
		run(t, ctx, dir, y, config, "v1")
		time.Sleep(5 * yardTime)
		stop()
		synctest.Wait()

		ctx, stop = context.WithCancel(t.Context())
		defer stop()
		left := t.TempDir()
		y.deathAt, y.die = y.levers+n, func() {
			if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
				t.Error(err)
			}
		}
		first := run(t, ctx, dir, y, config, "v2")
		if abort {
			time.Sleep(3 * yardTime)
			_ = first.Do("web", CommandAbort, "bob", "") // it may be dead
		}
		time.Sleep(time.Minute)
		stop()
		synctest.Wait()
		if died = y.isDead(); !died {
			return
		}
		y.revive()
		if processes {
			y.lose() // they died as well
		}
		ctx, stop = context.WithCancel(t.Context())
		defer stop()
		second := run(t, ctx, left, y, config, "v2")
		time.Sleep(2 * time.Minute)
		r := second.Status()[0].Release
		if r == nil || !r.Phase.Ended() {
			t.Fatalf("killed at lever %d: it never ends: %+v", n, r)
		}
		want := r.New
		if r.Phase == PhaseAborted {
			want = r.Old
		}
		if v := second.Status()[0].Version; v != want {
			t.Errorf("killed at lever %d: %s, and the version is %s", n, r.Phase, v)
		}
		if got := y.running(); len(got) != 1 || len(y.replicas(got[0])) != 3 || y.shared() != nil || strings.HasSuffix(got[0], r.New) != (r.Phase == PhaseComplete) {
			t.Errorf("killed at lever %d: %s with %v and %+v", n, r.Phase, got, y.shared())
		}
	})
	return died
}

// slowly has a canary at a weight of 5% be asked every twelve seconds for half an
// hour, which is once in four minutes for the new version. Fails says which of its
// requests do. Without asking it has no traffic at all.
func slowly(t *testing.T, ask bool, fails func(i int) bool, then func(c *Controller, errors int)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		ctx, stop := context.WithCancel(t.Context())
		run(t, ctx, dir, y, Config{}, "v1")
		stop()
		synctest.Wait()
		ctx, stop = context.WithCancel(t.Context())
		defer stop()
		c := run(t, ctx, dir, y, Config{Steps: []StepConfig{{Weight: 0.05, Hold: 10 * time.Minute}}}, "v2")
		time.Sleep(10 * time.Second)
		r := c.Status()[0].Release
		news, errors := 0, 0
		for i := range 150 {
			time.Sleep(12 * time.Second)
			if !ask || c.Status()[0].Release.Phase != PhaseStepping {
				continue
			}
			if i%20 != 10 {
				asks(c, r.Old, policy.Success)
				continue
			}
			class := policy.Success
			if fails(news) {
				class = policy.Failure
				errors++
			}
			asks(c, r.New, class)
			news++
		}
		then(c, errors)
	})
}

// TestWithoutEnoughRequestsNothingIsPromotedAndNothingBlamed has no traffic at
// all, and five requests a minute: all good, and some of the canary's not.
func TestWithoutEnoughRequestsNothingIsPromotedAndNothingBlamed(t *testing.T) {
	for name, fails := range map[string]func(int) bool{
		"no traffic": nil, "all succeed": func(int) bool { return false }, "one fails": func(i int) bool { return i == 3 },
	} {
		t.Run(name, func(t *testing.T) {
			slowly(t, fails != nil, fails, func(c *Controller, _ int) {
				r := c.Status()[0].Release
				if r.Phase != PhaseStepping || r.Verdict == nil || r.Verdict.Decision != judge.Inconclusive || !strings.HasPrefix(r.Why, "inconclusive") {
					t.Errorf("%+v", r)
				}
				if err := c.Do("web", CommandFinish, "ada", ""); err != nil { // a person may know better
					t.Error(err)
				}
				time.Sleep(5 * time.Minute)
				if r = c.Status()[0].Release; r.Phase != PhaseComplete {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// TestCanaryThatFailsMostOfTheTimeIsFoundByAHandfulOfRequests has five requests a
// minute. That none of the old version's fails meanwhile says enough.
func TestCanaryThatFailsMostOfTheTimeIsFoundByAHandfulOfRequests(t *testing.T) {
	for name, fails := range map[string]func(int) bool{"all fail": func(int) bool { return true }, "the first succeeds": func(i int) bool { return i > 0 }} {
		t.Run(name, func(t *testing.T) {
			slowly(t, true, fails, func(c *Controller, errors int) {
				if r := c.Status()[0].Release; r.Phase != PhaseAborted || !strings.HasPrefix(r.Why, "the judge: ") || errors > 5 {
					t.Errorf("after %d errors: %+v", errors, r)
				} else {
					t.Logf("after %d errors: %s", errors, r.Why)
				}
			})
		})
	}
}

func TestChangedFileTakesThePlaceOfAReleaseUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		config := Config{Unjudged: true, Steps: []StepConfig{{Weight: 0.5, Gate: true}}, Keep: -1}
		c := run(t, ctx, "", y, config, "v1")
		apply := func(version string) {
			t.Helper()
			if err := c.Apply([]supervise.Config{template(version)}, map[string]Config{"web": config}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * yardTime)
		}
		apply("v1")
		if c.Status()[0].Release != nil {
			t.Fatal("a release of what runs already")
		}
		apply("v2")
		first := c.Status()[0].Release
		if first.Phase != PhaseStepping {
			t.Fatalf("%+v", first)
		}
		apply("v3")
		second := c.Status()[0].Release
		if second.Phase != PhaseStepping || second.Old != first.Old || second.New == first.New {
			t.Errorf("%+v after %+v", second, first)
		}
		apply("v1") // back to what there was
		time.Sleep(5 * yardTime)
		if st := c.Status()[0]; st.Release.Phase != PhaseAborted || st.Version != first.Old || len(y.running()) != 1 {
			t.Errorf("%+v", st.Release)
		}
		scaled := template("v1")
		scaled.Replicas = 5
		if err := c.Apply([]supervise.Config{scaled}, map[string]Config{"web": config}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * yardTime)
		if st := c.Status()[0]; st.Release.ID != second.ID || len(y.replicas("web")) != 5 {
			t.Errorf("more replicas of the same: %+v", y.replicas("web"))
		}
		if err := c.Apply(nil, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * yardTime)
		if got := y.running(); len(got) != 0 || len(c.Status()) != 0 {
			t.Errorf("a removed service: %v", got)
		}
	})
}

func TestHotfixIsReleasedAlthoughNeitherVersionServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		config := Config{Strategy: Rolling}
		c := run(t, t.Context(), "", y, config, "v1")
		time.Sleep(2 * yardTime)
		if err := c.Start("web", new(template("v2")), "ada"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * yardTime)
		y.ruin("web", false)
		y.ruin("web."+c.Status()[0].Release.New, true)
		if err := c.Do("web", CommandAbort, "bob", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * yardTime)
		if r := c.Status()[0].Release; r.Phase != PhaseAborting {
			t.Fatalf("%+v", r)
		}
		if err := c.Apply([]supervise.Config{template("v3")}, map[string]Config{"web": config}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * yardTime)
		if st := c.Status()[0]; st.Release.Phase != PhaseComplete || st.Version != template("v3").Revision() || len(y.running()) != 1 {
			t.Errorf("%+v with %v", st.Release, y.running())
		}
	})
}

func TestNewVersionStaysWhereTheOldOneDoesNotComeBack(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		ctx, stop := context.WithCancel(t.Context())
		c := run(t, ctx, dir, y, Config{Strategy: Rolling}, "v1")
		time.Sleep(2 * yardTime)
		if err := c.Start("web", new(template("v2")), "ada"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * yardTime)
		y.ruin("web", false)
		if err := c.Do("web", CommandAbort, "bob", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		for range 2 { // and so it is after a restart
			st := c.Status()[0]
			if r := st.Release; r.Phase != PhaseAborted || !strings.HasSuffix(r.Why, "the new version stays") || st.Version != r.New || st.Previous != r.Old || r.Weight != 1 {
				t.Errorf("%+v", st)
			}
			if got := y.running(); len(got) != 1 || got[0] != "web."+st.Version || len(y.replicas(got[0])) != 3 {
				t.Errorf("%v run", got)
			}
			stop()
			synctest.Wait()
			ctx, stop = context.WithCancel(t.Context())
			c = run(t, ctx, dir, y, Config{Strategy: Rolling}, "v1")
			time.Sleep(2 * yardTime)
		}
		stop()
	})
}

// TestChangedFileAfterTheEndOfAReleaseGoesOnFromThere changes the file while the
// version before is kept, and while it ends.
func TestChangedFileAfterTheEndOfAReleaseGoesOnFromThere(t *testing.T) {
	for _, phase := range []Phase{PhaseKeeping, PhaseRetiring} {
		t.Run(string(phase), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard()
				config := Config{Unjudged: true, Steps: []StepConfig{{Weight: 0.5, Hold: time.Second}}, Keep: 10 * time.Second}
				c := run(t, t.Context(), "", y, config, "v1")
				want := func(version string) {
					t.Helper()
					if err := c.Apply([]supervise.Config{template(version)}, map[string]Config{"web": config}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(2 * yardTime)
				want("v2")
				for c.Status()[0].Release.Phase != phase {
					time.Sleep(100 * time.Millisecond)
				}
				first := c.Status()[0].Release
				if err := c.Start("web", new(template("v4")), "ada"); phase == PhaseKeeping && (err == nil || !strings.Contains(err.Error(), "afloat rollout promote web")) {
					t.Errorf("a release by hand while the version before is kept: %v", err)
				}
				want("v3")
				want("v2") // and back
				want("v3")
				for range 4 {
					time.Sleep(yardTime)
					if r := c.Status()[0].Release; r.Phase == PhaseAborting || r.Phase == PhaseAborted || r.ID == first.ID && r.Weight != 1 {
						t.Fatalf("%+v", r)
					}
				}
				time.Sleep(20 * yardTime)
				if st := c.Status()[0]; st.Release.Phase != PhaseComplete || st.Release.Old != first.New || st.Version != template("v3").Revision() {
					t.Errorf("%+v", st.Release)
				}
			})
		})
	}
}

// TestFileThatIsTakenBackWhileTheVersionBeforeIsKeptGoesBackAtOnce is the way back
// that it is kept for.
func TestFileThatIsTakenBackWhileTheVersionBeforeIsKeptGoesBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		config := Config{Strategy: BlueGreen, Keep: time.Minute}
		c := run(t, t.Context(), "", y, config, "v1")
		for _, version := range []string{"v2", "v1"} {
			time.Sleep(5 * yardTime)
			if err := c.Apply([]supervise.Config{template(version)}, map[string]Config{"web": config}); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(y.shared().Versions); n != 1 || y.shared().Versions[0].Version != template("v1").Revision() {
			t.Errorf("%+v", y.shared())
		}
		time.Sleep(5 * yardTime)
		if st := c.Status()[0]; st.Release.Phase != PhaseAborted || st.Version != template("v1").Revision() {
			t.Errorf("%+v", st.Release)
		}
	})
}

func TestAbortedVersionIsNotReleasedAgainByARestart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		config := Config{Strategy: Rolling}
		for i, version := range []string{"v1", "v2", "v2"} {
			ctx, stop := context.WithCancel(t.Context())
			c := run(t, ctx, dir, y, config, version)
			time.Sleep(1500 * time.Millisecond)
			if i == 1 {
				if err := c.Do("web", CommandAbort, "bob", ""); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * yardTime)
			}
			if i == 2 {
				if st := c.Status()[0]; st.Release.Phase != PhaseAborted || st.Release.Who != "the configuration" || st.Version != st.Release.Old {
					t.Errorf("%+v", st)
				}
				if err := c.Start("web", nil, "ada"); err != nil { // but by a person
					t.Fatal(err)
				}
				time.Sleep(20 * yardTime)
				if st := c.Status()[0]; st.Release.Phase != PhaseComplete || st.Release.Who != "ada" {
					t.Errorf("%+v", st.Release)
				}
			}
			stop()
			synctest.Wait()
		}
	})
}

func TestHooksAreAskedAndHoldUpNoAbort(t *testing.T) {
	var asked atomic.Int64
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1); r.URL.Path {
		case "/no":
			http.Error(w, "the queue is too long", http.StatusTeapot)
		case "/hang":
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}
	}))
	defer server.Close()
	defer close(hang)
	h := build(t, Config{Strategy: Rolling, Hooks: []HookConfig{{At: HookBefore, URL: server.URL + "/no", FailuresMax: 1, Interval: 10 * time.Millisecond}}}, 1, true, supervise.RollingConfig{MinReady: time.Millisecond})
	h.want("v2", "")
	if r := h.ends(PhaseAborted); r.Why != "the hook "+server.URL+"/no says no: 418 I'm a teapot the queue is too long" || asked.Load() != 2 {
		t.Errorf("after %d calls: %q", asked.Load(), r.Why)
	}
	h.config.Hooks[0].URL = server.URL + "/hang"
	h.want("v3", "")
	h.eventually("the hook is asked", func() bool { return asked.Load() == 3 })
	if err := h.controller.Do("web", CommandAbort, "bob", ""); err != nil {
		t.Fatal(err)
	}
	h.eventually("it is aborted", func() bool { return h.release().Phase == PhaseAborted && h.release().Why == "aborted by bob" })
	h.config.Hooks[0].URL = server.URL + "/yes"
	h.want("v4", "")
	h.ends(PhaseComplete)
}

func TestReasonsShowNoSecretOfAHook(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	at := strings.TrimPrefix(server.URL, "http://")
	h := build(t, Config{Strategy: Rolling, Hooks: []HookConfig{{At: HookBefore, URL: "http://bob:secret@" + at + "/may?key=secret", Interval: 10 * time.Millisecond}}}, 1, true, supervise.RollingConfig{})
	for i, want := range []string{"404 Not Found 404 page not found", "dial tcp " + at + ": connect: connection refused"} {
		if i == 1 {
			server.Close()
		}
		h.want(fmt.Sprintf("v%d", i+2), "")
		if r := h.ends(PhaseAborted); r.Why != "the hook http://"+at+"/may says no: "+want {
			t.Errorf("got %q", r.Why)
		}
	}
}

func TestSeriesOfTheJudgeAreRead(t *testing.T) {
	most := 10.0
	j := soon()
	j.Series = []judge.Series{{Name: "queue", Query: `max(queue{version="$version"})`, Max: &most, Points: 1}}
	h := build(t, Config{Steps: []StepConfig{{Weight: 0.5, Hold: time.Minute}}, Judge: j}, 1, true, supervise.RollingConfig{})
	query := func(expression string) ([]float64, error) {
		if r := h.release(); r != nil && expression == `max(queue{version="`+r.New+`"})` {
			return []float64{99}, nil
		}
		return nil, errors.New("unknown")
	}
	h.query.Store(&query)
	h.want("v2", "")
	if r := h.ends(PhaseAborted); !strings.HasPrefix(r.Why, "the judge: queue: ") {
		t.Errorf("aborted because of %q", r.Why)
	}
}

// TestLoopDoesNotWaitForMetrics has a query that hangs until it is told to end.
func TestLoopDoesNotWaitForMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		var running, most, asked atomic.Int64
		c, err := NewController(Options{Processes: y, Traffic: y, Query: func(ctx context.Context, _ string) ([]float64, error) {
			asked.Add(1)
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		if err != nil {
			t.Fatal(err)
		}
		limit := 1.0
		j := &judge.Config{Series: []judge.Series{{Name: "queue", Query: "queue", Max: &limit}, {Name: "depth", Query: "depth", Max: &limit}}}
		config := Config{Judge: j, Steps: []StepConfig{{Weight: 0.5, Hold: time.Hour}}}
		apply := func(version string) {
			t.Helper()
			if err := c.Apply([]supervise.Config{template(version)}, map[string]Config{"web": config}); err != nil {
				t.Fatal(err)
			}
		}
		apply("v1")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = c.Serve(ctx) }()
		time.Sleep(2 * yardTime)
		apply("v2")
		time.Sleep(time.Minute)
		if asked.Load() < 8 || most.Load() != 1 {
			t.Errorf("asked %d times, %d at a time", asked.Load(), most.Load())
		}
		next := c.Status()[0].Release.New
		began := time.Now()
		for range 20 { // the judge's no comes by the loop
			asks(c, template("v1").Revision(), policy.Success)
			asks(c, next, policy.Failure)
		}
		for c.Status()[0].Release.Phase == PhaseStepping {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(began); took > 2*turnEvery {
			t.Errorf("the abort took %v", took)
		}
		stop()
		<-ended
	})
}

func TestRecordIsReadAsItWasWritten(t *testing.T) {
	s := store(t.TempDir())
	p := template("v1").WithDefaults()
	want := &Record{Service: "web", Stable: Version{"a", "web", p}, Wanted: p, Count: 3,
		Release: New("web-3-b", canary, Version{"a", "web", p}, Version{"b", "web.b", p}, "ada", time.Unix(1e9, 0).UTC())}
	if err := s.write(want.Service, want.encode()); err != nil {
		t.Fatal(err)
	}
	var told error
	all, err := s.read(func(err error) { told = err })
	if err != nil || told != nil {
		t.Fatal(err, told)
	}
	if diff := cmp.Diff(want, all["web"], cmp.AllowUnexported(Release{}, rolling{})); diff != "" && all["web"].Release.now.IsZero() == false {
		t.Error(diff)
	}
	if files, _ := filepath.Glob(string(s) + "/*"); len(files) != 1 {
		t.Errorf("%v", files)
	}
	if err := os.WriteFile(s.path("api"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := s.read(func(err error) { told = err }); err != nil || len(all) != 1 || told == nil || !strings.Contains(told.Error(), "release-api.json is no release") {
		t.Errorf("got %v, %v, %v", all, err, told)
	}
	if err := errors.Join(s.remove("api"), s.remove("web"), s.remove("web")); err != nil {
		t.Error(err)
	}
	if all, err := s.read(func(err error) { t.Error(err) }); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}

func TestCommandsThatMakeNoSenseAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		c := run(t, t.Context(), "", y, Config{Strategy: Rolling}, "v1")
		for what, err := range map[string]error{
			"promote": c.Do("web", CommandPromote, "ada", ""), "of nothing": c.Do("api", CommandAbort, "ada", ""), "undo": c.Undo("web", "ada", ""),
			"the same": c.Start("web", nil, "ada"),
		} {
			if !errors.Is(err, ErrCommand) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := c.Start("api", nil, "ada"); !errors.Is(err, ErrNoService) {
			t.Errorf("%v", err)
		}
		next := template("v2")
		if err := c.Start("web", &next, "ada"); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"a second": c.Start("web", nil, "ada"), "resume": c.Do("web", CommandResume, "ada", ""), "promote": c.Do("web", CommandPromote, "ada", ""), "dance": c.Do("web", "dance", "ada", ""),
		} {
			if err == nil {
				t.Errorf("%s is taken", what)
			}
		}
		if got := slices.Sorted(slices.Values(y.running())); len(got) != 2 {
			t.Errorf("%v", got)
		}
	})
}
