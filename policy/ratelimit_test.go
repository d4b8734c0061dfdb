package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	// bursting are the algorithms that admit all Requests at once.
	bursting = []LimitAlgorithm{TokenBucket, SlidingWindow, SlidingWindowCounter, FixedWindow}
	// exact are those of them that admit all of them again in the time after.
	exact = []LimitAlgorithm{TokenBucket, SlidingWindow, FixedWindow}
)

func newRateLimit(t testing.TB, c RateLimitConfig) *RateLimit {
	t.Helper()
	l, err := NewRateLimit(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// admitted is how many of n calls a limit allows now.
func admitted(l *RateLimit, n int) int {
	count := 0
	for range n {
		if l.Allow() == nil {
			count++
		}
	}
	return count
}

func TestRateLimitLimitsAndRefills(t *testing.T) {
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 10, Algorithm: algorithm})
			if n := admitted(l, 100); n != 10 {
				t.Errorf("%s: %d at once, want 10", algorithm, n)
			}
			var rejected *Rejected
			if err := l.Allow(); !errors.As(err, &rejected) || !errors.Is(err, ErrLimited) || rejected.RetryAfter <= 0 {
				t.Fatalf("%s: got %v", algorithm, err)
			}
			time.Sleep(rejected.RetryAfter)
			if err := l.Allow(); err != nil {
				t.Errorf("%s: after RetryAfter: %v", algorithm, err)
			}
			time.Sleep(2 * time.Second)
			if n := admitted(l, 100); n != 10 {
				t.Errorf("%s: %d after two seconds, want 10", algorithm, n)
			}
			if s := l.Status(); s.Left != 0 || s.Rejected != 90+1+90 || s.RetryAfter <= 0 {
				t.Errorf("%s: got %+v", algorithm, s)
			}
		})
	}
}

func TestRateLimitAdmitsTogetherOrNotAtAll(t *testing.T) {
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 10, Algorithm: algorithm})
			var rejected *Rejected
			if err := l.AllowN(11); !errors.As(err, &rejected) || rejected.RetryAfter != 0 {
				t.Errorf("%s: more than ever: %v", algorithm, err)
			}
			if err := errors.Join(l.AllowN(7), l.AllowN(0)); err != nil {
				t.Errorf("%s: %v", algorithm, err)
			}
			if err := l.AllowN(4); err == nil {
				t.Errorf("%s: 11 were admitted", algorithm)
			}
			if err := l.AllowN(3); err != nil {
				t.Errorf("%s: a refused call used up something: %v", algorithm, err)
			}
		})
	}
}

// TestRateLimitIsExactUnderStrain has the time stand still, so that whatever
// the callers and Set do at once, exactly a burst is admitted.
func TestRateLimitIsExactUnderStrain(t *testing.T) {
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			c := RateLimitConfig{Requests: 5000, Algorithm: algorithm}
			l := newRateLimit(t, c)
			var total atomic.Int64
			var callers sync.WaitGroup
			for range 16 {
				callers.Go(func() { total.Add(int64(admitted(l, 1000))) })
			}
			for i := range 200 {
				c.Per = []time.Duration{2 * time.Second, time.Second}[i%2]
				if err := l.Set(c); err != nil {
					t.Error(err)
				}
			}
			callers.Wait()
			if total.Load() != 5000 {
				t.Errorf("%s: %d were admitted, want 5000", algorithm, total.Load())
			}
		})
	}
}

// TestTokenBucketNeverExceedsItsRate has many callers whose readings of the
// clock come late and out of order.
func TestTokenBucketNeverExceedsItsRate(t *testing.T) {
	const rate, burst = 1000, 50
	b := newTokenBucket(&RateLimitConfig{Requests: rate, Per: time.Second, Burst: burst})
	const began = time.Hour
	var clock, total atomic.Int64
	clock.Store(int64(began))
	var callers sync.WaitGroup
	for i := range 64 {
		callers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 0))
			for range 5000 {
				t := time.Duration(clock.Add(random.Int64N(20_000)))
				t -= time.Duration(random.Int64N(int64(50 * time.Millisecond)))
				if _, wait := b.take(max(t, began), 1, 0); wait == 0 {
					total.Add(1)
				}
			}
		})
	}
	callers.Wait()
	passed := time.Duration(clock.Load()) - began
	most := int64(passed.Seconds()*rate) + burst
	if got := total.Load(); got > most || got < most*9/10 {
		t.Errorf("%d were admitted in %v, want %d at most and hardly less", got, passed, most)
	}
}

// TestSlidingWindowNeverExceedsItsLimit looks at every window there is.
func TestSlidingWindowNeverExceedsItsLimit(t *testing.T) {
	const limit, width = 7, time.Second
	w := newSlidingWindow(&RateLimitConfig{Requests: limit, Per: width})
	random := rand.New(rand.NewPCG(1, 2))
	var at, latest time.Duration
	var began []time.Duration
	for range 20_000 {
		at += time.Duration(random.ExpFloat64() * float64(80*time.Millisecond))
		reading := max(at-time.Duration(random.Int64N(int64(300*time.Millisecond))), 0)
		latest = max(latest, reading)
		n := 1 + random.IntN(3)
		if _, wait := w.take(reading, n, 0); wait == 0 {
			for range n {
				began = append(began, latest)
			}
		} else if _, early := w.take(latest+wait-1, n, 0); early == 0 {
			t.Fatalf("%d calls were to wait %v and were admitted before", n, wait)
		} else {
			latest = max(latest, latest+wait-1)
			at = max(at, latest)
		}
	}
	for i := limit; i < len(began); i++ {
		if began[i]-began[i-limit] < width {
			t.Fatalf("%d calls began within %v", limit+1, began[i]-began[i-limit])
		}
	}
	if len(began) < 1000 {
		t.Errorf("only %d calls were admitted", len(began))
	}
}

func TestRateLimitWaitPacesItsCallersInOrder(t *testing.T) {
	for _, algorithm := range exact {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 2, Algorithm: algorithm})
			began := time.Now()
			admitted(l, 2)
			var order []int
			var at []time.Duration
			var mu sync.Mutex
			for i := range 4 {
				go func() {
					if err := l.Wait(t.Context()); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					order, at = append(order, i), append(at, time.Since(began))
				}()
				synctest.Wait()
			}
			if err := l.Allow(); !errors.Is(err, ErrLimited) {
				t.Errorf("%s: overtook those who wait: %v", algorithm, err)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			ms := time.Millisecond
			want := []time.Duration{500 * ms, 1000 * ms, 1500 * ms, 2000 * ms}
			if algorithm != TokenBucket {
				want = []time.Duration{1000 * ms, 1000 * ms, 2000 * ms, 2000 * ms}
			}
			if diff := cmp.Diff(want, at); diff != "" {
				t.Errorf("%s: admitted at (-want +got):\n%s", algorithm, diff)
			}
			if algorithm == TokenBucket && !slices.Equal(order, []int{0, 1, 2, 3}) {
				t.Errorf("%s: in the order %v", algorithm, order)
			}
		})
	}
}

func TestRateLimitWaitGivesUpAtOnceWhenTheDeadlineIsTooSoon(t *testing.T) {
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 1, Per: 10 * time.Second, Algorithm: algorithm})
			admitted(l, 1)
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			go func() { _ = l.Wait(ctx) }()
			synctest.Wait()
			began := time.Now()
			if err := l.Wait(ctx); !errors.Is(err, ErrDeadline) || time.Since(began) != 0 {
				t.Errorf("%s: got %v after %v", algorithm, err, time.Since(began))
			}
			time.Sleep(20 * time.Second)
			if s := l.Status(); s.Waiting != 0 || s.Left != 1 {
				t.Errorf("%s: the refused call used up something: %+v", algorithm, s)
			}
		})
	}
}

func TestRateLimitWaitGivesItsTurnBackOnCancel(t *testing.T) {
	for _, algorithm := range exact {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 1, Algorithm: algorithm})
			admitted(l, 1)
			ctx, cancel := context.WithCancel(t.Context())
			errs := make(chan error, 10)
			for range 9 {
				go func() { errs <- l.Wait(ctx) }()
			}
			synctest.Wait()
			last := make(chan error)
			go func() { last <- l.Wait(t.Context()) }()
			synctest.Wait()
			if s := l.Status(); s.Waiting != 10 || s.RetryAfter != 11*time.Second {
				t.Errorf("%s: got %+v", algorithm, s)
			}
			began := time.Now()
			cancel()
			for range 9 {
				if err := <-errs; !errors.Is(err, context.Canceled) {
					t.Errorf("%s: got %v", algorithm, err)
				}
			}
			if err := <-last; err != nil || time.Since(began) != time.Second {
				t.Errorf("%s: who stayed was admitted after %v: %v", algorithm, time.Since(began), err)
			}
			if err := l.Wait(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: with an ended context: %v", algorithm, err)
			}
		})
	}
}

func TestRateLimitSetKeepsWhatIsUsedUp(t *testing.T) {
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 10, Per: time.Minute, Algorithm: algorithm})
			set := func(requests float64, per time.Duration) {
				t.Helper()
				if err := l.Set(RateLimitConfig{Requests: requests, Per: per, Algorithm: algorithm}); err != nil {
					t.Fatal(err)
				}
			}
			admitted(l, 8)
			set(5, time.Minute)
			if n := admitted(l, 10); n > 2 {
				t.Errorf("%s: smaller: %d more were admitted, want at most 2", algorithm, n)
			}
			set(10, time.Second)
			if n := admitted(l, 20); n > 5 {
				t.Errorf("%s: faster: %d more were admitted, want at most 5", algorithm, n)
			}
			time.Sleep(2 * time.Second)
			if n := admitted(l, 20); n != 10 {
				t.Errorf("%s: %d after two seconds, want 10", algorithm, n)
			}
			if err := l.Set(RateLimitConfig{}); err == nil {
				t.Errorf("%s: took a Config without Requests", algorithm)
			}
		})
	}
}

func TestRateLimitMadeTinyForgetsNoCallsBookedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, RateLimitConfig{Requests: 1e7, WaitMax: 24 * time.Hour})
		for ahead := time.Duration(0); ahead < 20*time.Hour; {
			r, err := l.Reserve(1e7)
			if err != nil {
				t.Fatal(err)
			}
			ahead = r.Delay()
			time.Sleep(time.Nanosecond)
		}
		if err := l.Set(RateLimitConfig{Requests: 1, Per: depthMax}); err != nil {
			t.Fatal(err)
		}
		if s := l.Status(); l.Allow() == nil || s.Left != 0 || s.RetryAfter < depthMax/2 {
			t.Errorf("got %+v", s)
		}
		time.Sleep(2 * depthMax)
		if err := l.Allow(); err != nil {
			t.Errorf("two years later: %v", err)
		}
	})
}

func TestReshapedLimiterAdmitsNothingMore(t *testing.T) {
	for _, algorithm := range bursting {
		c := RateLimitConfig{Requests: 10, Algorithm: algorithm}.WithDefaults()
		old := newLimiter(&c)
		if _, wait := old.take(time.Hour, 4, 0); wait != 0 {
			t.Fatalf("%s: got %v", algorithm, wait)
		}
		next := old.reshape(time.Hour, &c)
		if _, wait := old.take(time.Hour, 1, 0); wait != moved {
			t.Errorf("%s: the old limiter answered %v", algorithm, wait)
		}
		if left, _ := next.left(time.Hour); left != 6 {
			t.Errorf("%s: %v calls are left, want 6", algorithm, left)
		}
	}
}

func TestRateLimitSetShortensAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, RateLimitConfig{Requests: 1, Per: time.Hour})
		admitted(l, 1)
		began, done := time.Now(), make(chan error)
		go func() { done <- l.Wait(t.Context()) }()
		synctest.Wait()
		if err := l.Set(RateLimitConfig{Requests: 10}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("admitted after %v: %v", time.Since(began), err)
		}
	})
}

func TestRateLimitDoShedsWhatIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, RateLimitConfig{Requests: 1})
		next := NextFunc(func(context.Context) Result { return Result{Value: 1} })
		if r := l.Do(t.Context(), next); r.Value != 1 {
			t.Errorf("got %+v", r)
		}
		if r := l.Do(t.Context(), next); r.Class != Shed || r.RetryAfter != time.Second || !errors.Is(r.Err, ErrLimited) {
			t.Errorf("got %+v", r)
		}
	})
}

func TestRateLimitSetWithoutAChangeTouchesNothing(t *testing.T) {
	l := newRateLimit(t, RateLimitConfig{Requests: 10})
	before := l.limiter.Load()
	if err := l.Set(RateLimitConfig{Requests: 10, Burst: 10, WaitMax: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if l.limiter.Load() != before || l.config.Load().WaitMax != time.Minute {
		t.Error("Set made another limiter of the same shape, or did not take WaitMax")
	}
}

func TestRateLimitSetTakesOverBetweenKindredAlgorithms(t *testing.T) {
	for _, kin := range [][2]LimitAlgorithm{{FixedWindow, SlidingWindowCounter}, {SlidingWindowCounter, FixedWindow}, {TokenBucket, LeakyBucket}} {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 10, Algorithm: kin[0]})
			admitted(l, 10)
			if err := l.Set(RateLimitConfig{Requests: 10, Algorithm: kin[1]}); err != nil {
				t.Fatal(err)
			}
			if n := admitted(l, 10); n != 0 {
				t.Errorf("%s to %s: %d more were admitted", kin[0], kin[1], n)
			}
			time.Sleep(2 * time.Second)
			if n := admitted(l, 1); n != 1 {
				t.Errorf("%s to %s: nothing is admitted later", kin[0], kin[1])
			}
		})
	}
}

func TestRateLimitStatusTellsWhenItIsReset(t *testing.T) {
	want := map[LimitAlgorithm]time.Duration{
		TokenBucket: 300 * time.Millisecond, SlidingWindow: time.Second,
		SlidingWindowCounter: 1600 * time.Millisecond, FixedWindow: 600 * time.Millisecond,
	}
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 10, Algorithm: algorithm})
			time.Sleep(400 * time.Millisecond)
			admitted(l, 3)
			got := l.Status()
			if diff := cmp.Diff(RateLimitStatus{Requests: 10, Per: time.Second, Burst: 10, Left: 7, Reset: want[algorithm]}, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", algorithm, diff)
			}
			time.Sleep(got.Reset)
			if s := l.Status(); s.Left != 10 || s.Reset != 0 {
				t.Errorf("%s: after Reset: %+v", algorithm, s)
			}
		})
	}
}

func TestRateLimitConfigTellsEveryProblem(t *testing.T) {
	_, err := NewRateLimit(RateLimitConfig{Per: -1, Burst: -1, Algorithm: "leaky"})
	wantFields(t, err, "requests", "per", "burst", "algorithm")
	_, err = NewRateLimit(RateLimitConfig{Requests: 1.5, Burst: 3, Algorithm: SlidingWindow})
	wantFields(t, err, "requests", "burst")
	_, err = NewRateLimit(RateLimitConfig{Requests: 1e9})
	wantFields(t, err, "requests")
	_, err = NewRateLimit(RateLimitConfig{Requests: 1, Per: time.Hour, Burst: 1e6})
	wantFields(t, err, "burst")
	_, err = NewRateLimit(RateLimitConfig{Requests: 1, Per: 400 * 24 * time.Hour, QueueMax: -1, WaitMax: -1})
	wantFields(t, err, "per", "queueMax", "waitMax")
	_, err = NewRateLimit(RateLimitConfig{Requests: 10, Burst: 10, Algorithm: LeakyBucket})
	wantFields(t, err, "burst")
	_, err = NewRateLimit(RateLimitConfig{Requests: 10, Algorithm: "gcra"})
	if err == nil || !strings.Contains(err.Error(), "want tokenBucket, which is") {
		t.Errorf("gcra: got %v", err)
	}
	if l := newRateLimit(t, RateLimitConfig{Requests: 0.1}); admitted(l, 5) != 1 {
		t.Error("a burst is not at least 1")
	}
}

func BenchmarkRateLimit(b *testing.B) {
	for _, algorithm := range bursting {
		b.Run(string(algorithm), func(b *testing.B) {
			c := RateLimitConfig{Requests: 1e7, Burst: 1e9, Algorithm: algorithm}
			if algorithm.windowed() {
				c = RateLimitConfig{Requests: 1e6, Per: time.Millisecond, Algorithm: algorithm}
			}
			l := newRateLimit(b, c)
			b.ReportAllocs()
			for b.Loop() {
				_ = l.Allow()
			}
		})
	}
	b.Run("rejected", func(b *testing.B) {
		l := newRateLimit(b, RateLimitConfig{Requests: 1, Per: time.Hour})
		b.ReportAllocs()
		for b.Loop() {
			_ = l.Allow()
		}
	})
	b.Run("set", func(b *testing.B) {
		l := newRateLimit(b, RateLimitConfig{Requests: 100})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_ = l.Set(RateLimitConfig{Requests: float64(100 + i%2)})
		}
	})
}

func TestSlidingWindowCountsWhatIsLeft(t *testing.T) {
	property(t, 50, func(t *testing.T, random *rand.Rand) {
		l := newRateLimit(t, RateLimitConfig{Algorithm: SlidingWindow, Requests: float64(1 + random.IntN(50)), Per: time.Second})
		w := (*l.limiter.Load()).(*slidingWindow)
		for range 200 {
			time.Sleep(time.Duration(random.Int64N(int64(60 * time.Millisecond))))
			_ = l.AllowN(1 + random.IntN(3))
			want := 0
			for _, began := range w.log.times {
				if began+w.log.width <= now() {
					want++
				}
			}
			if got, _ := w.left(now()); int(got) != want {
				t.Fatalf("%v are left, want %d", got, want)
			}
		}
	})
}

// BenchmarkSlidingWindowStatus is what each refused request asks for; a larger
// limit must not make it much dearer.
func BenchmarkSlidingWindowStatus(b *testing.B) {
	for _, limit := range []float64{100, 100_000} {
		b.Run(fmt.Sprint(limit), func(b *testing.B) {
			l := newRateLimit(b, RateLimitConfig{Algorithm: SlidingWindow, Requests: limit, Per: time.Second})
			for b.Loop() {
				_ = l.Status()
			}
		})
	}
}
