package policy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func mustCache(t testing.TB, c CacheConfig) *Cache {
	t.Helper()
	cache, err := NewCache(c)
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// asker asks a callee that counts through a policy, for one key.
type asker struct {
	policy Policy
	asked  atomic.Int64
	err    error
	takes  time.Duration
	last   Result // as the policy gave it
}

func (a *asker) ask(ctx context.Context, key string) (int, error) {
	look := policyFunc(func(ctx context.Context, next Next) Result { a.last = next.Do(ctx); return a.last })
	return a.askBy(WithKey(ctx, key), Chain(look, a.policy))
}

func (a *asker) askBy(ctx context.Context, p Policy) (int, error) {
	return Do(ctx, p, func(ctx context.Context) (int, error) {
		n := int(a.asked.Add(1))
		if err := sleep(ctx, a.takes); err != nil {
			return 0, err
		}
		return n, a.err
	})
}

// want asks and fails unless the answer is that of this asking.
func (a *asker) want(t testing.TB, value int, err error) {
	t.Helper()
	if got, gotErr := a.ask(t.Context(), "k"); got != value || !errors.Is(gotErr, err) {
		t.Errorf("got %v, %v; want %v, %v", got, gotErr, value, err)
	}
}

func TestCacheAnswersWhileFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asker{policy: mustCache(t, CacheConfig{TTL: time.Minute})}
		a.want(t, 1, nil)
		time.Sleep(time.Minute - 1)
		a.want(t, 1, nil)
		time.Sleep(1)
		a.want(t, 2, nil)
		if v, err := a.ask(t.Context(), "another"); v != 3 || err != nil {
			t.Errorf("another key: %v, %v", v, err)
		}
		if v, err := a.ask(t.Context(), ""); v != 4 || err != nil {
			t.Errorf("no key: %v, %v", v, err)
		}
		if s := a.policy.(*Cache).Status(); s.Hits != 1 || s.Misses != 3 || s.Entries != 2 || s.Stale != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestCacheKeepsNoFailureUnlessTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asker{policy: mustCache(t, CacheConfig{}), err: errBoom}
		a.want(t, 1, errBoom)
		a.want(t, 2, errBoom)
		a.err = &Rejected{Policy: "breaker", Reason: ErrOpen}
		a.want(t, 3, ErrOpen)
		a.err = nil
		a.want(t, 4, nil)

		told := &asker{policy: mustCache(t, CacheConfig{FailureTTL: time.Second}), err: errBoom}
		told.want(t, 1, errBoom)
		told.err = nil
		told.want(t, 1, errBoom)
		time.Sleep(time.Second)
		told.want(t, 2, nil)
	})
}

func TestCacheAnswersStaleIfError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asker{policy: mustCache(t, CacheConfig{TTL: time.Minute, StaleIfError: time.Hour})}
		a.want(t, 1, nil)
		time.Sleep(time.Minute)
		for _, err := range []error{errBoom, &Rejected{Policy: "breaker", Reason: ErrOpen}} {
			a.err = err
			a.want(t, 1, nil)
			if !a.last.Fallback || a.last.Class != Success {
				t.Errorf("the stale answer is %+v", a.last)
			}
		}
		time.Sleep(time.Hour)
		a.want(t, 4, ErrOpen)
		a.err = nil
		a.want(t, 5, nil)
		if a.want(t, 5, nil); a.last.Fallback {
			t.Error("a fresh answer is told to be a fallback")
		}
	})
}

func TestCacheAnswersStaleToACallerWhoseTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asker{policy: mustCache(t, CacheConfig{TTL: time.Minute, StaleIfError: time.Hour})}
		a.want(t, 1, nil)
		time.Sleep(time.Minute)
		a.takes = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if v, err := a.ask(ctx, "k"); v != 1 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
}

func TestCacheAsksAFailingCalleeLessWhileStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asker{policy: mustCache(t, CacheConfig{TTL: time.Minute, StaleIfError: time.Minute, FailureTTL: 40 * time.Second})}
		a.want(t, 1, nil)
		time.Sleep(time.Minute)
		a.err = errBoom
		a.want(t, 1, nil) // asks
		a.want(t, 1, nil) // does not
		time.Sleep(40 * time.Second)
		a.want(t, 1, nil) // asks
		if n := a.asked.Load(); n != 3 {
			t.Errorf("asked %d times, want 3", n)
		}
		time.Sleep(20 * time.Second)
		a.want(t, 4, errBoom) // too old now
	})
}

func TestCacheAnswersStaleWhileItAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asker{policy: mustCache(t, CacheConfig{TTL: time.Minute, StaleWhileRevalidate: time.Minute}), takes: time.Second}
		a.want(t, 1, nil)
		time.Sleep(time.Minute)
		began := time.Now()
		for range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			if v, err := a.ask(ctx, "k"); v != 1 || err != nil {
				t.Errorf("got %v, %v", v, err)
			}
			cancel() // the caller's leaving does not end the asking
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("stale answers took %v", took)
		}
		time.Sleep(2 * time.Second)
		a.want(t, 2, nil)
		time.Sleep(3 * time.Minute)
		a.want(t, 3, nil) // too old: everybody waits
		wantIdle(t, a.policy.(*Cache).flights)
	})
}

func TestCacheEndsARefreshThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mustCache(t, CacheConfig{TTL: time.Minute, StaleWhileRevalidate: time.Hour, RefreshTimeout: 5 * time.Second})
		a := &asker{policy: c}
		a.want(t, 1, nil)
		time.Sleep(time.Minute)
		a.takes = 24 * time.Hour
		a.want(t, 1, nil)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		wantIdle(t, c.flights)
		a.takes = 0
		a.want(t, 1, nil) // asks once more
		synctest.Wait()
		a.want(t, 3, nil)
	})
}

func TestCacheContainsThePanicOfARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []Event
		c := mustCache(t, CacheConfig{Name: "stock", TTL: 1, StaleWhileRevalidate: time.Hour, Observer: Observer(func(e Event) { events = append(events, e) }).Only(EventPanic)})
		ctx := WithKey(t.Context(), "k")
		_, _ = Do(ctx, c, working)
		time.Sleep(time.Second)
		for name, fn := range map[string]func(context.Context) (int, error){"panic": panicking, "Goexit": goexit} {
			if v, err := Do(ctx, c, fn); v != 42 || err != nil {
				t.Errorf("%s: %v, %v", name, v, err)
			}
			synctest.Wait()
			wantIdle(t, c.flights)
		}
		if len(events) != 1 || events[0].Kind != "panic" || events[0].Policy != "cache" || events[0].Name != "stock" {
			t.Errorf("got %+v", events)
		}
	})
}

func TestCacheAsksOnceForACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asker{policy: mustCache(t, CacheConfig{}), takes: time.Second}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 50 * time.Millisecond) // some miss, some hit
				if v, err := a.askBy(WithKey(t.Context(), "k"), a.policy); v != 1 || err != nil {
					t.Errorf("got %v, %v", v, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestCacheKeepsNothingThatOnlyOneCanUse(t *testing.T) {
	c := mustCache(t, CacheConfig{})
	ctx := WithKey(t.Context(), "k")
	for range 2 {
		if v, err := Do(ctx, c, func(context.Context) (*closable, error) { return new(closable), nil }); v.closed != 0 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		_, ending, err := Open(ctx, c, working, nil)
		if err != nil {
			t.Error(err)
		}
		ending.End(nil)
	}
	if s := c.Status(); s.Hits != 0 || s.Entries != 0 {
		t.Errorf("%+v", s)
	}
}

func TestCacheKeepsNoFallback(t *testing.T) {
	c := mustCache(t, CacheConfig{})
	_, _ = Do(WithKey(t.Context(), "k"), Chain(c, FallbackValue(1)), failing)
	if v, _ := Do(WithKey(t.Context(), "k"), Chain(c, FallbackValue(1)), working); v != 42 {
		t.Errorf("got %v from the cache", v)
	}
}

func TestCacheForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, forget := range map[string]func(*Cache){"Forget": func(c *Cache) { c.Forget("k") }, "Clear": (*Cache).Clear} {
			c := mustCache(t, CacheConfig{})
			a := &asker{policy: c}
			a.want(t, 1, nil)
			forget(c)
			a.want(t, 2, nil)
			forget(c)

			a.takes = time.Second
			go func() { _, _ = a.askBy(WithKey(t.Context(), "k"), c) }()
			synctest.Wait()
			forget(c) // while the callee is being asked: its answer is of before
			a.want(t, 4, nil)
			time.Sleep(time.Second)
			a.want(t, 4, nil)
			if s := c.Status(); s.Entries != 1 {
				t.Errorf("%s: %+v", name, s)
			}
		}
	})
}

func TestCacheHoldsItsBounds(t *testing.T) {
	const entries, bytes = 50, 50 * 1000
	rng := rand.New(rand.NewPCG(5, 6))
	c := mustCache(t, CacheConfig{EntriesMax: entries, BytesMax: bytes})
	for range 5000 {
		size := rng.IntN(2000)
		if rng.IntN(50) == 0 {
			size = bytes // more than there is room for
		}
		key := strconv.Itoa(rng.IntN(200))
		_, _ = Do(WithKey(t.Context(), key), c, func(context.Context) ([]byte, error) { return make([]byte, size), nil })
		if rng.IntN(20) == 0 {
			c.Forget(key)
		}
		if s := c.Status(); s.Entries > entries || s.Bytes > bytes || s.Entries == 0 && s.Bytes != 0 {
			t.Fatalf("%+v", s)
		}
	}
	if s := c.Status(); s.Evicted == 0 || s.Hits == 0 || s.Entries < 20 {
		t.Errorf("%+v", s)
	}
	var sum int64
	for _, e := range c.answers.kept.entries {
		sum += e.value.bytes
	}
	if sum != c.Status().Bytes {
		t.Errorf("the entries hold %d bytes, and %d are counted", sum, c.Status().Bytes)
	}
	if err := c.Set(CacheConfig{EntriesMax: 5}); err != nil || c.Status().Entries != 5 {
		t.Errorf("after Set: %v, %+v", err, c.Status())
	}
	c.Clear()
	if s := c.Status(); s.Entries != 0 || s.Bytes != 0 {
		t.Errorf("after Clear: %+v", s)
	}
}

func TestCacheHoldsItsBoundsWhateverSizeSays(t *testing.T) {
	for _, size := range []int64{math.MaxInt64, math.MaxInt64 - 300, math.MaxInt64 / 2, math.MinInt64} {
		c := mustCache(t, CacheConfig{BytesMax: math.MaxInt64 / 2, Size: func(any) int64 { return size }})
		for i := range 3 {
			_, err := Do(WithKey(t.Context(), strconv.Itoa(i)), c, func(context.Context) (int, error) { return 1, nil })
			if s := c.Status(); err != nil || s.Bytes < 0 || size > 0 && s.Entries > 0 {
				t.Errorf("a size of %d: %v, %+v", size, err, s)
			}
		}
	}
}

func TestCacheEstimatesBytes(t *testing.T) {
	type pair [2]int64
	for _, test := range []struct {
		value any
		want  int64
	}{
		{nil, 0}, {"four", 4}, {make([]byte, 3, 10), 10}, {[]pair{{}, {}}, 32}, {&pair{}, 16}, {pair{}, 16}, {int32(1), 4},
	} {
		if got := bytesOf("key", test.value, nil) - entryBytes - 3; got != test.want {
			t.Errorf("%T: %d bytes, want %d", test.value, got, test.want)
		}
	}
	if got := bytesOf("", 1, func(any) int64 { return -5 }); got != entryBytes {
		t.Errorf("a negative size makes %d", got)
	}
}

func TestCacheConfigNamesEveryProblem(t *testing.T) {
	err := CacheConfig{TTL: -1, StaleIfError: -1, StaleWhileRevalidate: 1 << 62, FailureTTL: -1, RefreshTimeout: -1, EntriesMax: -1, BytesMax: -1}.Validate()
	for _, field := range []string{"ttl", "staleIfError", "staleWhileRevalidate", "failureTTL", "refreshTimeout", "entriesMax", "bytesMax"} {
		wantProblem(t, err, field)
	}
	if _, err := NewCache(CacheConfig{TTL: -1}); err == nil {
		t.Error("made of a config that cannot be used")
	}
}

// wantProblem fails unless one of the joined errors is of this field.
func wantProblem(t testing.TB, err error, field string) {
	t.Helper()
	all, _ := err.(interface{ Unwrap() []error })
	if all != nil {
		for _, e := range all.Unwrap() {
			if problem, ok := errors.AsType[*FieldError](e); ok && problem.Field == field {
				return
			}
		}
	}
	t.Errorf("no problem with %s in: %v", field, err)
}

func TestFallbackLastGoodStandsInForFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := FallbackLastGood(LastGoodConfig{AgeMax: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		a := &asker{policy: f, err: errBoom}
		a.want(t, 0, errBoom) // there is none yet
		a.err = nil
		a.want(t, 2, nil)
		a.want(t, 3, nil) // it asks every time
		a.err = &Rejected{Policy: "breaker", Reason: ErrOpen}
		a.want(t, 3, nil)
		if !a.last.Fallback {
			t.Errorf("the stand-in is %+v", a.last)
		}
		if _, err := a.ask(t.Context(), "another"); !errors.Is(err, ErrOpen) {
			t.Errorf("another key: %v", err)
		}
		time.Sleep(time.Hour)
		a.want(t, 0, ErrOpen)
		a.err = nil
		a.want(t, 7, nil)
	})
}

func TestFallbackLastGoodIsBounded(t *testing.T) {
	f, err := FallbackLastGood(LastGoodConfig{EntriesMax: 2})
	if err != nil {
		t.Fatal(err)
	}
	a := &asker{policy: f.On(Failure)}
	for i := range 10 {
		_, _ = a.ask(t.Context(), fmt.Sprint(i))
	}
	a.err = errBoom
	kept := 0
	for i := range 10 {
		if _, err := a.ask(t.Context(), fmt.Sprint(i)); err == nil {
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("%d answers are kept, want 2", kept)
	}
	if _, err := FallbackLastGood(LastGoodConfig{AgeMax: -1}); err == nil {
		t.Error("made of a config that cannot be used")
	}
}

func TestCacheHitAllocatesNothing(t *testing.T) {
	c := mustCache(t, CacheConfig{})
	p := Chain(c)
	ctx := WithKey(t.Context(), "k")
	x := new(int)
	fn := func(context.Context) (*int, error) { return x, nil }
	next := NextFunc(func(context.Context) Result { return Result{Value: x} })
	_, _ = Do(ctx, p, fn)
	if n := testing.AllocsPerRun(1000, func() { c.Do(ctx, next) }); n != 0 {
		t.Errorf("a hit costs %v allocations, want 0", n)
	}
}

func BenchmarkCacheHit(b *testing.B) {
	c := mustCache(b, CacheConfig{})
	ctx := WithKey(b.Context(), "k")
	x := new(int)
	next := NextFunc(func(context.Context) Result { return Result{Value: x} })
	b.ReportAllocs()
	for b.Loop() {
		c.Do(ctx, next)
	}
}
