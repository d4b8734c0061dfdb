package policy

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// paced starts n calls of Do at once and returns when each began, in order.
func paced(t *testing.T, l *RateLimit, n int) (at []time.Duration, refused int) {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var calls sync.WaitGroup
	for range n {
		calls.Go(func() {
			r := l.Do(t.Context(), NextFunc(func(context.Context) Result {
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Since(began))
				return Result{}
			}))
			if r.Err != nil {
				mu.Lock()
				defer mu.Unlock()
				refused++
			}
		})
		synctest.Wait()
	}
	calls.Wait()
	return at, refused
}

func TestLeakyBucketSpacesCallsEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, RateLimitConfig{Requests: 10, Algorithm: LeakyBucket})
		time.Sleep(time.Minute) // a calm saves nothing up
		at, refused := paced(t, l, 5)
		ms := time.Millisecond
		if diff := cmp.Diff([]time.Duration{0, 100 * ms, 200 * ms, 300 * ms, 400 * ms}, at); diff != "" || refused != 0 {
			t.Errorf("%d refused, began at (-want +got):\n%s", refused, diff)
		}
	})
}

func TestRateLimitQueueHasABound(t *testing.T) {
	for name, test := range map[string]struct {
		c    RateLimitConfig
		runs int
	}{
		"no queue":               {RateLimitConfig{Requests: 10, Burst: 1}, 1},
		"full queue":             {RateLimitConfig{Requests: 10, Burst: 1, QueueMax: 2, WaitMax: time.Minute}, 3},
		"longest wait":           {RateLimitConfig{Requests: 10, Burst: 1, QueueMax: 100, WaitMax: 350 * time.Millisecond}, 4},
		"leaky, longest wait":    {RateLimitConfig{Requests: 10, Algorithm: LeakyBucket}, 11},
		"windows, a full queue":  {RateLimitConfig{Requests: 4, Algorithm: FixedWindow, QueueMax: 6, WaitMax: time.Minute}, 10},
		"windows, longest wait":  {RateLimitConfig{Requests: 4, Algorithm: FixedWindow, QueueMax: 90, WaitMax: 2100 * time.Millisecond}, 12},
		"a log and longest wait": {RateLimitConfig{Requests: 4, Algorithm: SlidingWindow, QueueMax: 90, WaitMax: 2100 * time.Millisecond}, 12},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newRateLimit(t, test.c)
				at, refused := paced(t, l, 30)
				if len(at) != test.runs || refused != 30-test.runs {
					t.Errorf("%d ran and %d were refused, want %d to run", len(at), refused, test.runs)
				}
				time.Sleep(time.Minute)
				if err := l.Admit(t.Context()); err != nil || l.Status().Waiting != 0 {
					t.Errorf("later: %v, %+v", err, l.Status())
				}
			})
		})
	}
}

// TestRateLimitQueueKeepsItsLongestWaitWhenSetSlowsIt has those who wait find
// that their turn comes too late.
func TestRateLimitQueueKeepsItsLongestWaitWhenSetSlowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := RateLimitConfig{Requests: 10, Algorithm: LeakyBucket, WaitMax: 2 * time.Second}
		l := newRateLimit(t, c)
		admitted(l, 1)
		began, errs := time.Now(), make(chan error)
		for range 5 {
			go func() { errs <- l.Admit(t.Context()) }()
		}
		synctest.Wait()
		c.Requests, c.Per = 1, time.Hour
		if err := l.Set(c); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if err := <-errs; !errors.Is(err, ErrLimited) || time.Since(began) > c.WaitMax {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		}
		if s := l.Status(); s.Waiting != 0 {
			t.Errorf("got %+v", s)
		}
	})
}
