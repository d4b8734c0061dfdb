package defects

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/eapache/go-resiliency/deadline"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	sloktimeout "github.com/slok/goresilience/timeout"
)

var callBehaviours = []behaviour{
	{"A bulkhead gets its place back from a call that panics or exits", put(bulkheadKeeps, faults{
		"failsafe": "is full for ever",
	}, maker[doer]{library: afloat, make: afloatBulkhead}, maker[doer]{library: "failsafe", make: failsafeBulkhead})},
	{"A caller gets away in time from a function that ignores its context", put(deafFunction, faults{
		"failsafe": "waits for the function",
	}, timeouts...)},
	{"A timeout leaves nothing running once its function has returned", put(leftBehind, faults{
		"goresilience": "leaves a goroutine a call for ever",
	}, timeouts...)},
	{"The caller of a function that panics under a timeout can recover", put(survives, faults{
		"eapache":      "ends the process",
		"goresilience": "ends the process",
	}, scenes("timeout ", afloat, "eapache", "failsafe", "goresilience")...)},
	{"The caller of a function that panics in a hedge can recover", put(survives, faults{
		"failsafe": "ends the process",
	}, scenes("hedge ", afloat, "failsafe")...)},
	{"A breaker's callback that panics does not end the process", put(survives, faults{
		"failsafe": "ends the process",
	}, scenes("callback ", afloat, "failsafe", "gobreaker", "mercari", "sentinel")...)},
}

// doer makes calls under a policy of any make.
type doer func(call func()) error

func afloatDoer(p policy.Policy) doer {
	return func(call func()) error {
		_, err := policy.Do(context.Background(), p, func(context.Context) (any, error) { call(); return nil, nil })
		return err
	}
}

func failsafeDoer(p failsafe.Policy[any]) doer {
	executor := failsafe.With(p)
	return func(call func()) error { return executor.Run(func() error { call(); return nil }) }
}

// must returns the value of a constructor.
func must[T any](tb testing.TB) func(T, error) T {
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func afloatBulkhead(tb testing.TB) doer {
	return afloatDoer(must[*policy.Bulkhead](tb)(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 1})))
}

func failsafeBulkhead(testing.TB) doer { return failsafeDoer(bulkhead.New[any](1)) }

func bulkheadKeeps(_ *testing.T, do doer) string {
	for how, end := range map[string]func(){"panicked": func() { panic("call") }, "exited": runtime.Goexit} {
		var caller sync.WaitGroup
		caller.Go(func() {
			defer func() { _ = recover() }()
			_ = do(end)
		})
		caller.Wait()
		if err := do(func() {}); err != nil {
			return fmt.Sprintf("after a call that %s: %v", how, err)
		}
	}
	return ""
}

// limit is what the timeouts of the tests give.
const limit = 20 * time.Millisecond

var timeouts = []maker[doer]{
	{library: afloat, make: afloatTimeout},
	{library: "eapache", make: eapacheTimeout},
	{library: "failsafe", make: failsafeTimeout},
	{library: "goresilience", make: goresilienceTimeout},
}

func afloatTimeout(tb testing.TB) doer {
	return afloatDoer(must[*policy.Timeout](tb)(policy.NewTimeout(policy.TimeoutConfig{Timeout: limit, Detached: true})))
}

func eapacheTimeout(testing.TB) doer {
	d := deadline.New(limit)
	return func(call func()) error { return d.Run(func(<-chan struct{}) error { call(); return nil }) }
}

func failsafeTimeout(testing.TB) doer { return failsafeDoer(timeout.New[any](limit)) }

func goresilienceTimeout(testing.TB) doer {
	runner := sloktimeout.New(sloktimeout.Config{Timeout: limit})
	return func(call func()) error {
		return runner.Run(context.Background(), func(context.Context) error { call(); return nil })
	}
}

func deafFunction(_ *testing.T, do doer) string {
	end, back := make(chan struct{}), make(chan struct{})
	defer func() { close(end); <-back }()
	go func() {
		defer close(back)
		_ = do(func() { <-end })
	}()
	select {
	case <-back:
		return ""
	case <-time.After(100 * limit):
		return fmt.Sprintf("a limit of %v, and the caller is not back after %v", limit, 100*limit)
	}
}

func leftBehind(_ *testing.T, do doer) string {
	const calls = 50
	before := runtime.NumGoroutine()
	end := make(chan struct{})
	var callers sync.WaitGroup
	for range calls {
		callers.Go(func() { _ = do(func() { <-end }) })
	}
	time.Sleep(3 * limit) // whoever gets away, has by now
	close(end)
	callers.Wait()
	left := 0
	for range 100 {
		if left = runtime.NumGoroutine() - before; left < calls/2 {
			return ""
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Sprintf("%d goroutines are left of %d calls", left, calls)
}

// sceneOf tells the program of the tests which scene to play instead of them.
const sceneOf = "DEFECTS_SCENE"

// scenes are the makers of scenes of a kind.
func scenes(kind string, libraries ...string) []maker[string] {
	var makers []maker[string]
	for _, library := range libraries {
		makers = append(makers, maker[string]{library: library, make: func(testing.TB) string { return kind + library }})
	}
	return makers
}

const curtain = "the process lives on"

// survives plays a scene in a process of its own.
func survives(t *testing.T, scene string) string {
	cmd := exec.Command(os.Args[0], "-test.run=^TestPlayScene$")
	cmd.Env = append(os.Environ(), sceneOf+"="+scene)
	out, err := cmd.CombinedOutput()
	text := string(out)
	if strings.Contains(text, curtain) && err == nil {
		return ""
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("%v: %s", err, text)
	return ""
}

// TestPlayScene plays the scene that the process was started for. Its caller
// recovers from whatever panics in it.
func TestPlayScene(t *testing.T) {
	kind, library, ok := strings.Cut(os.Getenv(sceneOf), " ")
	if !ok {
		t.Skip("is run by other tests, in a process of its own")
	}
	func() {
		defer func() { _ = recover() }()
		stage(t, kind, library)
	}()
	time.Sleep(5 * limit) // a process that somebody else's panic ends, ends now
	fmt.Println(curtain)
}

func stage(t *testing.T, kind, library string) {
	bang := func() { panic("bang") }
	switch kind {
	case "timeout":
		for _, m := range timeouts {
			if m.library == library {
				_ = m.make(t)(bang)
			}
		}
	case "hedge":
		do := failsafeDoer(hedgepolicy.NewWithDelay[any](limit))
		if library == afloat {
			do = afloatDoer(must[*policy.Hedge](t)(policy.NewHedge(policy.HedgeConfig{Delay: limit})))
		}
		_ = do(bang)
	case "callback":
		opens(breakers(library)[0].make(t)(breakerSpec{probes: 1, onChange: bang}))
	}
}
