package policy

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeyedRateLimitReservesForEachKeyAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 2, WaitMax: time.Second})
		var delays []time.Duration
		var last Reservation
		for range 4 {
			r, err := k.Of("ann").Reserve(1)
			if err != nil {
				t.Fatal(err)
			}
			delays, last = append(delays, r.Delay()), r
		}
		if want := []time.Duration{0, 0, 500 * time.Millisecond, time.Second}; !slices.Equal(delays, want) {
			t.Errorf("got %v, want %v", delays, want)
		}
		if _, err := k.Of("ann").Reserve(1); !errors.Is(err, ErrLimited) || err.(*Rejected).RetryAfter != 1500*time.Millisecond {
			t.Errorf("beyond WaitMax: %v", err)
		}
		if r, err := k.Of("bob").Reserve(2); err != nil || r.Delay() != 0 {
			t.Errorf("another key: %v, %v", r.Delay(), err)
		}
		if s := k.Status("ann"); s.Left != 0 || s.RetryAfter != 1500*time.Millisecond {
			t.Errorf("got %+v", s)
		}
		last.Cancel()
		last.Cancel()
		if r, err := k.Of("ann").Reserve(1); err != nil || r.Delay() != time.Second {
			t.Errorf("after a cancel: %v, %v", r.Delay(), err)
		}
		if r, err := (Limit{}).Reserve(1); err != nil || r.Delay() != 0 {
			t.Errorf("of no limit: %v, %v", r.Delay(), err)
		}
	})
}

func TestKeyedRateLimitPacesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 10, Burst: 1, WaitMax: time.Second})
		begin := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		refused := 0
		var crowd sync.WaitGroup
		for range 15 {
			crowd.Go(func() {
				err := k.Of("ann").Wait(t.Context())
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					refused++
					return
				}
				at = append(at, time.Since(begin))
			})
		}
		crowd.Wait()
		slices.Sort(at)
		for i, d := range at {
			if d != time.Duration(i)*100*time.Millisecond {
				t.Errorf("call %d begins after %v", i, d)
			}
		}
		if len(at) != 11 || refused != 4 {
			t.Errorf("%d were let in and %d refused", len(at), refused)
		}
	})
}

func TestKeyedRateLimitWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 1, WaitMax: time.Hour})
		ann := k.Of("ann")
		if err := ann.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		soon, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := ann.Wait(soon); !errors.Is(err, ErrDeadline) || time.Since(begin) != 0 {
			t.Errorf("a deadline before the turn: %v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, cancel)
		if err := ann.Wait(ctx); !errors.Is(err, context.Canceled) || time.Since(begin) != 300*time.Millisecond {
			t.Errorf("cancelled: %v after %v", err, time.Since(begin))
		}
		if err := ann.Wait(t.Context()); err != nil || time.Since(begin) != time.Second {
			t.Errorf("the turn that was given back: %v after %v", err, time.Since(begin))
		}
	})
}

// Whatever is booked, cancelled, waited for and taken at once, no key is let in
// more often than its rate and its burst allow.
func TestKeyedRateLimitHoldsItsRateWhateverIsBookedAndCancelled(t *testing.T) {
	property(t, 100, func(t *testing.T, random *rand.Rand) {
		const interval = 10 * time.Millisecond
		burst := 1 + random.IntN(5)
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 1, Per: interval, Burst: burst, WaitMax: time.Second, KeysMax: 3})
		var mu sync.Mutex
		began := make(map[string][]time.Duration)
		var callers sync.WaitGroup
		for range 8 {
			random := fork(random)
			callers.Go(func() {
				for range 50 {
					key := someOf(random, "ann", "bob")
					let, at := false, time.Duration(0)
					switch random.IntN(3) {
					case 0:
						let = k.Allow(key) == nil
					case 1:
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.Int64N(int64(10*interval))))
						let = k.Of(key).Wait(ctx) == nil
						cancel()
					case 2:
						r, err := k.Of(key).Reserve(1)
						if err != nil {
							break
						}
						at = r.taken.slot.at
						time.Sleep(time.Duration(random.Int64N(int64(2 * interval))))
						if let = r.Delay() == 0 || random.IntN(2) == 0; !let {
							r.Cancel() // before its time
						}
					}
					if let {
						mu.Lock()
						began[key] = append(began[key], cmp.Or(at, now()))
						mu.Unlock()
					}
					time.Sleep(time.Duration(random.Int64N(int64(2 * interval))))
				}
			})
		}
		callers.Wait()
		for key, times := range began {
			slices.Sort(times)
			for i := range times {
				if j := i + burst; j < len(times) && times[j]-times[i] < interval {
					t.Errorf("%s: %d calls within %v of %d at once", key, burst+1, times[j]-times[i], burst)
				}
			}
		}
	})
}
