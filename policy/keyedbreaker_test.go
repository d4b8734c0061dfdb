package policy

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func mustKeyed(t testing.TB, c KeyedBreakerConfig) *KeyedBreaker {
	t.Helper()
	k, err := NewKeyedBreaker(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyedBreakerShutsOutOneKeyAlone(t *testing.T) {
	var names []string
	k := mustKeyed(t, KeyedBreakerConfig{Breaker: BreakerConfig{Name: "shop", Observer: Observer(func(e Event) { names = append(names, e.Name+" "+e.Key) }).Only(EventState)}})
	bad, good := WithKey(t.Context(), "bad"), WithKey(t.Context(), "good")
	for range 5 {
		_, _ = Do(bad, k, failing)
	}
	if _, err := Do(bad, k, working); !errors.Is(err, ErrOpen) {
		t.Errorf("the bad key: %v", err)
	}
	if _, err := Do(good, k, working); err != nil {
		t.Errorf("the good key: %v", err)
	}
	if _, err := Do(t.Context(), k, working); err != nil {
		t.Errorf("no key: %v", err)
	}
	if s := k.Status(); s.Keys != 2 || s.NotClosed != 1 {
		t.Errorf("%+v", s)
	}
	if len(names) != 1 || names[0] != "shop bad" {
		t.Errorf("events of %v", names)
	}
}

func TestKeyedBreakerGivesUpClosedOnesFirst(t *testing.T) {
	k := mustKeyed(t, KeyedBreakerConfig{KeysMax: 10})
	for i := range 5 {
		trip(t, k.Get("open"+strconv.Itoa(i)))
	}
	k.Get("held").Force(false, "by hand")
	for i := range 1000 {
		k.Get(strconv.Itoa(i))
		if s := k.Status(); s.Keys > 10 || s.NotClosed != 5 {
			t.Fatalf("after %d keys: %+v", i+1, s)
		}
	}
	if !k.Get("held").Status().Forced {
		t.Error("a breaker that an operator holds was given up")
	}
	if s := k.Status(); s.Shared != 0 || s.Evicted != 996 {
		t.Errorf("%+v", s)
	}
}

func TestKeyedBreakerSharesOneAmongKeysWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := mustKeyed(t, KeyedBreakerConfig{KeysMax: 3})
		for i := range 3 {
			trip(t, k.Get(strconv.Itoa(i)))
		}
		if k.Get("new") != k.Get("newer") || k.Get("new") == k.Get("0") {
			t.Error("keys without room do not share one breaker")
		}
		waitOpen(k.Get("1"))
		k.Get("1").Close("a health check passed")
		if k.Get("new") == k.Get("newer") {
			t.Error("there is no room although one has closed")
		}
		if s := k.Status(); s.Keys != 3 || s.NotClosed != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestKeyedBreakerGivesUpWhatIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := mustKeyed(t, KeyedBreakerConfig{IdleAfter: time.Minute})
		for i := range 100 {
			k.Get(strconv.Itoa(i))
		}
		trip(t, k.Get("open"))
		for range 5 {
			time.Sleep(time.Minute)
			k.Get("7")
			k.Get(time.Now().String()) // a new key is when there is time to look
		}
		s := k.Status()
		if s.Keys > 4 || s.NotClosed != 0 || k.breakers.entries["7"] == nil {
			t.Errorf("%+v", s)
		}
	})
}

func TestKeyedBreakerSet(t *testing.T) {
	k := mustKeyed(t, KeyedBreakerConfig{})
	for i := range 20 {
		k.Get(strconv.Itoa(i))
	}
	trip(t, k.Get("3"))
	if err := k.Set(KeyedBreakerConfig{KeysMax: 2, Breaker: BreakerConfig{ConsecutiveFailures: 1}}); err != nil {
		t.Fatal(err)
	}
	wantState(t, k.Get("3"), BreakerOpen)
	if s := k.Status(); s.Keys != 2 {
		t.Errorf("%+v", s)
	}
	for key, b := range k.All() {
		if key != "3" {
			tell(t, b, Failure)
			wantState(t, b, BreakerOpen)
		}
	}
	if err := k.Set(KeyedBreakerConfig{KeysMax: 1}); err != nil || k.Status().Keys != 1 {
		t.Errorf("%v, %+v", err, k.Status())
	}
	if err := k.Set(KeyedBreakerConfig{KeysMax: -1, IdleAfter: -1, Breaker: BreakerConfig{Probes: -1}}); err == nil {
		t.Error("set to what cannot be used")
	}
}

// However keys come and fail, the cap holds and the list stays whole.
func TestKeyedBreakerHoldsItsCap(t *testing.T) {
	k := mustKeyed(t, KeyedBreakerConfig{KeysMax: 50, Breaker: BreakerConfig{ConsecutiveFailures: 2}})
	var wg sync.WaitGroup
	for i := range 4 {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		wg.Go(func() {
			for range 3000 {
				n := rng.IntN(200)
				onKey := WithKey(context.Background(), strconv.Itoa(n))
				_, _ = Do(onKey, k, func(context.Context) (int, error) {
					if n%4 == 0 {
						return 0, errBoom
					}
					return 1, nil
				})
			}
		})
	}
	wg.Wait()
	if s := k.Status(); s.Keys > 50 || s.Evicted == 0 {
		t.Errorf("%+v", s)
	}
	wantWhole(t, &k.breakers)
}

func TestKeyedBreakerFitsInMemory(t *testing.T) {
	const keys = 10_000
	k := mustKeyed(t, KeyedBreakerConfig{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range keys {
		k.Get(strconv.Itoa(i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	bytes := (after.HeapAlloc - before.HeapAlloc) / keys
	t.Logf("%d bytes a key", bytes)
	if bytes > 2000 {
		t.Errorf("%d bytes a key", bytes)
	}
	runtime.KeepAlive(k)
}

func BenchmarkKeyedBreaker(b *testing.B) {
	k := mustKeyed(b, KeyedBreakerConfig{Breaker: BreakerConfig{FailureRate: -1}})
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p, _ := k.Get(keys[i%len(keys)]).Allow()
		p.Done(Success)
	}
}

// TestKeyedBreakerShowsTheOneThatIsShared, and lets an operator hold it.
func TestKeyedBreakerShowsTheOneThatIsShared(t *testing.T) {
	k := mustKeyed(t, KeyedBreakerConfig{KeysMax: 1})
	trip(t, k.Get("open"))
	if s := k.Status(); s.Rest != BreakerClosed {
		t.Errorf("before: %+v", s)
	}
	trip(t, k.Get("new"))
	if s := k.Status(); s.Rest != BreakerOpen || s.Keys != 1 || s.NotClosed != 1 {
		t.Errorf("%+v", s)
	}
	if k.Rest() != k.Get("newer") {
		t.Error("not the breaker of keys that find no place")
	}
	k.Rest().Force(false, "by hand")
	if _, err := Do(WithKey(t.Context(), "newest"), k, working); err != nil {
		t.Errorf("held closed: %v", err)
	}
}

// BenchmarkKeyedBreakerShrink is a smaller KeysMax while every callee fails.
func BenchmarkKeyedBreakerShrink(b *testing.B) {
	for _, keys := range []int{1000, 10_000} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			k := mustKeyed(b, KeyedBreakerConfig{})
			for b.Loop() {
				b.StopTimer()
				if err := k.Set(KeyedBreakerConfig{KeysMax: keys}); err != nil {
					b.Fatal(err)
				}
				for i := range keys {
					k.Get(strconv.Itoa(i)).Force(true, "it fails")
				}
				b.StartTimer()
				if err := k.Set(KeyedBreakerConfig{KeysMax: 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
