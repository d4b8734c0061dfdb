package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// plain is a Retry without chance in it: n repeats, a second apart.
func plain(n int) RetryConfig {
	return RetryConfig{Attempts: n, Backoff: BackoffConstant, Jitter: JitterNone, Delay: time.Second, DelayMax: 10 * time.Second, Budget: BudgetConfig{Off: true}}
}

func TestRetryStopsAtTheFirstSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, tries := time.Now(), 0
		v, err := Do(t.Context(), mustRetry(t, plain(5)), func(context.Context) (int, error) {
			if tries++; tries < 3 {
				return 0, errBoom
			}
			return 42, nil
		})
		if v != 42 || err != nil || tries != 3 || time.Since(start) != 2*time.Second {
			t.Errorf("got %v, %v after %d tries in %v", v, err, tries, time.Since(start))
		}
	})
}

func TestRetryJoinsEveryTrysError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := []error{errors.New("first"), errors.New("second"), errors.New("third")}
		tries := 0
		_, err := Do(t.Context(), mustRetry(t, plain(2)), func(context.Context) (int, error) {
			tries++
			return 0, fmt.Errorf("try: %w", all[tries-1])
		})
		for _, want := range append(all, ErrAttempts) {
			if !errors.Is(err, want) {
				t.Errorf("%v is not in %v", want, err)
			}
		}
		only := &RetryError{Stopped: ErrBudget, Errs: []error{errBoom}}
		if want := "1 try failed (the retry budget is spent); 1: boom"; only.Error() != want {
			t.Errorf("got %q", only)
		}
		if want := "3 tries failed (no attempts are left); 1: try: first; 2: try: second; 3: try: third"; err.Error() != want {
			t.Errorf("got %q", err)
		}
	})
}

func TestRetryLeavesTheOnlyErrorAsItIs(t *testing.T) {
	if _, err := Do(t.Context(), mustRetry(t, RetryConfig{Attempts: -1}), failing); err != errBoom {
		t.Errorf("got %#v", err)
	}
}

func TestRetryNeverRepeatsWhatIsFinal(t *testing.T) {
	for _, class := range []Class{Success, Ignored, Shed} {
		t.Run(class.String(), func(t *testing.T) {
			tries := 0
			p := Chain(mustRetry(t, plain(5))).Classified(func(context.Context, any, error) (Class, time.Duration) { return class, 0 })
			_, err := Do(t.Context(), p, func(context.Context) (int, error) { tries++; return 0, errBoom })
			if tries != 1 || err != errBoom {
				t.Errorf("%d tries, %v", tries, err)
			}
		})
	}
}

func TestRetryStopsWhenTheBreakerOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		p := Chain(mustRetry(t, plain(10)), mustBreaker(t, BreakerConfig{ConsecutiveFailures: 3}))
		_, err := Do(t.Context(), p, func(context.Context) (int, error) { tries++; return 0, errBoom })
		if tries != 3 || !errors.Is(err, ErrOpen) || !errors.Is(err, errBoom) {
			t.Errorf("%d tries, %v", tries, err)
		}
	})
}

// askingToWait fails and asks to be left alone for d.
func askingToWait(d time.Duration) Classifier {
	return func(ctx context.Context, v any, err error) (Class, time.Duration) {
		class, _ := Classify(ctx, v, err)
		return class, d
	}
}

func TestRetryObeysRetryAfterUpToItsCap(t *testing.T) {
	tests := []struct {
		after time.Duration
		tries int
		took  time.Duration
		err   error
	}{
		{after: 0, tries: 2, took: time.Second, err: ErrAttempts},
		{after: time.Millisecond, tries: 2, took: time.Second, err: ErrAttempts},
		{after: 7 * time.Second, tries: 2, took: 7 * time.Second, err: ErrAttempts},
		{after: 10 * time.Second, tries: 2, took: 10 * time.Second, err: ErrAttempts},
		{after: time.Hour, tries: 1, took: 0, err: ErrRetryAfter},
	}
	for _, test := range tests {
		t.Run(test.after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, tries := time.Now(), 0
				p := Chain(mustRetry(t, plain(1))).Classified(askingToWait(test.after))
				_, err := Do(t.Context(), p, func(context.Context) (int, error) { tries++; return 0, errBoom })
				if took := time.Since(start); tries != test.tries || took != test.took || !errors.Is(err, test.err) || !errors.Is(err, errBoom) {
					t.Errorf("%d tries in %v: %v", tries, took, err)
				}
			})
		})
	}
}

func TestRetryGivesUpAtOnceWhenTheWaitOutlastsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		start, tries := time.Now(), 0
		_, err := Do(ctx, mustRetry(t, plain(5)), func(context.Context) (int, error) { tries++; return 0, errBoom })
		if took := time.Since(start); tries != 2 || took != time.Second || !errors.Is(err, ErrDeadline) {
			t.Errorf("%d tries in %v: %v", tries, took, err)
		}
		if want := "2 tries failed (the wait would outlast the deadline); 1: boom; 2: boom"; err.Error() != want {
			t.Errorf("got %q", err)
		}
	})
}

func TestRetryIsCancelledWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, cancel)
		start := time.Now()
		_, err := Do(ctx, Chain(b, mustRetry(t, plain(5))), failing)
		if took := time.Since(start); took != 300*time.Millisecond || !errors.Is(err, context.Canceled) || !errors.Is(err, errBoom) {
			t.Errorf("after %v: %v", took, err)
		}
		wantState(t, b, BreakerClosed) // the caller gave up; that is nobody's failure
	})
}

// closable counts how often it was closed.
type closable struct{ closed int }

func (c *closable) Close() error { c.closed++; return nil }

func TestRetryClosesTheValueOfAFailedTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []*closable
		onlyLast := func(context.Context, any, error) (Class, time.Duration) {
			if len(all) < 3 {
				return Failure, 0
			}
			return Success, 0
		}
		v, err := Do(t.Context(), Chain(mustRetry(t, plain(5))).Classified(onlyLast), func(context.Context) (*closable, error) {
			all = append(all, new(closable))
			return all[len(all)-1], nil
		})
		if err != nil || v != all[2] || all[0].closed != 1 || all[1].closed != 1 || all[2].closed != 0 {
			t.Errorf("got %v, %v of %v", v, err, all)
		}
	})
}

func TestRetryHandsOnTheLastValueThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		p := Chain(mustRetry(t, plain(2))).Classified(func(context.Context, any, error) (Class, time.Duration) { return Failure, 0 })
		v, err := Do(t.Context(), p, func(context.Context) (int, error) { n++; return n, nil })
		if v != 3 || err != nil {
			t.Errorf("got %v, %v; want the third answer as it came", v, err)
		}
	})
}

func TestTriesWithoutAFunction(t *testing.T) {
	r := mustRetry(t, plain(2))
	tries := r.Begin()
	if wait, ok, why := tries.Again(Failure, 0, 0); wait != time.Second || !ok || why != nil {
		t.Errorf("got %v, %v, %v", wait, ok, why)
	}
	if n := tries.Count(); n != 2 {
		t.Errorf("%d tries, want 2", n)
	}
	if _, ok, why := tries.Again(Failure, 0, -1); ok || why != ErrDeadline {
		t.Errorf("after the deadline: %v, %v", ok, why)
	}
	if _, ok, why := tries.Again(Failure, 0, time.Second); ok || why != ErrDeadline {
		t.Errorf("got %v, %v", ok, why)
	}
	if _, ok, why := tries.Again(Shed, 0, 0); ok || why != nil {
		t.Errorf("got %v, %v", ok, why)
	}
	if err := r.Set(RetryConfig{Attempts: -1}); err != nil {
		t.Fatal(err)
	}
	if _, ok, why := tries.Again(Failure, 0, 0); ok || why != ErrAttempts {
		t.Errorf("after Set: got %v, %v", ok, why)
	}
}

func TestRetryConfigTellsEveryProblem(t *testing.T) {
	err := RetryConfig{
		Attempts: 101, Backoff: "cubic", Jitter: "some", Delay: -1, DelayMax: 1 << 62,
		Budget: BudgetConfig{Share: 2, MinPerSecond: nan(), Window: time.Millisecond},
	}.Validate()
	want := []string{"attempts", "backoff", "jitter", "delay", "delayMax", "budget.share", "budget.minPerSecond", "budget.window"}
	if diff := cmp.Diff(want, fields(err)); diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if !strings.Contains(err.Error(), `backoff: want exponential, fibonacci, linear or constant, got "cubic"`) {
		t.Errorf("got %v", err)
	}
	if _, err := NewRetry(RetryConfig{Attempts: 101}); err == nil {
		t.Error("a bad configuration made a Retry")
	}
	if err := (RetryConfig{Delay: time.Minute}).Validate(); err != nil {
		t.Errorf("a long delay alone: %v", err)
	}
}

func TestRetryStopsWhenTheTriesTookTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plain(10)
		c.TimeMax = 5 * time.Second
		r := mustRetry(t, c)
		start, tries := time.Now(), 0
		_, err := Do(t.Context(), r, func(ctx context.Context) (int, error) {
			tries++
			return 0, errors.Join(errBoom, sleep(ctx, time.Second))
		})
		if took := time.Since(start); !errors.Is(err, ErrTimeMax) || !errors.Is(err, errBoom) || tries != 3 || took != 5*time.Second {
			t.Errorf("got %v after %d tries in %v", err, tries, took) // at 0s, 2s and 4s; the next would begin at 6s
		}
		c.TimeMax = 6 * time.Second
		if err := r.Set(c); err != nil {
			t.Fatal(err)
		}
		tries = 0
		if _, err := Do(t.Context(), r, func(ctx context.Context) (int, error) {
			if tries++; tries == 4 {
				return 42, nil
			}
			return 0, errors.Join(errBoom, sleep(ctx, time.Second))
		}); err != nil {
			t.Errorf("with a second more: %v after %d tries", err, tries)
		}
		wantProblem(t, RetryConfig{TimeMax: -1}.Validate(), "timeMax")
	})
}

func TestRetryWaitsDecorrelated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustRetry(t, RetryConfig{Attempts: 20, Delay: time.Millisecond, DelayMax: time.Minute, Jitter: JitterDecorrelated, Budget: BudgetConfig{Off: true}})
		tries := r.Begin()
		var last time.Duration
		for range 20 {
			wait, ok, err := tries.Again(Failure, 5*time.Second, 0) // what the callee asks for is not what grows
			if !ok || wait < 5*time.Second || tries.waited > 3*max(time.Millisecond, last) {
				t.Fatalf("waits %v after %v: %v, %v", wait, last, ok, err)
			}
			last = tries.waited
		}
	})
}
