package policy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallsThatMayNotBeRepeatedAreMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		retry, err := NewRetry(RetryConfig{Attempts: 2})
		if err != nil {
			t.Fatal(err)
		}
		hedge, err := NewHedge(HedgeConfig{Delay: time.Second, Budget: BudgetConfig{Off: true}})
		if err != nil {
			t.Fatal(err)
		}
		down := errors.New("down")
		for _, test := range []struct {
			name   string
			policy Policy
			often  int // where it may be
		}{{"retry", retry, 3}, {"hedge", hedge, 2}, {"both", Chain(retry, hedge), 6}} {
			for _, c := range []struct {
				ctx  context.Context
				want int
			}{
				{t.Context(), test.often},
				{WithRepeatable(t.Context(), true), test.often},
				{WithRepeatable(t.Context(), false), 1},
				{WithRepeatable(WithRepeatable(t.Context(), false), true), test.often},
			} {
				made := make(chan bool, 10)
				_, err := Do(c.ctx, test.policy, func(context.Context) (int, error) {
					made <- true
					time.Sleep(3 * time.Second)
					return 0, down
				})
				if !errors.Is(err, down) || len(made) != c.want {
					t.Errorf("%s: made %d times, want %d: %v", test.name, len(made), c.want, err)
				}
			}
		}
	})
}

// TestRetryAfterIsAnEarliestMoment: callers that were told the same one do not
// come back together.
func TestRetryAfterIsAnEarliestMoment(t *testing.T) {
	retry, err := NewRetry(RetryConfig{Attempts: 1, Delay: 100 * time.Millisecond, DelayMax: 2 * time.Second, Budget: BudgetConfig{Off: true}})
	if err != nil {
		t.Fatal(err)
	}
	waits := map[time.Duration]bool{}
	for range 100 {
		tries := retry.Begin()
		wait, ok, why := tries.Again(Failure, time.Second, 0)
		if !ok || wait < time.Second || wait > 1100*time.Millisecond {
			t.Fatalf("%v, %v, %v", wait, ok, why)
		}
		waits[wait] = true
	}
	if len(waits) < 50 {
		t.Errorf("100 callers wait one of %d times", len(waits))
	}
}
