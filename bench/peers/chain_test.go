package peers

import (
	"context"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/cenkalti/backoff/v5"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/semaphore"
)

// Chains are retry around breaker (2), around bulkhead (3), around timeout (4),
// each with one successful call. The hand-made arm is what a programmer would
// write with cenkalti/backoff, sony/gobreaker, x/sync and context.

func chainOfTwo(tb testing.TB) []arm   { return chains(tb, 2) }
func chainOfThree(tb testing.TB) []arm { return chains(tb, 3) }
func chainOfFour(tb testing.TB) []arm  { return chains(tb, 4) }

func chains(tb testing.TB, n int) []arm {
	af := policy.Chain([]policy.Policy{
		must[*policy.Retry](tb)(policy.NewRetry(policy.RetryConfig{})),
		must[*policy.Breaker](tb)(policy.NewBreaker(policy.BreakerConfig{})),
		must[*policy.Bulkhead](tb)(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 10})),
		must[*policy.Timeout](tb)(policy.NewTimeout(policy.TimeoutConfig{Timeout: time.Second})),
	}[:n]...)
	fs := failsafe.With([]failsafe.Policy[*reply]{
		failsafeRetry(),
		circuitbreaker.NewBuilder[*reply]().WithFailureRateThreshold(.5, 20, 10*time.Second).Build(),
		bulkhead.New[*reply](10),
		timeout.New[*reply](time.Second),
	}[:n]...)
	return []arm{
		{"do/by=afloat", func(ctx context.Context) bool { _, err := policy.Do(ctx, af, work); return err == nil }},
		{"value/by=afloat", func(ctx context.Context) bool { _, err := policy.Do(ctx, af, workValue); return err == nil }},
		{"do/by=failsafe", func(context.Context) bool { _, err := fs.Get(workAlone); return err == nil }},
		{"do/by=handmade", handmade(n)},
	}
}

// timeouts are a call whose function asks its context for Done, as most that do
// I/O do, and one whose function does not.
func timeouts(tb testing.TB) []arm {
	af := policy.Chain(must[*policy.Timeout](tb)(policy.NewTimeout(policy.TimeoutConfig{Timeout: time.Second})))
	byHand := func(ctx context.Context, work func(context.Context) (*reply, error)) bool {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := work(ctx)
		return err == nil
	}
	fs := failsafe.With(timeout.New[*reply](time.Second))
	return []arm{
		{"do/by=afloat", func(ctx context.Context) bool { _, err := policy.Do(ctx, af, work); return err == nil }},
		{"do/by=failsafe", func(context.Context) bool { _, err := fs.Get(workAlone); return err == nil }},
		{"do/by=handmade", func(ctx context.Context) bool { return byHand(ctx, work) }},
		{"done/by=afloat", func(ctx context.Context) bool { _, err := policy.Do(ctx, af, workDone); return err == nil }},
		{"done/by=handmade", func(ctx context.Context) bool { return byHand(ctx, workDone) }},
	}
}

func handmade(n int) func(context.Context) bool {
	breaker := gobreaker.NewCircuitBreaker[*reply](gobreaker.Settings{Interval: 10 * time.Second, BucketPeriod: time.Second})
	places := semaphore.NewWeighted(10)
	bounded := func(ctx context.Context) (*reply, error) {
		if n < 3 {
			return work(ctx)
		}
		if err := places.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		defer places.Release(1)
		if n < 4 {
			return work(ctx)
		}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return work(ctx)
	}
	return func(ctx context.Context) bool {
		_, err := backoff.Retry(ctx, func() (*reply, error) {
			return breaker.Execute(func() (*reply, error) { return bounded(ctx) })
		})
		return err == nil
	}
}
