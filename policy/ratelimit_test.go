package policy

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
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
	for _, algorithm := range []LimitAlgorithm{TokenBucket, SlidingWindow} {
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
			time.Sleep(time.Second)
			if n := admitted(l, 100); n != 10 {
				t.Errorf("%s: %d after a second, want 10", algorithm, n)
			}
			if s := l.Status(); s.Left != 0 || s.Rejected != 90+1+90 || s.RetryAfter <= 0 {
				t.Errorf("%s: got %+v", algorithm, s)
			}
		})
	}
}

func TestRateLimitAdmitsTogetherOrNotAtAll(t *testing.T) {
	for _, algorithm := range []LimitAlgorithm{TokenBucket, SlidingWindow} {
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
	for _, algorithm := range []LimitAlgorithm{TokenBucket, SlidingWindow} {
		synctest.Test(t, func(t *testing.T) {
			c := RateLimitConfig{Requests: 5000, Algorithm: algorithm}
			l := newRateLimit(t, c)
			var total atomic.Int64
			var callers sync.WaitGroup
			for range 16 {
				callers.Go(func() { total.Add(int64(admitted(l, 1000))) })
			}
			for range 200 {
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
				if b.take(max(t, began), 1) == 0 {
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
		if wait := w.take(reading, n); wait == 0 {
			for range n {
				began = append(began, latest)
			}
		} else if w.take(latest+wait-1, n) == 0 {
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
	for _, algorithm := range []LimitAlgorithm{TokenBucket, SlidingWindow} {
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
			if algorithm == SlidingWindow {
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
	for _, algorithm := range []LimitAlgorithm{TokenBucket, SlidingWindow} {
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
	for _, algorithm := range []LimitAlgorithm{TokenBucket, SlidingWindow} {
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
	for _, algorithm := range []LimitAlgorithm{TokenBucket, SlidingWindow} {
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
			time.Sleep(time.Second)
			if n := admitted(l, 20); n != 10 {
				t.Errorf("%s: %d in the next second, want 10", algorithm, n)
			}
			if err := l.Set(RateLimitConfig{}); err == nil {
				t.Errorf("%s: took a Config without Requests", algorithm)
			}
		})
	}
}

func TestReshapedLimiterAdmitsNothingMore(t *testing.T) {
	for _, algorithm := range []LimitAlgorithm{TokenBucket, SlidingWindow} {
		c := RateLimitConfig{Requests: 10, Algorithm: algorithm}.WithDefaults()
		old := newLimiter(&c)
		if wait := old.take(time.Hour, 4); wait != 0 {
			t.Fatalf("%s: got %v", algorithm, wait)
		}
		next := old.reshape(time.Hour, &c)
		if wait := old.take(time.Hour, 1); wait != moved {
			t.Errorf("%s: the old limiter answered %v", algorithm, wait)
		}
		if left := next.left(time.Hour); left != 6 {
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

func TestRateLimitConfigTellsEveryProblem(t *testing.T) {
	_, err := NewRateLimit(RateLimitConfig{Per: -1, Burst: -1, Algorithm: "leaky"})
	wantFields(t, err, "requests", "per", "burst", "algorithm")
	_, err = NewRateLimit(RateLimitConfig{Requests: 1.5, Burst: 3, Algorithm: SlidingWindow})
	wantFields(t, err, "requests", "burst")
	_, err = NewRateLimit(RateLimitConfig{Requests: 1e9})
	wantFields(t, err, "requests")
	_, err = NewRateLimit(RateLimitConfig{Requests: 1, Per: time.Hour, Burst: 1e6})
	wantFields(t, err, "burst")
	if l := newRateLimit(t, RateLimitConfig{Requests: 0.1}); admitted(l, 5) != 1 {
		t.Error("a burst is not at least 1")
	}
}

func BenchmarkRateLimit(b *testing.B) {
	for _, algorithm := range []LimitAlgorithm{TokenBucket, SlidingWindow} {
		b.Run(string(algorithm), func(b *testing.B) {
			c := RateLimitConfig{Requests: 1e7, Burst: 1e9, Algorithm: algorithm}
			if algorithm == SlidingWindow {
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
}
