package policy

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestObserverMayUseEveryPolicy has the observer call the policy that it is
// told of, for every policy that refuses, repeats or replaces.
func TestObserverMayUseEveryPolicy(t *testing.T) {
	for name, story := range map[string]func(t *testing.T, o Observer) (p Policy, again func()){
		"breaker": func(t *testing.T, o Observer) (Policy, func()) {
			b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1, Observer: o})
			return b, func() { _ = b.Status(); _ = b.Set(BreakerConfig{}); b.Auto(); _, _ = b.Allow() }
		},
		"keyed breaker": func(t *testing.T, o Observer) (Policy, func()) {
			k := mustKeyed(t, KeyedBreakerConfig{KeysMax: 1, Breaker: BreakerConfig{ConsecutiveFailures: 1, Observer: o}})
			return k, func() { _ = k.Status(); _ = k.Set(KeyedBreakerConfig{}); k.Get("other") }
		},
		"rate limit": func(t *testing.T, o Observer) (Policy, func()) {
			l := newRateLimit(t, RateLimitConfig{Requests: 1, Observer: o, Scale: func() float64 { return 0.5 }})
			_ = l.Allow()
			return l, func() { _ = l.Status(); _ = l.Set(RateLimitConfig{Requests: 2}); _ = l.Allow() }
		},
		"keyed rate limit": func(t *testing.T, o Observer) (Policy, func()) {
			k := newKeyed(t, KeyedRateLimitConfig{Requests: 1, KeysMax: 1, Observer: o})
			_ = k.Allow("k")
			return k, func() { _ = k.Status("k"); _ = k.Set(KeyedRateLimitConfig{Requests: 1}); _ = k.Allow("other") }
		},
		"bulkhead": func(t *testing.T, o Observer) (Policy, func()) {
			b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1, Observer: o})
			_, _ = b.TryAcquire()
			return b, func() { _ = b.Status(); _ = b.Set(BulkheadConfig{MaxConcurrent: 1}); _, _ = b.TryAcquire() }
		},
		"adaptive": func(t *testing.T, o Observer) (Policy, func()) {
			a := newAdaptive(t, AdaptiveConfig{Min: 1, Initial: 1, QueueMax: -1, Observer: o})
			_, _ = a.Acquire(t.Context())
			return a, func() { _ = a.Status(); _ = a.Set(AdaptiveConfig{}); _, _ = a.Acquire(t.Context()) }
		},
		"throttle": func(t *testing.T, o Observer) (Policy, func()) {
			p := mustThrottle(t, ThrottleConfig{K: 1, MinimumCalls: 1, MinPerSecond: -1, Observer: o})
			for range 10_000 {
				permit, _ := p.Allow()
				permit.Done(Shed)
			}
			return p, func() { _ = p.Status(); _ = p.Set(ThrottleConfig{}); _, _ = p.Allow() }
		},
		"retry": func(t *testing.T, o Observer) (Policy, func()) {
			r := mustRetry(t, RetryConfig{Observer: o})
			return r, func() {
				_ = r.Status()
				_ = r.Set(RetryConfig{})
				tries := r.Begin()
				_, _, _ = tries.Again(Failure, 0, 0)
			}
		},
		"timeout": func(t *testing.T, o Observer) (Policy, func()) {
			p := mustTimeout(t, TimeoutConfig{Timeout: 1, Detached: true, Observer: o})
			return p, func() { _ = p.Status(); _ = p.Set(TimeoutConfig{Detached: true}) }
		},
		"hedge": func(t *testing.T, o Observer) (Policy, func()) {
			h := mustHedge(t, HedgeConfig{Delay: 1, Observer: o})
			return h, func() { _ = h.Status(); _ = h.Set(HedgeConfig{}) }
		},
		"fallback": func(t *testing.T, o Observer) (Policy, func()) {
			c := FallbackConfig{Replace: func(_ context.Context, r Result) Result { return r }, Observer: o}
			f, err := FallbackWith(c)
			if err != nil {
				t.Fatal(err)
			}
			return f, func() { _ = f.Status(); _ = f.Set(c); _, _ = Do(t.Context(), f, failing) }
		},
		"fault": func(t *testing.T, o Observer) (Policy, func()) {
			c := FaultConfig{Abort: FaultAbort{Share: 1}, Observer: o}
			f, err := NewFault(c)
			if err != nil {
				t.Fatal(err)
			}
			return f, func() { _ = f.Status(); _ = f.Set(c); f.Decide() }
		},
		"cache": func(t *testing.T, o Observer) (Policy, func()) {
			c := CacheConfig{TTL: 1, StaleIfError: time.Hour, EntriesMax: 1, Observer: o}
			p := mustCache(t, c)
			_, _ = Do(WithKey(t.Context(), "k"), p, working)
			time.Sleep(time.Second)
			return p, func() { _ = p.Status(); _ = p.Set(c); p.Clear(); _, _ = Do(WithKey(t.Context(), "k"), p, working) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var again func()
				var told atomic.Int64
				p, again := story(t, func(Event) {
					if told.Add(1) < 10 {
						again()
					}
				})
				ctx, cancel := context.WithTimeout(WithKey(t.Context(), "k"), time.Minute)
				defer cancel()
				for range 3 {
					_, _ = Do(ctx, p, func(context.Context) (int, error) { time.Sleep(time.Millisecond); return 0, errBoom })
				}
				time.Sleep(time.Minute)
				if told.Load() == 0 {
					t.Error("it told nothing")
				}
			})
		})
	}
}
