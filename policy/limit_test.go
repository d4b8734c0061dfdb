package policy

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimitsAdmitAllOrNothing(t *testing.T) {
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			second := newRateLimit(t, RateLimitConfig{Requests: 10, Algorithm: algorithm})
			hour := newRateLimit(t, RateLimitConfig{Requests: 15, Per: time.Hour, Algorithm: algorithm})
			users := newKeyed(t, KeyedRateLimitConfig{Requests: 12, Per: time.Minute})
			limits := Limits{{}, second.Limit(), hour.Limit(), users.Of("ann")}
			count := func() (n int) {
				for limits.Allow() == nil {
					n++
				}
				return n
			}
			if n := count(); n != 10 {
				t.Errorf("%s: %d are admitted at once, want 10", algorithm, n)
			}
			if u, h := users.Status("ann"), hour.Status(); u.Left != 2 || h.Left != 5 {
				t.Errorf("%s: a refused call used up something: %v and %v are left", algorithm, u.Left, h.Left)
			}
			time.Sleep(2 * time.Second)
			if n := count(); n != 2 {
				t.Errorf("%s: %d more are admitted, want 2, which the user has left", algorithm, n)
			}
			limits[3] = users.Of("bob")
			time.Sleep(2 * time.Second)
			if n := count(); n != 3 {
				t.Errorf("%s: %d more are admitted, want 3, which the hour has left", algorithm, n)
			}
			if s := second.Status(); s.Left != 7 {
				t.Errorf("%s: a refused call used up something: %v are left", algorithm, s.Left)
			}
		})
	}
}

func TestLimitsTellTheLongestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fast := newRateLimit(t, RateLimitConfig{Requests: 1})
		slow := newRateLimit(t, RateLimitConfig{Requests: 1, Per: time.Hour})
		admitted(slow, 1)
		admitted(fast, 1)
		for _, limits := range []Limits{{fast.Limit(), slow.Limit()}, {slow.Limit(), fast.Limit()}} {
			if rejected, ok := errors.AsType[*Rejected](limits.Allow()); !ok || rejected.RetryAfter != time.Hour {
				t.Errorf("got %+v", rejected)
			}
			if rejected, ok := errors.AsType[*Rejected](limits.AllowN(2)); !ok || rejected.RetryAfter != 0 {
				t.Errorf("more than ever: got %+v", rejected)
			}
		}
		if s, f := slow.Status(), fast.Status(); s.Rejected+f.Rejected != 4 || s.Rejected < 2 {
			t.Errorf("%d and %d were counted, want each once, where the wait is the longest", s.Rejected, f.Rejected)
		}
		ok := NextFunc(func(context.Context) Result { return Result{Value: 1} })
		if r := (Limits{fast.Limit(), slow.Limit()}).Do(t.Context(), ok); r.Class != Shed || r.RetryAfter != time.Hour {
			t.Errorf("got %+v", r)
		}
		if r := (Limits{}).Do(t.Context(), ok); r.Value != 1 {
			t.Errorf("without a limit: %+v", r)
		}
	})
}

// TestLimitsGiveBackUnderStrain has the time stand still: however the callers
// interleave, each limit has given exactly what was admitted.
func TestLimitsGiveBackUnderStrain(t *testing.T) {
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			wide := newRateLimit(t, RateLimitConfig{Requests: 3100, Per: time.Hour, Algorithm: algorithm})
			narrow := newRateLimit(t, RateLimitConfig{Requests: 3000, Per: time.Hour, Algorithm: algorithm})
			users := newKeyed(t, KeyedRateLimitConfig{Requests: 3050, Per: time.Hour})
			var total atomic.Int64
			var callers sync.WaitGroup
			for range 8 {
				callers.Go(func() {
					for i := range 1000 {
						limits := Limits{wide.Limit(), users.Of("ann"), narrow.Limit()}
						if i%2 == 0 {
							limits = Limits{narrow.Limit(), wide.Limit(), users.Of("ann")}
						}
						if limits.Allow() == nil {
							total.Add(1)
						}
					}
				})
			}
			callers.Wait()
			n := float64(total.Load())
			if n > 3000 || n < 2990 {
				t.Errorf("%s: %v were admitted, want 3000", algorithm, n)
			}
			if w, s, u := wide.Status().Left, narrow.Status().Left, users.Status("ann").Left; w != 3100-n || s != 3000-n || u != 3050-n {
				t.Errorf("%s: of %v, the limits have %v, %v and %v left", algorithm, n, w, s, u)
			}
		})
	}
}

// TestLimitsGiveBackWhatALaterOneRefuses has a call find out only as it takes.
func TestLimitsGiveBackWhatALaterOneRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, algorithm := range bursting {
			one := newRateLimit(t, RateLimitConfig{Requests: 5, Algorithm: algorithm})
			users := newKeyed(t, KeyedRateLimitConfig{Requests: 5})
			twice := Limits{one.Limit(), users.Of("ann"), users.Of("ann")}
			if err := twice.AllowN(3); !errors.Is(err, ErrLimited) { // each has room for 3, none for 6
				t.Errorf("%s: got %v", algorithm, err)
			}
			if o, u := one.Status().Left, users.Status("ann").Left; o != 5 || u != 5 {
				t.Errorf("%s: %v and %v are left, want 5", algorithm, o, u)
			}
		}
	})
}

func TestLimitsHaveTheirPlaceInAChain(t *testing.T) {
	for _, limit := range []Policy{new(RateLimit), new(KeyedRateLimit), Limit{}, Limits{{}}} {
		if warnings := Check(limit, new(Retry)); len(warnings) != 0 {
			t.Errorf("%T around a retry: %v", limit, warnings)
		}
		if warnings := Check(new(Retry), limit); len(warnings) != 1 {
			t.Errorf("%T inside a retry: %v", limit, warnings)
		}
	}
}
