package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var keyedAlgorithms = []LimitAlgorithm{TokenBucket, LeakyBucket, SlidingWindow, SlidingWindowCounter, FixedWindow}

func keyedLike(c RateLimitConfig) KeyedRateLimitConfig {
	k := KeyedRateLimitConfig{Requests: c.Requests, Per: c.Per, Algorithm: c.Algorithm, WaitMax: c.WaitMax}
	if !c.Algorithm.windowed() {
		k.Burst = c.Burst
	}
	return k
}

// TestKeyedRateLimitDecidesAsALimitForEachKeyWould compares the table with a map
// of limits that forgets nobody, over keys that come and go.
func TestKeyedRateLimitDecidesAsALimitForEachKeyWould(t *testing.T) {
	for _, c := range limiters() {
		property(t, 20, func(t *testing.T, random *rand.Rand) {
			k := newKeyed(t, keyedLike(c))
			k.shards = k.shards[:1]
			each := map[string]*RateLimit{}
			for i := range 3000 {
				pause := []time.Duration{time.Millisecond, 20 * time.Millisecond, c.Per}[i/500%3]
				time.Sleep(time.Duration(random.ExpFloat64() * float64(pause)))
				key := fmt.Sprint(random.IntN([]int{3, 100}[i/1000%2]))
				if each[key] == nil {
					each[key] = newRateLimit(t, c)
				}
				one, of := each[key].Limit(), k.Of(key)
				n, ahead := 1+random.IntN(min(3, c.burst())), someOf(random, 0, c.WaitMax)
				want, wantWait := one.take(now(), n, ahead)
				got, wait := of.take(now(), n, ahead)
				if wait != wantWait || got.slot.at != want.slot.at {
					t.Fatalf("%s: call %d is to begin at %v or wait %v, want %v or %v",
						c.Algorithm, i, got.slot.at, wait, want.slot.at, wantWait)
				}
				if random.IntN(10) == 0 && wait == 0 {
					one.release(want)
					of.release(got)
				}
				if s, m := of.Status(), one.Status(); s.Left != max(m.Left, 0) || s.Reset != m.Reset || s.RetryAfter != m.RetryAfter || s.Burst != m.Burst {
					t.Fatalf("%s: got %+v, want %+v", c.Algorithm, s, m)
				}
			}
		})
	}
}

// TestKeyedRateLimitKeepsTheLawOfEachAlgorithm mixes all that callers can do,
// with more keys than places.
func TestKeyedRateLimitKeepsTheLawOfEachAlgorithm(t *testing.T) {
	property(t, 150, func(t *testing.T, random *rand.Rand) {
		c := someOf(random, limiters()...)
		c.WaitMax = 3 * time.Second
		of := keyedLike(c)
		of.QueueMax, of.KeysMax, of.WhenFull = random.IntN(20), 3, RejectWhenFull
		k := newKeyed(t, of)
		pause := someOf(random, 10*time.Millisecond, 100*time.Millisecond, time.Second)
		began := map[string]*ledger{"a": new(ledger), "b": new(ledger), "c": new(ledger), "d": new(ledger), "e": new(ledger)}
		var callers sync.WaitGroup
		for range 10 {
			random := fork(random)
			callers.Go(func() {
				for range 30 {
					time.Sleep(time.Duration(random.Int64N(int64(pause))))
					key := someOf(random, "a", "a", "b", "b", "c", "d", "e")
					askLimit(t.Context(), k.Of(key), c.burst(), began[key], random)
				}
			})
		}
		callers.Wait()
		total := 0
		for _, of := range began {
			wantLaw(t, c, of.all)
			total += len(of.all)
		}
		if total < 10 {
			t.Errorf("only %d calls of 300 began", total)
		}
		if n := k.waiters.Load(); n != 0 {
			t.Errorf("%d calls wait", n)
		}
		time.Sleep(time.Hour)
		for _, key := range []string{"f", "a"} {
			if n := admittedOf(k, key, 2*c.burst()); n != c.burst() {
				t.Errorf("after a calm %d calls of %s are admitted, want %d", n, key, c.burst())
			}
		}
		if k.Keys() > 3 {
			t.Errorf("%d keys are known, want at most 3", k.Keys())
		}
	})
}

// TestKeyedRateLimitWithinWhatSetEverAllowed has Set change the rate under
// callers. No time then sees more than the highest rate and the largest burst
// allow.
func TestKeyedRateLimitWithinWhatSetEverAllowed(t *testing.T) {
	property(t, 100, func(t *testing.T, random *rand.Rand) {
		algorithm := someOf(random, keyedAlgorithms...)
		high, low := RateLimitConfig{Requests: 20, Algorithm: algorithm}, RateLimitConfig{Requests: 5, Algorithm: algorithm}
		k, began := newKeyed(t, keyedLike(high)), new(ledger)
		var callers sync.WaitGroup
		for range 10 {
			random := fork(random)
			callers.Go(func() {
				for range 50 {
					time.Sleep(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
					if random.IntN(20) > 0 {
						if k.Allow("ann") == nil {
							began.add(now(), 1)
						}
					} else if err := k.Set(keyedLike(someOf(random, high, low))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		callers.Wait()
		wantLaw(t, high.WithDefaults(), began.all)
		if len(began.all) < 20 {
			t.Errorf("only %d calls began", len(began.all))
		}
		if err := k.Set(keyedLike(high)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		c := high.WithDefaults()
		if n := admittedOf(k, "ann", 40); n != c.burst() {
			t.Errorf("after a calm %d are admitted, want %d", n, c.burst())
		}
	})
}

func TestKeyedRateLimitHasQueuesBeforeLeakyBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 10, Algorithm: LeakyBucket, QueueMax: 5})
		begin := time.Now()
		var mu sync.Mutex
		at := map[string][]time.Duration{}
		shed := 0
		call := NextFunc(func(ctx context.Context) Result {
			mu.Lock()
			defer mu.Unlock()
			at[Key(ctx)] = append(at[Key(ctx)], time.Since(begin))
			return Result{Value: 1}
		})
		ask := func(key string) { // in a chain, and beside another limit
			for _, p := range []Policy{k, Limits{{}, k.Of(key)}} {
				if r := p.Do(WithKey(t.Context(), key), call); r.Class == Shed {
					mu.Lock()
					shed++
					mu.Unlock()
				}
			}
		}
		var crowd sync.WaitGroup
		for range 4 {
			crowd.Go(func() { ask("ann") })
		}
		crowd.Go(func() { ask("bob") })
		crowd.Wait()
		for key, n := range map[string]int{"ann": 8, "bob": 2} {
			for i, d := range at[key] {
				if d != time.Duration(i)*100*time.Millisecond {
					t.Errorf("call %d of %s begins after %v", i, key, d)
				}
			}
			if len(at[key]) != n {
				t.Errorf("%d calls of %s began, want %d", len(at[key]), key, n)
			}
		}
		if shed != 0 || k.waiters.Load() != 0 {
			t.Errorf("%d were refused, and %d wait still", shed, k.waiters.Load())
		}
		for range 20 {
			crowd.Go(func() { ask("eve") })
		}
		synctest.Wait()
		if n := k.Total().Waiting; n != 5 {
			t.Errorf("%d wait in a queue of 5", n)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := k.Of("bob").Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if err := k.Of("bob").Wait(soon); !errors.Is(err, ErrDeadline) || k.Total().Late != 1 || k.Status("bob").Late != 1 {
			t.Errorf("before its turn: %v, and %+v", err, k.Total())
		}
		crowd.Wait()
		if shed < 10 {
			t.Errorf("only %d were refused", shed)
		}
	})
}

func TestLimitsWaitOnlyWhereEachThatRefusesHasAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paced := newKeyed(t, KeyedRateLimitConfig{Requests: 1, Algorithm: LeakyBucket})
		strict := newRateLimit(t, RateLimitConfig{Requests: 2, Per: time.Hour})
		limits := Limits{paced.Of("ann"), strict.Limit()}
		begin := time.Now()
		for i := range 2 {
			if err := limits.Admit(t.Context()); err != nil || time.Since(begin) != time.Duration(i)*time.Second {
				t.Errorf("call %d: %v after %v", i, err, time.Since(begin))
			}
		}
		if err := limits.Admit(t.Context()); !errors.Is(err, ErrLimited) || time.Since(begin) != time.Second {
			t.Errorf("no queue before the other limit: %v after %v", err, time.Since(begin))
		}
	})
}

// TestKeyedWindowsKeepTheirShareWhateverIsSet has limits become smaller and
// larger again: none forgets what was used up.
func TestKeyedWindowsKeepTheirShareWhateverIsSet(t *testing.T) {
	for _, algorithm := range []LimitAlgorithm{FixedWindow, SlidingWindowCounter, SlidingWindow} {
		synctest.Test(t, func(t *testing.T) {
			c := KeyedRateLimitConfig{Requests: 20, Algorithm: algorithm, Per: time.Hour}
			k := newKeyed(t, c)
			admittedOf(k, "half", 10)
			admittedOf(k, "all", 20)
			for _, requests := range []float64{5, 40, 20} {
				c.Requests = requests
				if err := k.Set(c); err != nil {
					t.Fatal(err)
				}
				half, all := k.Status("half"), k.Status("all")
				if half.Left > requests/2 || half.Left < requests/2-5 || all.Left != 0 {
					t.Errorf("%s: of %v, %v and %v are left", algorithm, requests, half.Left, all.Left)
				}
			}
			c.Per = time.Minute
			if err := k.Set(c); err != nil {
				t.Fatal(err)
			}
			if left := k.Status("all").Left; left != 0 {
				t.Errorf("%s: in another window %v are left", algorithm, left)
			}
			c.Algorithm = TokenBucket
			if err := k.Set(c); err != nil {
				t.Fatal(err)
			}
			if left := k.Status("all").Left; left != 20 {
				t.Errorf("%s: a bucket has %v left, and begins anew with 20", algorithm, left)
			}
			time.Sleep(time.Hour)
			if n := admittedOf(k, "all", 30); n != 20 {
				t.Errorf("%s: after a calm %d are admitted, want 20", algorithm, n)
			}
		})
	}
}

func TestKeyedQuotaBeginsAnewWithTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 3, Per: 24 * time.Hour, Algorithm: FixedWindow})
		if n := admittedOf(k, "ann", 10); n != 3 {
			t.Errorf("%d are admitted, want 3", n)
		}
		midnight := time.Until(time.Now().Truncate(24 * time.Hour).Add(24 * time.Hour))
		if rejected, ok := errors.AsType[*Rejected](k.Allow("ann")); !ok || rejected.RetryAfter != midnight {
			t.Errorf("got %+v, want to come back in %v", rejected, midnight)
		}
		time.Sleep(midnight)
		if n := admittedOf(k, "ann", 10); n != 3 {
			t.Errorf("the next day %d are admitted, want 3", n)
		}
	})
}

func TestKeyedRateLimitConfigKnowsItsAlgorithm(t *testing.T) {
	_, err := NewKeyedRateLimit(KeyedRateLimitConfig{Requests: 101, Algorithm: SlidingWindow})
	wantFields(t, err, "algorithm")
	_, err = NewKeyedRateLimit(KeyedRateLimitConfig{Requests: 1.5, Algorithm: FixedWindow, Burst: 3, QueueMax: -1})
	wantFields(t, err, "queueMax")
	_, err = NewKeyedRateLimit(KeyedRateLimitConfig{Requests: 1.5, Algorithm: FixedWindow, Burst: 3})
	wantFields(t, err, "requests", "burst")
}
