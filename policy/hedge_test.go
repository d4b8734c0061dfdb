package policy

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustHedge(t testing.TB, c HedgeConfig) *Hedge {
	t.Helper()
	h, err := NewHedge(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// unbounded is a hedge without a budget.
func unbounded(extra int) HedgeConfig {
	return HedgeConfig{Delay: 100 * time.Millisecond, Max: extra, Budget: BudgetConfig{Off: true}}
}

// afterLosers waits until losers that ignore their context have returned, too:
// the bubble's clock stops with the test.
func afterLosers() {
	time.Sleep(time.Hour)
	synctest.Wait()
}

// inTries runs the function of each try's number, from 0.
func inTries[T any](fns ...func(context.Context) (T, error)) func(context.Context) (T, error) {
	var n atomic.Int64
	return func(ctx context.Context) (T, error) { return fns[n.Add(1)-1](ctx) }
}

func TestHedgeLeavesAQuickCallAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := mustHedge(t, unbounded(1))
		if v, err := Do(t.Context(), h, inTries(deaf(99*time.Millisecond))); v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		if _, err := Do(t.Context(), h, inTries(failing)); err != errBoom {
			t.Errorf("got %v: a failure is for a retry to repeat", err)
		}
	})
}

func TestHedgeTakesTheFirstSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var cancelled atomic.Bool
		v, err := Do(t.Context(), mustHedge(t, unbounded(1)), inTries(
			func(ctx context.Context) (string, error) {
				<-ctx.Done()
				cancelled.Store(true)
				return "", ctx.Err()
			},
			func(context.Context) (string, error) { time.Sleep(10 * time.Millisecond); return "second", nil },
		))
		if took := time.Since(start); v != "second" || err != nil || took != 110*time.Millisecond {
			t.Errorf("got %q, %v after %v", v, err, took)
		}
		synctest.Wait()
		if !cancelled.Load() {
			t.Error("the loser was not cancelled")
		}
	})
}

func TestHedgeStartsEachTryADelayAfterTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer afterLosers()
		var mu sync.Mutex
		var starts []time.Duration
		begin := time.Now()
		_, _ = Do(t.Context(), mustHedge(t, unbounded(3)), func(context.Context) (int, error) {
			mu.Lock()
			starts = append(starts, time.Since(begin))
			mu.Unlock()
			return deaf(time.Second)(t.Context())
		})
		mu.Lock()
		defer mu.Unlock()
		const ms = time.Millisecond
		if diff := cmp.Diff([]time.Duration{0, 100 * ms, 200 * ms, 300 * ms}, starts); diff != "" {
			t.Error(diff)
		}
	})
}

func TestHedgeClosesLoser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, quick, p := new(closable), new(closable), new(permits)
		v, ending, err := Open(t.Context(), Chain(mustHedge(t, unbounded(1)), p), inTries(
			func(context.Context) (*closable, error) { time.Sleep(time.Second); return slow, nil },
			func(context.Context) (*closable, error) { return quick, nil },
		), nil)
		if v != quick || err != nil {
			t.Fatalf("got %v, %v", v, err)
		}
		p.want(t, 2)
		time.Sleep(time.Second)
		synctest.Wait()
		if slow.closed != 1 || quick.closed != 0 {
			t.Errorf("the loser was closed %d times, the winner %d", slow.closed, quick.closed)
		}
		p.want(t, 1, Success)
		ending.End(nil)
		p.want(t, 0, Success, Success)
	})
}

func TestHedgeKeepsTheWinnersContextUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first context.Context
		ctx, ending, err := Open(t.Context(), mustHedge(t, unbounded(1)), inTries(
			func(ctx context.Context) (context.Context, error) { first = ctx; <-ctx.Done(); return nil, ctx.Err() },
			func(ctx context.Context) (context.Context, error) { return ctx, nil },
		), nil)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if first.Err() == nil || ctx.Err() != nil {
			t.Errorf("loser's context: %v, winner's: %v", first.Err(), ctx.Err())
		}
		ending.End(nil)
		if ctx.Err() == nil {
			t.Error("the winner's context outlives the call")
		}
	})
}

func TestHedgeWaitsForTheOtherWhenOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer afterLosers()
		slowFailure := func(d time.Duration, err error) func(context.Context) (int, error) {
			return func(context.Context) (int, error) { time.Sleep(d); return 0, err }
		}
		v, err := Do(t.Context(), mustHedge(t, unbounded(1)), inTries(slowFailure(150*time.Millisecond, errBoom), deaf(time.Second)))
		if v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		last := errors.New("last")
		if _, err := Do(t.Context(), mustHedge(t, unbounded(1)), inTries(slowFailure(150*time.Millisecond, errBoom), slowFailure(time.Second, last))); err != errBoom {
			t.Errorf("when all fail: got %v, want the first failure", err)
		}
		shed := &Rejected{Policy: "bulkhead", Reason: errors.New("full")}
		if _, err := Do(t.Context(), mustHedge(t, unbounded(1)), inTries(slowFailure(150*time.Millisecond, last), slowFailure(0, shed))); err != last {
			t.Errorf("got %v, want the failure rather than that the hedge was shed", err)
		}
	})
}

func TestHedgeKeepsWithinItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer afterLosers()
		h := mustHedge(t, HedgeConfig{Delay: 10 * time.Millisecond, Budget: BudgetConfig{MinPerSecond: -1}})
		var tries atomic.Int64
		for range 2000 {
			_, _ = Do(t.Context(), h, func(context.Context) (int, error) {
				tries.Add(1)
				return deaf(20 * time.Millisecond)(t.Context())
			})
		}
		if extra := tries.Load() - 2000; extra < 80 || extra > 110 {
			t.Errorf("%d more tries for 2000 slow calls, want about 5%%", extra)
		}
	})
}

func TestHedgeStopsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(150*time.Millisecond, cancel)
		var tries atomic.Int64
		_, err := Do(ctx, Chain(mustHedge(t, unbounded(5)), b), func(ctx context.Context) (int, error) {
			tries.Add(1)
			return obedient(ctx)
		})
		if !errors.Is(err, context.Canceled) || tries.Load() != 2 {
			t.Errorf("got %v after %d tries", err, tries.Load())
		}
		wantState(t, b, BreakerClosed)
	})
}

func TestHedgeStartsNothingForACallerThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(150*time.Millisecond, cancel)
		defer afterLosers()
		if v, err := Do(ctx, mustHedge(t, unbounded(5)), inTries(deaf(time.Second), deaf(time.Second))); v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
}

func TestHedgeClosesAFailureThatASuccessReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed, good := new(closable), new(closable)
		chain := Chain(mustHedge(t, unbounded(1))).Classified(func(_ context.Context, v any, _ error) (Class, time.Duration) {
			if v == failed {
				return Failure, 0
			}
			return Success, 0
		})
		v, err := Do(t.Context(), chain, inTries(
			func(context.Context) (*closable, error) { time.Sleep(150 * time.Millisecond); return failed, nil },
			func(context.Context) (*closable, error) { time.Sleep(100 * time.Millisecond); return good, nil },
		))
		if v != good || err != nil || failed.closed != 1 || good.closed != 0 {
			t.Errorf("got %v, %v; closed %d and %d times", v, err, failed.closed, good.closed)
		}
	})
}

func TestLosersCancellationIsNobodysFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1})
		if v, err := Do(t.Context(), Chain(mustHedge(t, unbounded(1)), b), inTries(obedient, working)); v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		synctest.Wait()
		wantState(t, b, BreakerClosed)
	})
}

func TestPanicInAHedgeReachesTheCaller(t *testing.T) {
	for name, fn := range map[string]func(context.Context) (int, error){
		"first":  inTries(func(context.Context) (int, error) { panic("boom") }),
		"second": inTries(obedient, panicking),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1})
				defer func() {
					if e, ok := recover().(*Panic); !ok || e.Value != "boom" {
						t.Errorf("got %v", e)
					}
					synctest.Wait()
					wantState(t, b, BreakerOpen)
				}()
				_, _ = Do(t.Context(), Chain(mustHedge(t, unbounded(1)), b), fn)
				t.Error("no panic")
			})
		})
	}
}

func TestPanicDiscardsWhatTheHedgeHadKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept, p := new(closable), new(permits)
		failure := func(context.Context, any, error) (Class, time.Duration) { return Failure, 0 }
		chain := Chain(mustHedge(t, unbounded(1)), p).Classified(failure)
		defer func() {
			if _, ok := recover().(*Panic); !ok {
				t.Error("no panic")
			}
			synctest.Wait()
			if kept.closed != 1 {
				t.Errorf("closed %d times", kept.closed)
			}
		}()
		_, _, _ = Open(t.Context(), chain, inTries(
			func(context.Context) (*closable, error) { time.Sleep(150 * time.Millisecond); return kept, nil },
			func(context.Context) (*closable, error) { time.Sleep(100 * time.Millisecond); panic("boom") },
		), nil)
	})
}

func TestLosersPanicIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kinds []string
		c := unbounded(1)
		c.Observer = Observer(func(e Event) { kinds = append(kinds, e.Policy+" "+e.Kind) }).Only(EventPanic)
		h := mustHedge(t, c)
		v, err := Do(t.Context(), h, inTries(func(ctx context.Context) (int, error) { <-ctx.Done(); panic("late") }, working))
		if v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"hedge panic"}, kinds); diff != "" {
			t.Error(diff)
		}
		if n := h.stragglers.count.Load(); n != 0 {
			t.Errorf("%d stragglers are left", n)
		}
	})
}

func TestHedgeStopsWhenTooManyLosersAreDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := mustHedge(t, unbounded(1))
		h.stragglers.count.Store(hedgeStragglersMax)
		if v, err := Do(t.Context(), h, inTries(deaf(time.Second))); v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		h.stragglers.count.Store(0)
		if v, err := Do(t.Context(), h, inTries(deaf(time.Second), working)); v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		if n := h.stragglers.count.Load(); n != 1 {
			t.Errorf("%d stragglers, want the deaf loser", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := h.stragglers.count.Load(); n != 0 {
			t.Errorf("%d stragglers are left", n)
		}
	})
}

func TestHedgeSet(t *testing.T) {
	h := mustHedge(t, HedgeConfig{Max: -1})
	if Chain(h).Joins() {
		t.Error("calls are pooled though a loser may outlive them")
	}
	synctest.Test(t, func(t *testing.T) {
		if v, err := Do(t.Context(), h, inTries(deaf(time.Minute))); v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
	if err := h.Set(unbounded(1)); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		defer afterLosers()
		if v, err := Do(t.Context(), h, inTries(deaf(time.Minute), working)); v != 42 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
	err := h.Set(HedgeConfig{Delay: -1, Max: 11, Budget: BudgetConfig{Share: 2}})
	if diff := cmp.Diff([]string{"delay", "max", "budget.share"}, fields(err)); diff != "" {
		t.Error(diff)
	}
	if _, err := NewHedge(HedgeConfig{Delay: -1}); err == nil {
		t.Error("a bad configuration made a Hedge")
	}
}

// TestHedgeUnderTheScheduler has no fake clock: every call ends, and every
// value but the winners' is closed.
func TestHedgeUnderTheScheduler(t *testing.T) {
	h := mustHedge(t, HedgeConfig{Delay: time.Microsecond, Max: 3, Budget: BudgetConfig{Off: true}})
	var opened, closed, won atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				_, ending, err := Open(t.Context(), h, func(context.Context) (int64, error) {
					return opened.Add(1), nil
				}, func(int64) { closed.Add(1) })
				if err != nil {
					t.Error(err)
				}
				won.Add(1)
				ending.End(nil)
			}
		})
	}
	wg.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for opened.Load() != closed.Load()+won.Load() || h.stragglers.count.Load() != 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d opened, %d closed, %d won, %d stragglers", opened.Load(), closed.Load(), won.Load(), h.stragglers.count.Load())
		}
		time.Sleep(time.Millisecond)
	}
}

// ask makes calls that take as long as draw says, one after another, and
// returns how many were made a second time.
func ask(t testing.TB, h *Hedge, calls int, draw func() time.Duration) (hedged int) {
	t.Helper()
	for range calls {
		var tries atomic.Int64
		if _, err := Do(t.Context(), h, func(ctx context.Context) (int, error) {
			if tries.Add(1) > 1 {
				hedged++ // by the one call that runs
			}
			return 1, sleep(ctx, draw())
		}); err != nil {
			t.Fatal(err)
		}
	}
	return hedged
}

func TestHedgeMeasuresItsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		between := func(low, high time.Duration) func() time.Duration {
			return func() time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return low + time.Duration(rng.Int64N(int64(high-low)))
			}
		}
		h := mustHedge(t, HedgeConfig{Delay: time.Minute, Quantile: 0.95})
		ask(t, h, 99, between(0, 100*time.Millisecond))
		if s := h.Status(); s.Measured || s.Delay != time.Minute {
			t.Errorf("too early: %+v", s)
		}
		ask(t, h, 2000, between(0, 100*time.Millisecond))
		if s := h.Status(); !s.Measured || s.Delay < 90*time.Millisecond || s.Delay > 105*time.Millisecond {
			t.Errorf("got %+v, want about 95ms", s)
		}
		ask(t, h, 3000, between(time.Second, 2*time.Second)) // the callee becomes slow
		if s := h.Status(); s.Delay < 1800*time.Millisecond || s.Delay > 2100*time.Millisecond {
			t.Errorf("got %+v, want about 1.95s", s)
		}
		ask(t, h, 3000, between(0, 100*time.Microsecond)) // and quick
		if s := h.Status(); s.Delay != time.Millisecond {
			t.Errorf("got %+v, want the least", s)
		}
	})
}

func TestHedgeRepeatsTheSlowestByQuantile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		var mu sync.Mutex
		draw := func() time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return time.Duration(rng.ExpFloat64() * float64(20*time.Millisecond))
		}
		h := mustHedge(t, HedgeConfig{Quantile: 0.9, Budget: BudgetConfig{Off: true}})
		ask(t, h, 2000, draw)
		if hedged := ask(t, h, 5000, draw); hedged < 350 || hedged > 600 {
			t.Errorf("%d of 5000 calls were hedged, want about a tenth", hedged)
		}
	})
}

func TestHedgeMeasuresNoQuickFailures(t *testing.T) {
	h := mustHedge(t, HedgeConfig{Quantile: 0.9})
	for range 2 * quantileKnown {
		_, _ = Do(t.Context(), h, failing)
		onGoroutine(func() { _, _ = Do(t.Context(), h, panicking) })
	}
	if s := h.Status(); s.Measured {
		t.Errorf("%+v", s)
	}
	wantProblem(t, HedgeConfig{Quantile: 1}.Validate(), "quantile")
}
