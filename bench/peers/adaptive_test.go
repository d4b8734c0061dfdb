package peers

import (
	"context"
	"testing"

	"github.com/afloat-dev/afloat/policy"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/platinummonkey/go-concurrency-limits/core"
	"github.com/platinummonkey/go-concurrency-limits/limit"
	"github.com/platinummonkey/go-concurrency-limits/limiter"
	"github.com/platinummonkey/go-concurrency-limits/strategy"
)

// adaptives are limits that learn, each with its defaults. Every call tells
// its limit how long it took.
func adaptives(tb testing.TB) []arm {
	af := must[*policy.Adaptive](tb)(policy.NewAdaptive(policy.AdaptiveConfig{}))
	chain := policy.Chain(af)
	fs := adaptivelimiter.NewWithDefaults[*reply]()
	executor := failsafe.With(fs)
	vegas := must[*limiter.DefaultLimiter](tb)(limiter.NewDefaultLimiterWithDefaults("vegas",
		strategy.NewSimpleStrategy(20), limit.NoopLimitLogger{}, core.EmptyMetricRegistryInstance))
	return []arm{
		{"permit/by=afloat", func(ctx context.Context) bool {
			permit, err := af.Acquire(ctx)
			permit.Done(policy.Success)
			return err == nil
		}},
		{"permit/by=failsafe", func(context.Context) bool {
			permit, ok := fs.TryAcquirePermit()
			if ok {
				permit.Record()
			}
			return ok
		}},
		{"permit/by=vegas", func(ctx context.Context) bool {
			listener, ok := vegas.Acquire(ctx)
			if ok {
				listener.OnSuccess()
			}
			return ok
		}},
		{"do/by=afloat", func(ctx context.Context) bool { _, err := policy.Do(ctx, chain, work); return err == nil }},
		{"do/by=failsafe", func(context.Context) bool { _, err := executor.Get(workAlone); return err == nil }},
	}
}
