package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newKeyed(t testing.TB, c KeyedRateLimitConfig) *KeyedRateLimit {
	t.Helper()
	k, err := NewKeyedRateLimit(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// admittedOf is how many of n calls a key's limit allows now.
func admittedOf(k *KeyedRateLimit, key string, n int) int {
	count := 0
	for range n {
		if k.Allow(key) == nil {
			count++
		}
	}
	return count
}

func TestKeyedRateLimitLimitsEachKeyAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 10})
		for _, key := range []string{"ann", "bob", ""} {
			if n := admittedOf(k, key, 20); n != 10 {
				t.Errorf("%q: %d are admitted at once, want 10", key, n)
			}
		}
		if err := k.AllowBytes([]byte("ann")); !errors.Is(err, ErrLimited) {
			t.Errorf("the same key as bytes: %v", err)
		}
		err := k.Allow("ann")
		rejected, ok := errors.AsType[*Rejected](err)
		if !ok || rejected.RetryAfter != 100*time.Millisecond {
			t.Fatalf("got %v", err)
		}
		time.Sleep(rejected.RetryAfter)
		if n := admittedOf(k, "ann", 20); n != 1 {
			t.Errorf("%d after RetryAfter, want 1", n)
		}
		if s := k.Status("ann"); s.Left != 0 || s.Reset != time.Second || s.RetryAfter != 100*time.Millisecond || s.Burst != 10 {
			t.Errorf("got %+v", s)
		}
		if err := k.AllowN("eve", 11); err == nil || err.(*Rejected).RetryAfter != 0 {
			t.Errorf("more than ever: %v", err)
		}
		if err := errors.Join(k.AllowN("eve", 10), k.AllowN("eve", 0)); err != nil {
			t.Error(err)
		}
		if s := k.Status("nobody"); s.Left != 10 || s.Reset != 0 || k.Keys() != 4 {
			t.Errorf("an unknown key: %+v among %d", s, k.Keys())
		}
	})
}

func TestKeyedRateLimitMadeSmallerTakesInNewKeysOnceOthersAreIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 1, KeysMax: 100_000})
		for i := range 50 {
			_ = k.Allow(fmt.Sprint(i))
		}
		if err := k.Set(KeyedRateLimitConfig{Requests: 1, KeysMax: 10, WhenFull: RejectWhenFull}); err != nil {
			t.Fatal(err)
		}
		asked := func() (n int) {
			for ; n < 1000 && k.Allow("new") != nil; n++ {
			}
			return n
		}
		if n := asked(); n < 1000 {
			t.Errorf("taken in among 50 keys that are in use, after %d refusals", n)
		}
		time.Sleep(time.Minute)
		if n := asked(); n > len(k.shards) {
			t.Errorf("refused %d times although nobody else calls; %d keys are known", n, k.Keys())
		}
	})
}

func TestKeyedRateLimitFindsTheKeyOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type userKey struct{}
		user := func(ctx context.Context) string { return ctx.Value(userKey{}).(string) }
		call := NextFunc(func(context.Context) Result { return Result{Value: 1} })
		for name, test := range map[string]struct {
			key  KeyFunc
			with func(key string) context.Context
		}{
			"WithKey":   {nil, func(key string) context.Context { return WithKey(t.Context(), key) }},
			"a KeyFunc": {user, func(key string) context.Context { return context.WithValue(t.Context(), userKey{}, key) }},
		} {
			k := newKeyed(t, KeyedRateLimitConfig{Requests: 1, Key: test.key})
			for _, key := range []string{"ann", "bob", ""} {
				ctx := test.with(key)
				if r := k.Do(ctx, call); r.Value != 1 {
					t.Errorf("%s: %q: got %+v", name, key, r)
				}
				if r := k.Do(ctx, call); r.Class != Shed || r.RetryAfter != time.Second {
					t.Errorf("%s: %q again: got %+v", name, key, r)
				}
				if s := k.OfCall(ctx).Status(); s.Left != 0 {
					t.Errorf("%s: %q: got %+v", name, key, s)
				}
			}
		}
	})
}

// TestKeyedRateLimitCountsLikeABucketForEachKey compares the table with a map
// that forgets nobody, over keys that come and go.
func TestKeyedRateLimitCountsLikeABucketForEachKey(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 3))
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 5})
		k.shards = k.shards[:1]
		interval, depth := k.shape.Load().interval, k.shape.Load().depth
		model := map[uint64]int64{}
		at, latest := time.Hour, time.Duration(0)
		keys := []int{3, 50, 1000, 1 << 30}[seed%4]
		for i := range 20_000 {
			at += time.Duration(random.ExpFloat64() * float64([]time.Duration{0, time.Millisecond, 20 * time.Millisecond}[i/3000%3]))
			reading := at - time.Duration(random.Int64N(int64(30*time.Millisecond)))
			latest = max(latest, reading)
			key, n := uint64(1+random.IntN(keys))<<(64-31), 1+random.Int64N(3)
			if seed%2 == 0 {
				key = k.hash(k.Of(strconv.Itoa(int(key >> 33))).hash)
			}
			next := max(model[key], int64(latest)) + n*interval
			want := max(next-depth-int64(latest), 0)
			if want == 0 {
				model[key] = next
			}
			g, wait := k.take(reading, key, int(n), 0)
			if int64(wait) != want {
				t.Fatalf("seed %d: call %d is to wait %v, want %v", seed, i, wait, time.Duration(want))
			}
			if wait == 0 && g.slot.at != latest {
				t.Fatalf("seed %d: call %d is admitted at %v, want %v", seed, i, g.slot.at, latest)
			}
		}
		held := 0
		for _, p := range k.shards[0].places {
			if p.hash != 0 {
				held++
			}
		}
		if held != k.shards[0].taken || held != k.Keys() {
			t.Errorf("seed %d: %d places are taken, %d are counted and %d keys told", seed, held, k.shards[0].taken, k.Keys())
		}
	}
}

// TestKeyedRateLimitNeverExceedsItsLaw has more keys than places, many
// goroutines and late readings of the clock.
func TestKeyedRateLimitNeverExceedsItsLaw(t *testing.T) {
	const keysMax, keys = 600, 900
	k := newKeyed(t, KeyedRateLimitConfig{Requests: 10, Burst: 4, KeysMax: keysMax, WhenFull: RejectWhenFull})
	var clock atomic.Int64
	clock.Store(int64(time.Hour))
	var mu sync.Mutex
	var refused atomic.Int64
	all := map[uint64][]begun{}
	var callers sync.WaitGroup
	for i := range uint64(8) {
		callers.Go(func() {
			random := rand.New(rand.NewPCG(i, 4))
			for range 8000 {
				t0 := time.Duration(clock.Add(random.Int64N(200_000))) - time.Duration(random.Int64N(int64(50*time.Millisecond)))
				hash, n := k.Of(strconv.Itoa(int(keys*random.Float64()*random.Float64()))).hash, 1+random.IntN(2)
				g, wait := k.take(t0, hash, n, 0)
				if wait != 0 {
					refused.Add(1)
					continue
				}
				mu.Lock()
				all[hash] = append(all[hash], begun{g.slot.at, n})
				mu.Unlock()
				if n := k.Keys(); n > keysMax {
					t.Errorf("%d keys are known, want at most %d", n, keysMax)
				}
			}
		})
	}
	callers.Wait()
	c := RateLimitConfig{Requests: 10, Burst: 4}.WithDefaults()
	for _, of := range all {
		wantLaw(t, c, of)
	}
	if len(all) < keysMax/2 || refused.Load() < 1000 {
		t.Errorf("only %d keys were admitted and %d calls refused", len(all), refused.Load())
	}
}

// TestKeyedRateLimitForgetsNobodyWhoIsLimited floods it with new keys, which
// must not give a key that has used up its limit another one.
func TestKeyedRateLimitForgetsNobodyWhoIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 10, Per: time.Hour, KeysMax: 500})
		admittedOf(k, "greedy", 10)
		for i := range 20_000 {
			_ = k.Allow("flood " + strconv.Itoa(i))
		}
		if n := admittedOf(k, "greedy", 10); n != 0 {
			t.Errorf("%d more calls of a key that is limited", n)
		}
		if n := k.Keys(); n != 500 {
			t.Errorf("%d keys are known, want 500", n)
		}
		time.Sleep(10 * time.Minute) // the flood's keys are idle, the greedy one is not
		if n := admittedOf(k, "late", 20); n != 10 {
			t.Errorf("a new key: %d are admitted, want 10", n)
		}
		if n := admittedOf(k, "greedy", 10); n != 1 {
			t.Errorf("%d more calls of a key that is limited, want 1", n)
		}
	})
}

func TestKeyedRateLimitWhenFull(t *testing.T) {
	for when, want := range map[WhenKeysFull]int{"": 10, ShareWhenFull: 10, RejectWhenFull: 0, AdmitWhenFull: 300} {
		synctest.Test(t, func(t *testing.T) {
			k := newKeyed(t, KeyedRateLimitConfig{Requests: 10, KeysMax: 100, WhenFull: when})
			for i := range 100 {
				if n := admittedOf(k, strconv.Itoa(i), 20); n != 10 {
					t.Fatalf("%q: key %d: %d are admitted, want 10", when, i, n)
				}
			}
			count := 0
			for i := range 30 {
				count += admittedOf(k, "further "+strconv.Itoa(i), 10)
			}
			if count != want {
				t.Errorf("%q: %d calls of further keys are admitted, want %d", when, count, want)
			}
			time.Sleep(time.Second)
			if n := admittedOf(k, "further 1", 20); n != 10 {
				t.Errorf("%q: once there is room: %d are admitted, want 10", when, n)
			}
		})
	}
}

func TestKeyedRateLimitSetKeepsTheShareThatIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 10, Per: time.Hour})
		admittedOf(k, "half", 5)
		admittedOf(k, "all", 10)
		for _, c := range []KeyedRateLimitConfig{
			{Requests: 100, Per: time.Hour},
			{Requests: 20, Per: time.Second},
			{Requests: 1000, Per: time.Hour, Burst: 40},
		} {
			if err := k.Set(c); err != nil {
				t.Fatal(err)
			}
			half, all := k.Status("half"), k.Status("all")
			if half.Left > float64(half.Burst)/2 || half.Left < float64(half.Burst)/2-0.01 || all.Left > 0 || all.Left < -0.01 {
				t.Errorf("%v in %v: %v and %v of %d are left", c.Requests, c.Per, half.Left, all.Left, half.Burst)
			}
		}
		if err := k.Set(KeyedRateLimitConfig{}); err == nil {
			t.Error("took a Config without Requests")
		}
	})
}

func TestKeyedRateLimitGivesBackNoMoreThanItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := KeyedRateLimitConfig{Requests: 10, Per: time.Hour}
		k := newKeyed(t, c)
		left := func() float64 { return k.Status("ann").Left }
		ann := k.Of("ann")

		all, _ := ann.take(now(), 10, 0)
		time.Sleep(time.Hour) // all is refilled, and used up again
		admittedOf(k, "ann", 10)
		ann.release(all)
		if left() != 0 {
			t.Errorf("refilled: %v are left, want 0", left())
		}

		time.Sleep(time.Hour)
		all, _ = ann.take(now(), 10, 0)
		c.Per = time.Minute
		if err := k.Set(c); err != nil {
			t.Fatal(err)
		}
		ann.release(all)
		if left() > 0 {
			t.Errorf("after Set: %v are left, want 0", left())
		}

		time.Sleep(time.Hour)
		all, _ = ann.take(now(), 10, 0)
		ann.release(all)
		if left() != 10 {
			t.Errorf("at once: %v are left, want 10", left())
		}
	})
}

func TestKeyedRateLimitFitsItsMemoryToItsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 10, KeysMax: 1_000_000})
		memory := func() (bytes int) {
			for i := range k.shards {
				bytes += len(k.shards[i].places) * 16
			}
			return bytes
		}
		for i := range 100_000 {
			_ = k.Allow(strconv.Itoa(i))
		}
		flood := memory()
		if each := float64(flood) / float64(k.Keys()); k.Keys() != 100_000 || each < 24 || each > 37 {
			t.Errorf("%d keys of %.1f bytes, want 24 to 36", k.Keys(), each)
		}
		for round := range 60 {
			time.Sleep(time.Minute)
			for i := range 2000 {
				_ = k.Allow(fmt.Sprint(round, i))
			}
		}
		if calm := memory(); calm > flood/3 {
			t.Errorf("%d bytes are kept of %d", calm, flood)
		}
	})
}

func TestKeyedRateLimitAllocatesNothing(t *testing.T) {
	for _, algorithm := range keyedAlgorithms {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 1e5, Algorithm: algorithm, KeysMax: 100})
		other := newRateLimit(t, RateLimitConfig{Requests: 1e6})
		key, ctx := []byte("ann"), t.Context()
		for name, call := range map[string]func(){
			"string": func() { _ = k.Allow("ann") },
			"bytes":  func() { _ = k.AllowBytes(key) },
			"wait":   func() { _ = k.Of("ann").Wait(ctx) },
			"limits": func() { _ = Limits{other.Limit(), k.Of("ann"), k.OfBytes(key)}.Allow() },
			"queue":  func() { _ = Limits{other.Limit(), k.Of("bob")}.Admit(ctx) },
			"status": func() { _ = k.Status("ann") },
		} {
			if algorithm == LeakyBucket && (name == "wait" || name == "queue") {
				continue // a call waits on a timer
			}
			if n := testing.AllocsPerRun(1000, call); n != 0 {
				t.Errorf("%s: %s: %v allocations", algorithm, name, n)
			}
		}
	}
}

func TestKeyedRateLimitConfigTellsEveryProblem(t *testing.T) {
	_, err := NewKeyedRateLimit(KeyedRateLimitConfig{Per: -1, Burst: -1, KeysMax: -1, WhenFull: "panic"})
	wantFields(t, err, "keysMax", "whenFull", "requests", "per", "burst")
}

func BenchmarkKeyedRateLimit(b *testing.B) {
	for _, keys := range []int{10_000, 1_000_000} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			k := newKeyed(b, KeyedRateLimitConfig{Requests: 1e6, Burst: 1e9, KeysMax: keys})
			names := make([]string, keys)
			for i := range names {
				names[i] = "user-" + strconv.Itoa(i)
				_ = k.AllowN(names[i], 1e8)
			}
			places := 0
			for i := range k.shards {
				places += len(k.shards[i].places)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i = (i + 7919) % keys
				_ = k.Allow(names[i])
			}
			b.ReportMetric(float64(places*16+len(k.shards)*64)/float64(keys), "bytes/key")
		})
	}
}
