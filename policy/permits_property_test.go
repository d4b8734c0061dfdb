package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNothingIsLeftBehindWhateverCallsDo sends calls that succeed, fail, panic,
// exit, hang, and come late through random chains. In the end no policy holds
// a place, no goroutine runs (or the bubble would not end), and every value is
// either its caller's or was closed once.
func TestNothingIsLeftBehindWhateverCallsDo(t *testing.T) {
	property(t, 300, func(t *testing.T, random *rand.Rand) {
		w := newWorld(t, random)
		var callers sync.WaitGroup
		for range 40 {
			random := fork(random)
			callers.Go(func() {
				time.Sleep(rand.N(3 * time.Second))
				w.call(random)
			})
		}
		callers.Wait()
		time.Sleep(time.Minute) // for functions that nobody waits for
		if t.Failed() {
			return
		}
		for _, p := range w.chain {
			if left := leftBehind(p); left != "" {
				t.Errorf("%T: %s", p, left)
			}
		}
		for _, p := range w.parcels {
			if kept, closed := p.kept.Load(), p.closed.Load(); kept+closed != 1 {
				t.Errorf("a value came to %d callers and was closed %d times", kept, closed)
			}
		}
		if t.Failed() {
			t.Logf("the chain is %s", w.names())
		}
	})
}

// world is a random chain and what came of its calls.
type world struct {
	chain    []Policy
	pipeline *Pipeline

	mu      sync.Mutex
	parcels []*parcel
}

// parcel is a value that is to be closed once, unless it has come to a caller.
type parcel struct {
	bad, explodes bool
	kept, closed  atomic.Int32
}

func (p *parcel) Close() error {
	p.closed.Add(1)
	if p.explodes {
		panic("the closer")
	}
	return nil
}

func newWorld(t *testing.T, random *rand.Rand) *world {
	makers := []func(testing.TB, *rand.Rand) Policy{
		func(t testing.TB, r *rand.Rand) Policy {
			return mustRetry(t, RetryConfig{Attempts: 1 + r.IntN(3), Budget: BudgetConfig{Off: r.IntN(2) == 0}})
		},
		func(t testing.TB, r *rand.Rand) Policy {
			return mustHedge(t, HedgeConfig{Delay: 50 * time.Millisecond, Max: 1 + r.IntN(3), Budget: BudgetConfig{Off: true}})
		},
		func(t testing.TB, r *rand.Rand) Policy { return mustBreaker(t, touchy(r)) },
		func(t testing.TB, r *rand.Rand) Policy { return mustKeyed(t, KeyedBreakerConfig{Breaker: touchy(r)}) },
		func(t testing.TB, r *rand.Rand) Policy {
			return newBulkhead(t, BulkheadConfig{MaxConcurrent: 1 + r.IntN(5), QueueMax: r.IntN(5), Observer: angry})
		},
		func(t testing.TB, r *rand.Rand) Policy {
			return newAdaptive(t, AdaptiveConfig{Initial: 1 + r.IntN(5), Min: 1, Max: 6, Observer: angry})
		},
		func(t testing.TB, _ *rand.Rand) Policy { return mustThrottle(t, ThrottleConfig{Observer: angry}) },
		func(t testing.TB, r *rand.Rand) Policy {
			return mustTimeout(t, TimeoutConfig{Timeout: 300 * time.Millisecond})
		},
		func(t testing.TB, r *rand.Rand) Policy {
			return mustTimeout(t, TimeoutConfig{Timeout: 300 * time.Millisecond, Detached: true, AbandonedMax: 1 + r.IntN(20), Observer: angry})
		},
		func(t testing.TB, r *rand.Rand) Policy {
			return mustSingleflight(t, SingleflightConfig{FlightsMax: 1 + r.IntN(10)})
		},
		func(t testing.TB, r *rand.Rand) Policy {
			return mustCache(t, CacheConfig{TTL: time.Second, StaleIfError: someOf(r, 0, time.Second), StaleWhileRevalidate: someOf(r, 0, time.Second)})
		},
		func(testing.TB, *rand.Rand) Policy { return FallbackValue(nil) },
		func(t testing.TB, r *rand.Rand) Policy {
			return newFault(t, FaultConfig{Delay: FaultDelay{Share: 0.2, Duration: 200 * time.Millisecond}, Abort: FaultAbort{Share: 0.1}, Observer: angry})
		},
		func(t testing.TB, r *rand.Rand) Policy {
			return newRateLimit(t, RateLimitConfig{Requests: 30, Algorithm: someOf(r, bursting...), QueueMax: r.IntN(5)})
		},
		func(t testing.TB, r *rand.Rand) Policy { return tightlyKeyed(t, r) },
		func(t testing.TB, r *rand.Rand) Policy {
			one := newRateLimit(t, RateLimitConfig{Requests: 30, QueueMax: r.IntN(5)})
			k := tightlyKeyed(t, r)
			return Limits{one.Limit(), k.Of(someOf(r, "a", "b", "c")), k.Of("d")}
		},
		func(t testing.TB, r *rand.Rand) Policy {
			f, err := FallbackWith(FallbackConfig{LastGood: &LastGoodConfig{}, Observer: angry})
			if err != nil {
				t.Fatal(err)
			}
			return f
		},
	}
	w := new(world)
	for range 1 + random.IntN(6) {
		w.chain = append(w.chain, someOf(random, makers...)(t, random))
	}
	w.pipeline = Chain(w.chain...).Classified(func(ctx context.Context, value any, err error) (Class, time.Duration) {
		if p, ok := value.(*parcel); ok && p != nil && p.bad {
			return Failure, 0
		}
		return Classify(ctx, value, err)
	})
	return w
}

// tightlyKeyed is a limit by keys with room for fewer of them than come.
func tightlyKeyed(t testing.TB, r *rand.Rand) *KeyedRateLimit {
	return newKeyed(t, KeyedRateLimitConfig{Requests: 20, KeysMax: 1 + r.IntN(3), QueueMax: r.IntN(5),
		WhenFull: someOf(r, ShareWhenFull, RejectWhenFull, AdmitWhenFull)})
}

// touchy is a breaker that is half-open often, and whose probes keep their
// places until they are over.
func touchy(r *rand.Rand) BreakerConfig {
	return BreakerConfig{ConsecutiveFailures: 1 + r.IntN(4), OpenDuration: 200 * time.Millisecond, Probes: 1 + r.IntN(3), ProbeTimeout: time.Hour, Observer: angry}
}

// angry is an observer that panics.
func angry(Event) {
	if rand.N(4) == 0 {
		panic("the observer")
	}
}

func (w *world) names() string {
	var names []string
	for _, p := range w.chain {
		names = append(names, strings.TrimPrefix(fmt.Sprintf("%T", p), "*policy."))
	}
	return strings.Join(names, ", ")
}

// leftBehind tells what a policy holds that it should not, once nothing runs.
func leftBehind(p Policy) string {
	switch p := p.(type) {
	case *Bulkhead:
		if s := p.Status(); s.InFlight != 0 || s.Queued != 0 {
			return fmt.Sprintf("%d calls run and %d wait", s.InFlight, s.Queued)
		}
	case *Adaptive:
		if s := p.Status(); s.InFlight != 0 || s.Queued != 0 {
			return fmt.Sprintf("%d calls run and %d wait", s.InFlight, s.Queued)
		}
	case *Hedge:
		if n := p.Status().Stragglers; n != 0 {
			return fmt.Sprintf("%d losers run", n)
		}
	case *Timeout:
		if n := p.stragglers.count.Load(); n != 0 {
			return fmt.Sprintf("%d functions run beyond their time", n)
		}
	case *Singleflight:
		if n := p.Status().Running; n != 0 || len(p.flights) != 0 {
			return fmt.Sprintf("%d calls run and %d can be joined", n, len(p.flights))
		}
	case *Cache:
		return leftBehind(p.flights)
	case *RateLimit:
		if n := p.Status().Waiting; n != 0 {
			return fmt.Sprintf("%d calls wait", n)
		}
	case *KeyedRateLimit:
		if n := p.Total().Waiting; n != 0 {
			return fmt.Sprintf("%d calls wait", n)
		}
	case Limits:
		for _, l := range p {
			if w := l.waiters(); w != nil && w.Load() != 0 {
				return fmt.Sprintf("%d calls wait", w.Load())
			}
		}
	case *Breaker:
		if p.Status().State == BreakerHalfOpen && !p.Ready() {
			return "no place is free for a probe"
		}
	case *KeyedBreaker:
		for key, b := range p.All() {
			if left := leftBehind(b); left != "" {
				return key + ": " + left
			}
		}
	}
	return ""
}

// call makes one call of some kind, with a context of some kind.
func (w *world) call(random *rand.Rand) {
	defer func() { _ = recover() }()
	kind := random.IntN(3)
	ctx := WithKey(context.Background(), someOf(random, "", fmt.Sprint(kind), fmt.Sprint(kind, " too")))
	ctx = WithPriority(ctx, someOf(random, PriorityCritical, PriorityNormal, PrioritySheddable))
	switch random.IntN(3) {
	case 0:
		within, cancel := context.WithTimeout(ctx, time.Duration(random.Int64N(int64(time.Second))))
		defer cancel()
		ctx = within
	case 1:
		within, cancel := context.WithCancel(ctx)
		defer cancel()
		time.AfterFunc(time.Duration(random.Int64N(int64(time.Second))), cancel)
		ctx = within
	}
	var mu sync.Mutex // a hedge has several tries at once
	rest := fork(random)
	fn := func(ctx context.Context) (*parcel, error) {
		mu.Lock()
		random := fork(random)
		mu.Unlock()
		return w.work(ctx, random)
	}
	switch kind {
	case 0: // what several may share
		_, _ = Do(ctx, w.pipeline, func(ctx context.Context) (int, error) {
			p, err := fn(ctx)
			if p != nil {
				p.kept.Add(1)
			}
			return 1, err
		})
	case 1:
		if p, err := Do(ctx, w.pipeline, fn); err == nil && p != nil {
			p.kept.Add(1)
		}
	case 2:
		p, ending, err := Open(ctx, w.pipeline, fn, func(p *parcel) { _ = p.Close() })
		if err == nil && p != nil {
			p.kept.Add(1)
		}
		time.Sleep(time.Duration(rest.Int64N(int64(2 * time.Second))))
		ends := []func(){func() { ending.End(nil) }, func() { ending.End(errors.New("broken")) }, ending.Abandon}
		for range 1 + rest.IntN(2) {
			go someOf(rest, ends...)()
		}
	}
}

// work is a function that does whatever functions do.
func (w *world) work(ctx context.Context, random *rand.Rand) (*parcel, error) {
	deaf := time.Duration(0)
	switch random.IntN(12) {
	case 0:
		return nil, errors.New("failed")
	case 1:
		panic("the function")
	case 2:
		runtime.Goexit()
	case 3: // hangs, and then tells
		_ = sleep(ctx, 10*time.Second)
		return nil, errors.Join(ctx.Err(), errors.New("hung"))
	case 4: // hangs, and then succeeds
		_ = sleep(ctx, 10*time.Second)
	case 5:
		deaf = 2 * time.Second
	default:
		deaf = 100 * time.Millisecond
	}
	if deaf > 0 {
		time.Sleep(time.Duration(random.Int64N(int64(deaf))))
	}
	p := &parcel{bad: random.IntN(4) == 0, explodes: random.IntN(20) == 0}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parcels = append(w.parcels, p)
	return p, nil
}
