package policy

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustTimeout(t testing.TB, c TimeoutConfig) *Timeout {
	t.Helper()
	p, err := NewTimeout(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// obedient returns when its context ends.
func obedient(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }

// deaf takes d whatever its context says.
func deaf(d time.Duration) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { time.Sleep(d); return 42, nil }
}

func TestTimeoutEndsASlowCall(t *testing.T) {
	for name, detached := range map[string]bool{"joined": false, "detached": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := mustTimeout(t, TimeoutConfig{Timeout: 50 * time.Millisecond, Detached: detached})
				b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1})
				start := time.Now()
				_, err := Do(t.Context(), Chain(b, p), obedient)
				if took := time.Since(start); took != 50*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				var timeout *TimeoutError
				if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || timeout.After != 50*time.Millisecond || !os.IsTimeout(err) {
					t.Errorf("got %#v", err)
				}
				if want := "timeout: no result within 50ms"; err.Error() != want {
					t.Errorf("got %q, want %q", err, want)
				}
				wantState(t, b, BreakerOpen) // a timeout is a failure
			})
		})
	}
}

func TestTimeoutLeavesAQuickCallAlone(t *testing.T) {
	for _, detached := range []bool{false, true} {
		p := mustTimeout(t, TimeoutConfig{Detached: detached})
		if v, err := Do(t.Context(), p, working); v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		if _, err := Do(t.Context(), p, failing); err != errBoom {
			t.Errorf("got %v, want the function's own error", err)
		}
	}
}

func TestTimeoutTellsTheFunctionWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := Do(t.Context(), mustTimeout(t, TimeoutConfig{Timeout: time.Second}), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, context.Cause(ctx)
		})
		if e, ok := err.(*TimeoutError); !ok || e.Err != nil {
			t.Errorf("got %#v, want the cause itself", err)
		}
	})
}

func TestTimeoutKnowsADeadlineThatIONoticedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &timeoutSetting{TimeoutConfig{Timeout: time.Second}, &TimeoutError{After: time.Second}, &mustTimeout(t, TimeoutConfig{}).expired}
		within := contextWithPassedDeadline{t.Context()}
		r := Result{Err: os.ErrDeadlineExceeded, Class: Failure}
		s.judge(within, &r)
		if !errors.Is(r.Err, ErrTimeout) || !errors.Is(r.Err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", r.Err)
		}
		if want := "timeout: no result within 1s: i/o timeout"; r.Err.Error() != want {
			t.Errorf("got %q, want %q", r.Err, want)
		}
	})
}

// contextWithPassedDeadline is a context whose timer is about to fire.
type contextWithPassedDeadline struct{ context.Context }

func (c contextWithPassedDeadline) Deadline() (time.Time, bool) { return time.Now(), true }

func TestTimeoutGivesWayToTheCallersOwnDeadline(t *testing.T) {
	for _, detached := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := Do(ctx, mustTimeout(t, TimeoutConfig{Timeout: time.Minute, Detached: detached}), func(inner context.Context) (int, error) {
				if !detached && inner != ctx {
					t.Error("a context was made for nothing")
				}
				return obedient(inner)
			})
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) {
				t.Errorf("detached %v: got %v", detached, err)
			}
		})
	}
}

func TestDetachedTimeoutKeepsTheCallersDeadlineThoughTheFunctionIsDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := Do(ctx, mustTimeout(t, TimeoutConfig{Timeout: time.Minute, Detached: true}), deaf(5*time.Second))
		if took := time.Since(start); took != time.Second || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) {
			t.Errorf("got %v after %v", err, took)
		}
		time.Sleep(5 * time.Second)
	})
}

func TestWaitThatATimeoutCutShortIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := policyFunc(func(ctx context.Context, _ Next) Result {
			<-ctx.Done()
			return rejection(ctx, ctx.Err())
		})
		b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1})
		if _, err := Do(t.Context(), Chain(b, mustTimeout(t, TimeoutConfig{}), queue), working); !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v", err)
		}
		wantState(t, b, BreakerOpen)
	})
}

func TestTimeoutIgnoresTheCallersCancel(t *testing.T) {
	for _, detached := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			start := time.Now()
			_, err := Do(ctx, Chain(b, mustTimeout(t, TimeoutConfig{Timeout: time.Minute, Detached: detached})), obedient)
			if !errors.Is(err, context.Canceled) || errors.Is(err, ErrTimeout) || time.Since(start) != time.Second {
				t.Errorf("detached %v: got %v after %v", detached, err, time.Since(start))
			}
			wantState(t, b, BreakerClosed)
		})
	}
}

func TestTimeoutKeepsASuccessThatCameLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, err := Do(t.Context(), mustTimeout(t, TimeoutConfig{Timeout: time.Second}), deaf(5*time.Second))
		if v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
}

func TestDetachedTimeoutReturnsThoughTheFunctionIsDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustTimeout(t, TimeoutConfig{Timeout: 50 * time.Millisecond, Detached: true})
		body, permits := new(closable), new(permits)
		start := time.Now()
		_, ending, err := Open(t.Context(), Chain(p, permits), func(context.Context) (*closable, error) {
			time.Sleep(5 * time.Second)
			return body, nil
		}, nil)
		if took := time.Since(start); took != 50*time.Millisecond || !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v after %v", err, took)
		}
		ending.End(nil)
		permits.want(t, 1)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		permits.want(t, 0, Success)
		if n := p.stragglers.count.Load(); body.closed != 1 || n != 0 {
			t.Errorf("the late result was closed %d times, %d stragglers are left", body.closed, n)
		}
	})
}

func TestDetachedTimeoutBoundsWhatItLeavesBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustTimeout(t, TimeoutConfig{Timeout: 10 * time.Millisecond, Detached: true, AbandonedMax: 3})
		for range 3 {
			if _, err := Do(t.Context(), p, deaf(time.Minute)); !errors.Is(err, ErrTimeout) {
				t.Fatal(err)
			}
		}
		b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1})
		if _, err := Do(t.Context(), Chain(b, p), working); !errors.Is(err, ErrAbandoned) {
			t.Errorf("the fourth call got %v", err)
		}
		wantState(t, b, BreakerClosed) // shed, not failed
		time.Sleep(time.Minute)
		synctest.Wait()
		if v, err := Do(t.Context(), p, working); v != 42 || err != nil {
			t.Errorf("after they returned: got %v, %v", v, err)
		}
	})
}

func TestDetachedTimeoutCarriesAPanicToItsCaller(t *testing.T) {
	p := mustTimeout(t, TimeoutConfig{Detached: true})
	defer func() {
		e, ok := recover().(*Panic)
		if !ok || !errors.Is(e, errBoom) || len(e.Stack) == 0 {
			t.Errorf("got %v", e)
		}
	}()
	_, _ = Do(t.Context(), Chain(p, p), func(context.Context) (int, error) { panic(errBoom) })
	t.Error("no panic")
}

func TestDetachedTimeoutCarriesGoexitToItsCaller(t *testing.T) {
	p := mustTimeout(t, TimeoutConfig{Detached: true})
	returned := false
	onGoroutine(func() {
		_, _ = Do(t.Context(), p, goexit)
		returned = true
	})
	if returned {
		t.Error("the caller went on")
	}
}

func TestPanicAfterTheTimeoutIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kinds []string
		p := mustTimeout(t, TimeoutConfig{Timeout: time.Second, Detached: true, Name: "shop", Observer: Observer(func(e Event) {
			kinds = append(kinds, e.Policy+" "+e.Name+" "+e.Kind)
		}).Only(EventPanic)})
		for _, end := range []func(){func() { panic("late") }, runtime.Goexit} {
			if _, err := Do(t.Context(), p, func(context.Context) (int, error) {
				time.Sleep(2 * time.Second)
				end()
				return 0, nil
			}); !errors.Is(err, ErrTimeout) {
				t.Error(err)
			}
		}
		_, _, _ = Open(t.Context(), p, deaf(2*time.Second), func(int) { panic("close") })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"timeout shop panic", "timeout shop panic"}, kinds); diff != "" {
			t.Error(diff)
		}
		if n := p.stragglers.count.Load(); n != 0 {
			t.Errorf("%d stragglers are left", n)
		}
	})
}

func TestTimeoutOfAnOpenCallLastsUntilItsEnd(t *testing.T) {
	for _, detached := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := mustTimeout(t, TimeoutConfig{Timeout: time.Second, Detached: detached})
			inner := func(ctx context.Context) (context.Context, error) { return ctx, nil }

			ctx, ending, err := Open(t.Context(), p, inner, nil)
			if err != nil || ctx.Err() != nil {
				t.Fatalf("got %v; the context ended with %v", err, ctx.Err())
			}
			time.Sleep(time.Second - 1)
			if ctx.Err() != nil {
				t.Error("the context ended before its time")
			}
			ending.End(nil)
			if !errors.Is(ctx.Err(), context.Canceled) {
				t.Error("the context outlives the call")
			}

			ctx, ending, _ = Open(t.Context(), p, inner, nil)
			time.Sleep(2 * time.Second)
			if !errors.Is(context.Cause(ctx), ErrTimeout) {
				t.Errorf("a stream beyond its time sees %v", context.Cause(ctx))
			}
			ending.End(ctx.Err())
		})
	}
}

func TestTimeoutWithinRetryIsPerTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		p := Chain(mustRetry(t, plain(2)), mustTimeout(t, TimeoutConfig{Timeout: time.Second}))
		v, err := Do(t.Context(), p, func(ctx context.Context) (int, error) {
			if tries++; tries < 3 {
				return obedient(ctx)
			}
			return 42, nil
		})
		if v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
}

func TestTimeoutSet(t *testing.T) {
	p := mustTimeout(t, TimeoutConfig{Detached: true})
	if Chain(p).Joins() || !Chain(mustTimeout(t, TimeoutConfig{})).Joins() {
		t.Error("calls must be pooled with a joined timeout and not with a detached one")
	}
	if diff := cmp.Diff([]string{"detached"}, fields(p.Set(TimeoutConfig{}))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"timeout", "abandonedMax", "runningMax"}, fields(p.Set(TimeoutConfig{Timeout: -1, AbandonedMax: -1, RunningMax: -1}))); diff != "" {
		t.Error(diff)
	}
	if _, err := NewTimeout(TimeoutConfig{Timeout: -1}); err == nil {
		t.Error("a bad configuration made a Timeout")
	}
	synctest.Test(t, func(t *testing.T) {
		p := mustTimeout(t, TimeoutConfig{})
		if err := p.Set(TimeoutConfig{Timeout: time.Second}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, _ = Do(t.Context(), p, obedient); time.Since(start) != time.Second {
			t.Errorf("it took %v", time.Since(start))
		}
	})
}

func TestTimeoutCountsTheStreamThatItBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, detached := range []bool{false, true} {
			var told []string
			p := mustTimeout(t, TimeoutConfig{Timeout: time.Second, Detached: detached, Observer: func(e Event) { told = append(told, e.Kind) }})
			for _, c := range []struct {
				takes time.Duration
				end   error
				want  uint64
			}{{0, errBoom, 0}, {2 * time.Second, nil, 0}, {2 * time.Second, errBoom, 1}} {
				_, ending, err := Open(t.Context(), p, working, nil)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.takes)
				ending.End(c.end)
				if s := p.Status(); s.Expired != c.want || len(told) != int(c.want) {
					t.Errorf("detached %v, %v after %v: %+v, told %v", detached, c.end, c.takes, s, told)
				}
			}
		}
	})
}

// TestDetachedFunctionsAreBoundedWhateverComesAtOnce has calls that all hang
// begin together: none has been abandoned yet as the others begin.
func TestDetachedFunctionsAreBoundedWhateverComesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 20
		p := mustTimeout(t, TimeoutConfig{Timeout: time.Second, Detached: true, AbandonedMax: 3, RunningMax: most})
		hold := make(chan struct{})
		var running, refused, late atomic.Int64
		call := func() {
			_, err := Do(t.Context(), p, func(context.Context) (int, error) {
				running.Add(1)
				defer running.Add(-1)
				<-hold
				return 0, nil
			})
			switch {
			case errors.Is(err, ErrRunning):
				refused.Add(1)
			case errors.Is(err, ErrTimeout):
				late.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		}
		for range 500 {
			go call()
		}
		time.Sleep(2 * time.Second)
		if n := running.Load(); n != most || late.Load() != most || refused.Load() != 500-most {
			t.Errorf("%d functions go on, %d calls were late and %d refused", n, late.Load(), refused.Load())
		}
		if s := p.Status(); s.Stragglers != most || s.Running != most || s.Rejected != 500-most {
			t.Errorf("%+v", s)
		}
		if _, err := Do(t.Context(), p, working); !errors.Is(err, ErrAbandoned) {
			t.Errorf("beyond the abandoned: %v", err)
		}
		close(hold)
		synctest.Wait()
		if v, err := Do(t.Context(), p, working); v != 42 || err != nil || p.Status().Running != 0 {
			t.Errorf("healed: %v, %v, %+v", v, err, p.Status())
		}
	})
}
