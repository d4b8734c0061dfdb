package rollout

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/internal/supervise"
)

// gated is a release that waits at a gate with half of the requests.
var gated = Config{Unjudged: true, Steps: []StepConfig{{Weight: 0.5, Gate: true}}}

// away takes a folder away, so that nothing can be written into it, and returns
// how to bring it back.
func away(t *testing.T, dir string) (back func()) {
	t.Helper()
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(dir, dir+".gone")
	return func() { move(dir+".gone", dir) }
}

func folder(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "releases")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// atGate releases v2 up to its gate.
func atGate(t *testing.T, c *Controller) {
	t.Helper()
	if err := c.Apply([]supervise.Config{template("v2")}, map[string]Config{"web": gated}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * yardTime)
	if r := c.Status()[0].Release; !strings.Contains(r.Why, "gate") {
		t.Fatalf("%+v", r)
	}
}

func TestReleaseWaitsForTheDiskButAnAbortDoesNot(t *testing.T) {
	dir := folder(t)
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		c := run(t, t.Context(), dir, y, gated, "v1")
		atGate(t, c)
		back := away(t, dir)
		if err := c.Do("web", CommandPromote, "ada", ""); !errors.Is(err, ErrUnwritten) || strings.Contains(err.Error(), "done, but") {
			t.Errorf("a promotion: %v", err)
		}
		time.Sleep(5 * yardTime)
		if n := len(y.shared().Versions); y.shared().Versions[n-1].Share != 0.5 {
			t.Errorf("it went on without being written down: %+v", y.shared())
		}
		if err := c.Do("web", CommandAbort, "ada", ""); !errors.Is(err, ErrUnwritten) || !strings.HasPrefix(err.Error(), "done, but not written down: ") {
			t.Errorf("an abort: %v", err)
		}
		if len(y.shared().Versions) != 1 {
			t.Errorf("the abort waits for the disk: %+v", y.shared())
		}
		back()
		time.Sleep(5 * yardTime)
		if r := c.Status()[0].Release; r.Phase != PhaseAborted {
			t.Errorf("%+v", r)
		}
	})
}

func TestServiceRunsAfterARestartThatCannotWrite(t *testing.T) {
	dir := folder(t)
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		ctx, stop := context.WithCancel(t.Context())
		atGate(t, run(t, ctx, dir, y, gated, "v1"))
		stop()
		synctest.Wait()
		y.lose() // all died with it
		y.revive()

		c, err := NewController(Options{Dir: dir, Processes: y, Traffic: y})
		if err != nil {
			t.Fatal(err)
		}
		back := away(t, dir)
		if err := c.Apply([]supervise.Config{template("v2")}, map[string]Config{"web": gated}); err != nil {
			t.Error(err)
		}
		go func() { _ = c.Serve(t.Context()) }()
		time.Sleep(5 * yardTime)
		r := c.Status()[0].Release
		if len(y.replicas("web")) != 3 || len(y.replicas("web."+r.New)) != 2 {
			t.Errorf("%v run", y.running())
		}
		back()
		if err := c.Do("web", CommandPromote, "ada", ""); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		if r := c.Status()[0].Release; r.Phase != PhaseComplete {
			t.Errorf("%+v", r)
		}
	})
}

func TestFullDiskIsToldOnce(t *testing.T) {
	dir := folder(t)
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		c, err := NewController(Options{Dir: dir, Processes: y, Traffic: y, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Apply([]supervise.Config{template("v1")}, map[string]Config{"web": gated}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = c.Serve(ctx) }()
		time.Sleep(2 * yardTime)
		atGate(t, c)
		back := away(t, dir)
		_ = c.Do("web", CommandPromote, "ada", "")
		time.Sleep(time.Minute)
		back()
		time.Sleep(time.Second)
		stop()
		synctest.Wait()
	})
	if told, healed := strings.Count(log.String(), "level=ERROR"), strings.Count(log.String(), "a release stands still: no longer"); told != 1 || healed != 1 {
		t.Errorf("told %d times, and %d times that it is over:\n%s", told, healed, log.String())
	}
}

// TestAbortWaitsForNothing holds what the loop holds while it works, and what is
// held while a record is written.
func TestAbortWaitsForNothing(t *testing.T) {
	for _, hold := range []string{"the loop works", "a record is being written"} {
		for _, command := range []string{"abort", "undo"} {
			t.Run(command+" while "+hold, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					y := newYard()
					c := run(t, t.Context(), t.TempDir(), y, gated, "v1")
					atGate(t, c)
					var mu sync.Locker = &c.mu
					if hold != "the loop works" {
						mu = &c.services["web"].turn
					}
					mu.Lock()
					ended := make(chan error, 1)
					go func() {
						if command == "abort" {
							ended <- c.Do("web", CommandAbort, "bob", "")
						} else {
							ended <- c.Undo("web", "bob", "")
						}
					}()
					for range 1_000_000 { // made time does not pass while a mutex is waited for
						if len(y.shared().Versions) == 1 {
							break
						}
						runtime.Gosched()
					}
					if n := len(y.shared().Versions); n != 1 {
						t.Errorf("requests still go to %d versions", n)
					}
					if mu != &c.mu {
						c.EndpointsChanged("web", nil) // nor do others
					}
					mu.Unlock()
					if err := <-ended; err != nil {
						t.Error(err)
					}
					time.Sleep(5 * yardTime)
					if r := c.Status()[0].Release; r.Phase != PhaseAborted || y.shared() != nil {
						t.Errorf("%+v with %+v", r, y.shared())
					}
				})
			})
		}
	}
}

func TestAbortOfAReleaseThatIsOverLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		c := run(t, t.Context(), t.TempDir(), y, gated, "v1")
		atGate(t, c)
		c.backs.mu.Lock()
		stale := c.backs.ready["web"]
		c.backs.mu.Unlock()
		if err := c.Do("web", CommandFinish, "ada", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		c.backs.prepare("web", stale) // as if it had been asked for a moment earlier
		if err := c.Do("web", CommandAbort, "bob", ""); !errors.Is(err, ErrCommand) {
			t.Errorf("aborted what is complete: %v", err)
		}
		time.Sleep(time.Second)
		if y.shared() != nil {
			t.Errorf("users get %+v", y.shared())
		}
	})
}

func TestRecordsAreFoundInAnyFolderAndLeftoversAreRemoved(t *testing.T) {
	s := store(filepath.Join(t.TempDir(), "a[b"))
	if err := os.Mkdir(string(s), 0o700); err != nil {
		t.Fatal(err)
	}
	p := template("v1").WithDefaults()
	r := &Record{Service: "web", Stable: Version{"a", "web", p}, Wanted: p}
	left := filepath.Join(string(s), ".release-123")
	if err := errors.Join(s.write(r.Service, r.encode()), os.WriteFile(left, []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	all, err := s.read(func(err error) { t.Error(err) })
	if err != nil || all["web"] == nil {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a killed write has left is still there")
	}
}
