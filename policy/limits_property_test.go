package policy

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ledger is what limits let begin.
type ledger struct {
	mu  sync.Mutex
	all []begun
}

func (l *ledger) add(at time.Duration, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, begun{at, n})
}

// TestRateLimitNeverExceedsItsLaw mixes all that callers can do with a limit.
func TestRateLimitNeverExceedsItsLaw(t *testing.T) {
	property(t, 150, func(t *testing.T, random *rand.Rand) {
		c := someOf(random, limiters()...)
		c.WaitMax, c.QueueMax = 3*time.Second, random.IntN(20)
		l, began := newRateLimit(t, c), new(ledger)
		pause := someOf(random, 10*time.Millisecond, 100*time.Millisecond, time.Second)
		var callers sync.WaitGroup
		for range 10 {
			random := fork(random)
			callers.Go(func() {
				for range 30 {
					time.Sleep(time.Duration(random.Int64N(int64(pause))))
					askOnce(t, l, began, random)
				}
			})
		}
		callers.Wait()
		wantLaw(t, c, began.all)
		if len(began.all) < 10 {
			t.Errorf("only %d calls of 300 began", len(began.all))
		}
		if s := l.Status(); s.Waiting != 0 {
			t.Errorf("%d calls wait", s.Waiting)
		}
		time.Sleep(time.Hour)
		if n := admitted(l, 2*c.burst()); n != c.burst() {
			t.Errorf("after a calm %d calls are admitted, want %d", n, c.burst())
		}
	})
}

// askOnce asks the limit in some way, or changes nothing that the law knows of.
func askOnce(t *testing.T, l *RateLimit, began *ledger, random *rand.Rand) {
	c := *l.config.Load()
	if random.IntN(5) > 0 {
		askLimit(t.Context(), l.Limit(), c.burst(), began, random)
		return
	}
	c.QueueMax = random.IntN(20)
	if err := l.Set(c); err != nil {
		t.Error(err)
	}
}

// askLimit asks a limit in some way, and writes down what it lets begin.
func askLimit(ctx context.Context, l Limit, burst int, began *ledger, random *rand.Rand) {
	n := 1 + random.IntN(min(3, burst))
	switch random.IntN(4) {
	case 0:
		if l.AllowN(n) == nil {
			began.add(now(), n)
		}
	case 1: // books, and gives some of it back, some of it late
		r, err := l.Reserve(n)
		if err != nil {
			return
		}
		at := r.taken.slot.at
		time.Sleep(time.Duration(random.Float64() * float64(r.Delay())))
		if random.IntN(2) == 0 {
			r.Cancel()
			r.Cancel()
			return
		}
		began.add(at, n)
	default: // waits, for as long as it may
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stop := time.AfterFunc(time.Duration(random.Int64N(int64(3*time.Second))), cancel)
		defer stop.Stop()
		wait := someOf(random, l.Wait, l.Admit, Limits{l, {}}.Wait, Limits{l, {}}.Admit)
		if wait(ctx) == nil {
			began.add(now(), 1)
		}
	}
}

// TestRateLimitWithinWhatSetEverAllowed has Set change the rate under callers.
// No time then sees more than the highest rate and the largest burst allow.
func TestRateLimitWithinWhatSetEverAllowed(t *testing.T) {
	property(t, 100, func(t *testing.T, random *rand.Rand) {
		algorithm := someOf(random, TokenBucket, LeakyBucket, SlidingWindow, SlidingWindowCounter, FixedWindow)
		high, low := RateLimitConfig{Requests: 20, Algorithm: algorithm}, RateLimitConfig{Requests: 5, Algorithm: algorithm}
		l, began := newRateLimit(t, high), new(ledger)
		var callers sync.WaitGroup
		for range 10 {
			random := fork(random)
			callers.Go(func() {
				for range 50 {
					time.Sleep(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
					switch random.IntN(20) {
					case 0:
						if err := l.Set(someOf(random, high, low)); err != nil {
							t.Error(err)
						}
					case 1:
						if l.Wait(t.Context()) == nil {
							began.add(now(), 1)
						}
					default:
						if l.Allow() == nil {
							began.add(now(), 1)
						}
					}
				}
			})
		}
		callers.Wait()
		wantLaw(t, high.WithDefaults(), began.all)
		if len(began.all) < 20 {
			t.Errorf("only %d calls began", len(began.all))
		}
	})
}

// TestSetForthAndBackForgetsNoCall has a limit become smaller for a moment, as
// one that follows a load does, before and after the end of a window.
func TestSetForthAndBackForgetsNoCall(t *testing.T) {
	for _, algorithm := range bursting {
		for _, pause := range []time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(900 * time.Millisecond)
				c := RateLimitConfig{Requests: 20, Algorithm: algorithm}
				l, began := newRateLimit(t, c), new(ledger)
				for range 10 {
					for _, c.Requests = range []float64{5, 20} {
						began.add(now(), admitted(l, 100))
						time.Sleep(pause / 2)
						if err := l.Set(c); err != nil {
							t.Fatal(err)
						}
					}
				}
				wantLaw(t, c.WithDefaults(), began.all)
			})
		}
	}
}

// TestLimitsTogetherEachKeepTheirLaw has calls be under several limits at once,
// some of them a key's, with readings of the clock that come late. What one of
// them refuses is used up of none.
func TestLimitsTogetherEachKeepTheirLaw(t *testing.T) {
	property(t, 150, func(t *testing.T, random *rand.Rand) {
		every := someOf(random, limiters()...)
		one := newRateLimit(t, every)
		keyedOf := KeyedRateLimitConfig{Requests: 1 + float64(random.IntN(5)), Burst: 1 + random.IntN(5), KeysMax: 100}
		keyed := newKeyed(t, keyedOf)
		keys := []string{"a", "b", "c"}
		all, ofKey := new(ledger), map[string]*ledger{"a": new(ledger), "b": new(ledger), "c": new(ledger)}
		var callers sync.WaitGroup
		for range 10 {
			random := fork(random)
			callers.Go(func() {
				for range 50 {
					time.Sleep(time.Duration(random.Int64N(int64(300 * time.Millisecond))))
					key := someOf(random, keys...)
					limits := Limits{keyed.Of(key), one.Limit()}
					if random.IntN(2) == 0 {
						slices.Reverse(limits)
					}
					for i, g := range takeLate(limits, now()-time.Duration(random.Int64N(int64(50*time.Millisecond)))) {
						of := all
						if limits[i].keyed != nil {
							of = ofKey[key]
						}
						of.add(g.slot.at, 1)
					}
				}
			})
		}
		callers.Wait()
		wantLaw(t, every, all.all)
		for key, began := range ofKey {
			wantLaw(t, RateLimitConfig{Requests: keyedOf.Requests, Burst: keyedOf.Burst}.WithDefaults(), began.all)
			time.Sleep(time.Hour)
			if left := keyed.Status(key).Left; left != float64(keyedOf.Burst) {
				t.Errorf("after a calm %v calls of a key are left, want %d", left, keyedOf.Burst)
			}
		}
		if left := one.Status().Left; left != float64(every.burst()) {
			t.Errorf("after a calm %v calls are left, want %d", left, every.burst())
		}
		if errors.Is(Limits{keyed.Of("a"), one.Limit()}.Allow(), ErrLimited) {
			t.Error("after a calm a call is refused")
		}
	})
}

// takeLate is what Limits do, with a reading of the clock from before.
func takeLate(limits Limits, t time.Duration) (held []taken) {
	for i, l := range limits {
		g, wait := l.take(t, 1, 0)
		if wait != 0 {
			for j := i - 1; j >= 0; j-- {
				limits[j].release(held[j])
			}
			return nil
		}
		held = append(held, g)
	}
	return held
}
