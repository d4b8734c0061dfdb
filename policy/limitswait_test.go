package policy

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimitsWaitUntilAllAdmitAndUseUpNothingBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newRateLimit(t, RateLimitConfig{Requests: 5, Per: time.Hour, WaitMax: time.Minute})
		users := newKeyed(t, KeyedRateLimitConfig{Requests: 1, Per: 10 * time.Second, WaitMax: time.Minute})
		ann := Limits{shared.Limit(), {}, users.Of("ann")}
		begin := time.Now()
		done := make(chan error)
		for range 2 {
			go func() { done <- ann.Wait(t.Context()) }()
		}
		if err := <-done; err != nil || time.Since(begin) != 0 {
			t.Errorf("the first: %v after %v", err, time.Since(begin))
		}
		time.Sleep(9 * time.Second)
		if left := shared.Status().Left; left < 4 {
			t.Errorf("who waits has used up the other limit: %v are left, want 4", left)
		}
		if err := (Limits{shared.Limit(), users.Of("bob")}).Wait(t.Context()); err != nil || time.Since(begin) != 9*time.Second {
			t.Errorf("another user: %v after %v", err, time.Since(begin))
		}
		if err := <-done; err != nil || time.Since(begin) != 10*time.Second {
			t.Errorf("the second: %v after %v", err, time.Since(begin))
		}
		if n := shared.waiters.Load() + users.waiters.Load(); n != 0 {
			t.Errorf("%d wait still", n)
		}
	})
}

func TestLimitsWaitEndsWhenItCannotComeTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newRateLimit(t, RateLimitConfig{Requests: 1, Per: time.Hour, WaitMax: 2 * time.Hour})
		fast := newRateLimit(t, RateLimitConfig{Requests: 1, WaitMax: time.Minute})
		limits := Limits{fast.Limit(), slow.Limit()}
		if err := limits.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := limits.Wait(t.Context()); !errors.Is(err, ErrLimited) || err.(*Rejected).RetryAfter != time.Hour || time.Since(begin) != 0 {
			t.Errorf("longer than the shortest WaitMax: %v after %v", err, time.Since(begin))
		}
		if err := fast.Set(RateLimitConfig{Requests: 1, WaitMax: 2 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := limits.Wait(soon); !errors.Is(err, ErrDeadline) || time.Since(begin) != 0 {
			t.Errorf("a deadline before it: %v after %v", err, time.Since(begin))
		}
		if s := slow.Status(); s.Rejected != 2 || s.Late != 1 {
			t.Errorf("%d are counted as refused and %d as late, want 2 and 1", s.Rejected, s.Late)
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, stop)
		if err := limits.Wait(ctx); !errors.Is(err, context.Canceled) || time.Since(begin) != time.Minute {
			t.Errorf("cancelled: %v after %v", err, time.Since(begin))
		}
		if err := limits.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before: %v", err)
		}
		if left := fast.Status().Left; left != 1 {
			t.Errorf("who was refused has used up a limit: %v are left", left)
		}
	})
}

func TestLimitsWaitBoundsWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := newRateLimit(t, RateLimitConfig{Requests: 1, Per: time.Hour, WaitMax: 24 * time.Hour})
		users := newKeyed(t, KeyedRateLimitConfig{Requests: 1, WaitMax: 24 * time.Hour})
		limits := Limits{users.Of("ann"), limit.Limit()}
		_ = limits.Allow()
		ctx, cancel := context.WithCancel(t.Context())
		var crowd sync.WaitGroup
		for range waitingMax {
			crowd.Go(func() { _ = limits.Wait(ctx) })
		}
		synctest.Wait()
		if err := limits.Wait(t.Context()); !errors.Is(err, ErrLimited) {
			t.Errorf("one more than may wait: %v", err)
		}
		cancel()
		crowd.Wait()
		if n := limit.waiters.Load() + users.waiters.Load(); n != 0 {
			t.Errorf("%d wait still", n)
		}
		if err := limits.Wait(t.Context()); err != nil {
			t.Errorf("once nobody waits: %v", err)
		}
	})
}

// TestLimitsKeepTheirLawWhoeverWaits mixes calls that wait for several limits
// with others that wait for one, or do not wait.
func TestLimitsKeepTheirLawWhoeverWaits(t *testing.T) {
	property(t, 100, func(t *testing.T, random *rand.Rand) {
		every := someOf(random, limiters()...)
		every.WaitMax = 3 * time.Second
		one, keyed := newRateLimit(t, every), newKeyed(t, KeyedRateLimitConfig{Requests: 3, WaitMax: 3 * time.Second})
		all, anns := new(ledger), new(ledger)
		var callers sync.WaitGroup
		for range 10 {
			random := fork(random)
			callers.Go(func() {
				for range 30 {
					time.Sleep(time.Duration(random.Int64N(int64(300 * time.Millisecond))))
					ctx, cancel := context.WithCancel(t.Context())
					stop := time.AfterFunc(time.Duration(random.Int64N(int64(3*time.Second))), cancel)
					switch random.IntN(4) {
					case 0:
						if one.Wait(ctx) == nil {
							all.add(now(), 1)
						}
					case 1:
						if keyed.Of("ann").Wait(ctx) == nil {
							anns.add(now(), 1)
						}
					default:
						limits := Limits{one.Limit(), keyed.Of("ann")}
						ask := someOf(random, limits.Wait, limits.Wait, func(context.Context) error { return limits.Allow() })
						if ask(ctx) == nil {
							all.add(now(), 1)
							anns.add(now(), 1)
						}
					}
					stop.Stop()
					cancel()
				}
			})
		}
		callers.Wait()
		wantLaw(t, every, all.all)
		wantLaw(t, RateLimitConfig{Requests: 3}.WithDefaults(), anns.all)
		if len(all.all) < 20 || len(anns.all) < 20 {
			t.Errorf("only %d and %d calls began", len(all.all), len(anns.all))
		}
	})
}

// TestLimitsRefuseAKeyThatFindsNoPlace: nobody has a queue, so nobody waits but
// who asks to, and then for no longer than WaitMax.
func TestLimitsRefuseAKeyThatFindsNoPlace(t *testing.T) {
	for _, full := range []WhenKeysFull{RejectWhenFull, ShareWhenFull} {
		synctest.Test(t, func(t *testing.T) {
			one := newRateLimit(t, RateLimitConfig{Requests: 100})
			k := newKeyed(t, KeyedRateLimitConfig{Requests: 1, Per: time.Hour, KeysMax: 1, WhenFull: full})
			if err := k.Of("a").Allow(); err != nil {
				t.Fatal(err)
			}
			limits := Limits{one.Limit(), k.Of("b")}
			if full == ShareWhenFull {
				if err := limits.Allow(); err != nil { // what those without a place have together
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for name, ask := range map[string]func() error{
				"Admit": func() error { return limits.Admit(ctx) },
				"Wait":  func() error { return limits.Wait(ctx) },
				"Do": func() error {
					_, err := Do(ctx, limits, func(context.Context) (int, error) { return 1, nil })
					return err
				},
			} {
				begin := time.Now()
				if err := ask(); !errors.Is(err, ErrLimited) && !errors.Is(err, ErrDeadline) || name != "Wait" && time.Since(begin) != 0 {
					t.Errorf("%v: %s: got %v after %v", full, name, err, time.Since(begin))
				}
			}
			if s := k.Status("b"); s.Left != 0 || s.RetryAfter <= 0 || s.Burst != 1 {
				t.Errorf("%v: the state is said to be %+v", full, s)
			}
			if n := one.waiters.Load() + k.waiters.Load(); n != 0 {
				t.Errorf("%d wait still", n)
			}
		})
	}
}
