package policy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBudgetBoundsAmplificationInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustRetry(t, RetryConfig{Attempts: 4, Delay: time.Millisecond, DelayMax: time.Millisecond,
			Budget: BudgetConfig{Share: 0.2, MinPerSecond: -1}})
		load := func(calls int, fn func(context.Context) (int, error)) (tries, refused int) {
			for range calls {
				_, err := Do(t.Context(), r, func(ctx context.Context) (int, error) { tries++; return fn(ctx) })
				if errors.Is(err, ErrBudget) {
					refused++
				}
				time.Sleep(10 * time.Millisecond)
			}
			return tries, refused
		}
		if tries, _ := load(2000, working); tries != 2000 {
			t.Errorf("healthy: %d tries of 2000 calls", tries)
		}
		tries, refused := load(5000, failing)
		if amplification := float64(tries) / 5000; amplification < 1.15 || amplification > 1.25 {
			t.Errorf("in the outage each call became %.2f tries, want about 1.2", amplification)
		}
		if refused == 0 {
			t.Error("nothing was refused for the budget")
		}
		time.Sleep(20 * time.Second)
		load(1000, working)
		recovered := 0
		flaky := func(context.Context) (int, error) {
			if recovered++; recovered%20 == 0 {
				return 0, errBoom
			}
			return 1, nil
		}
		if _, refused := load(1000, flaky); refused != 0 {
			t.Errorf("healed, with one call in 20 failing, %d were refused a repeat", refused)
		}
	})
}

func TestBudgetAllowsAFewRepeatsHoweverLittleTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustRetry(t, RetryConfig{Attempts: 100, Delay: 1, Jitter: JitterNone, Budget: BudgetConfig{MinPerSecond: 3}})
		spent := func() int {
			tries := r.Begin()
			for {
				if _, ok, _ := tries.Again(Failure, 0, 0); !ok {
					return tries.Count() - 1
				}
			}
		}
		if n := spent(); n != 30 {
			t.Errorf("%d repeats at first, want the 30 of 10 s", n)
		}
		if n := spent(); n != 0 {
			t.Errorf("%d repeats on top", n)
		}
		time.Sleep(11 * time.Second)
		if n := spent(); n != 30 {
			t.Errorf("%d repeats 11 s later, want 30 again", n)
		}
	})
}

func TestBudgetOfALateRetryCountsFromItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(24 * time.Hour)
		r := mustRetry(t, RetryConfig{Budget: BudgetConfig{Share: 0.1, MinPerSecond: -1}})
		for range 1000 {
			_ = r.Begin()
			time.Sleep(5 * time.Millisecond)
		}
		n := 0
		for range 1000 {
			tries := Tries{retry: r}
			if _, ok, _ := tries.Again(Failure, 0, 0); ok {
				n++
			}
		}
		if n < 90 || n > 100 {
			t.Errorf("%d repeats after 1000 calls in 5 s, want 100 less what the last tenth rounds off", n)
		}
	})
}

func TestBudgetForgetsOldCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustRetry(t, RetryConfig{Budget: BudgetConfig{Share: 1, MinPerSecond: -1}})
		for range 100 {
			_ = r.Begin()
		}
		tries := Tries{retry: r}
		if _, ok, _ := tries.Again(Failure, 0, 0); !ok {
			t.Error("fresh calls earned no repeat")
		}
		time.Sleep(11 * time.Second)
		tries = Tries{retry: r}
		if _, ok, why := tries.Again(Failure, 0, 0); ok || why != ErrBudget {
			t.Errorf("calls of 11 s ago still earn repeats: %v", why)
		}
	})
}

// TestBudgetIsAShareOfItsWindow changes the traffic without asking for a repeat
// in between: what is left is the share of the calls of the last window, less
// or more those of a tenth of it and those not placed yet.
func TestBudgetIsAShareOfItsWindow(t *testing.T) {
	type spell struct{ lasts, every time.Duration }
	for name, spells := range map[string][]spell{
		"a flood after a day of rest": {{24 * time.Hour, 0}, {10 * time.Second, time.Millisecond}},
		"a calm after an hour's load": {{time.Hour, 10 * time.Millisecond}, {10 * time.Minute, time.Second}},
		"a rest after a flood":        {{10 * time.Second, time.Millisecond}, {11 * time.Second, 0}},
		"few calls after a rest":      {{time.Hour, 0}, {time.Minute, 50 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := BudgetConfig{Share: 0.2, MinPerSecond: 3}
				r, h := mustRetry(t, RetryConfig{Budget: c}), mustHedge(t, HedgeConfig{Budget: c})
				tried := mustHedge(t, HedgeConfig{Budget: c, Delay: time.Hour})
				var calls []time.Duration
				for _, s := range spells {
					for until := now() + s.lasts; now() < until; {
						if s.every == 0 {
							time.Sleep(s.lasts)
							continue
						}
						_, _ = r.Begin(), h.Begin()
						_, _ = Do(t.Context(), tried, working)
						calls = append(calls, now())
						time.Sleep(s.every)
					}
				}
				within := func(d time.Duration) int { return len(calls) - before(calls, now()-d) }
				least := 30 + 0.2*float64(within(9*time.Second)-budgetStride) - 1 // it is rounded down
				most := 30 + 0.2*float64(within(10*time.Second)+budgetStride)
				for by, left := range map[string]float64{"a retry": r.Status().Budget.Left, "a proxy's hedge": h.Status().Budget.Left, "a hedge": tried.Status().Budget.Left} {
					if left < least || left > most {
						t.Errorf("%s has %v repeats left, want %.0f to %.0f", by, left, least, most)
					}
				}
			})
		})
	}
}
