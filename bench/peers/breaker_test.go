package peers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	eapache "github.com/eapache/go-resiliency/breaker"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/sony/gobreaker/v2"
)

// Each library is measured as its permits alone, where it has them, and as the
// call of a function (do). In a window, Afloat's breaker judges by the failures
// in a row too.

func breakerConsecutive(tb testing.TB) []arm {
	fs := circuitbreaker.NewBuilder[*reply]().WithFailureThreshold(5).Build()
	sony := gobreaker.NewCircuitBreaker[*reply](gobreaker.Settings{})
	ea := eapache.New(5, 1, time.Minute)
	return append(afloatBreaker(tb, policy.BreakerConfig{FailureRate: -1}),
		failsafeBreaker(fs),
		failsafeBreakerDo(fs),
		sonyBreaker(sony),
		arm{"do/by=eapache", func(context.Context) bool { return ea.Run(workOnly) == nil }},
	)
}

func breakerWindow(tb testing.TB) []arm {
	fs := circuitbreaker.NewBuilder[*reply]().WithFailureRateThreshold(.5, 20, 10*time.Second).Build()
	sony := gobreaker.NewCircuitBreaker[*reply](gobreaker.Settings{
		Interval: 10 * time.Second, BucketPeriod: time.Second,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.Requests >= 20 && c.TotalFailures*2 >= c.Requests },
	})
	return append(afloatBreaker(tb, policy.BreakerConfig{}), failsafeBreaker(fs), failsafeBreakerDo(fs), sonyBreaker(sony))
}

func breakerOpen(tb testing.TB) []arm {
	af := must[*policy.Breaker](tb)(policy.NewBreaker(policy.BreakerConfig{OpenDuration: time.Hour}))
	af.Trip("to measure it")
	chain := policy.Chain(af)
	fs := circuitbreaker.NewBuilder[*reply]().WithDelay(time.Hour).Build()
	fs.Open()
	sony := gobreaker.NewCircuitBreaker[*reply](gobreaker.Settings{Timeout: time.Hour, ReadyToTrip: func(gobreaker.Counts) bool { return true }})
	_, _ = sony.Execute(func() (*reply, error) { return nil, errors.New("to measure it") })
	ea := eapache.New(1, 1, time.Hour)
	_ = ea.Run(func() error { return errors.New("to measure it") })
	return []arm{
		afloatPermit(af),
		{"do/by=afloat", func(ctx context.Context) bool { _, err := policy.Do(ctx, chain, work); return err == nil }},
		failsafeBreaker(fs),
		failsafeBreakerDo(fs),
		sonyBreaker(sony),
		{"do/by=eapache", func(context.Context) bool { return ea.Run(workOnly) == nil }},
	}
}

func afloatBreaker(tb testing.TB, c policy.BreakerConfig) []arm {
	b := must[*policy.Breaker](tb)(policy.NewBreaker(c))
	chain := policy.Chain(b)
	return []arm{
		afloatPermit(b),
		{"do/by=afloat", func(ctx context.Context) bool { _, err := policy.Do(ctx, chain, work); return err == nil }},
	}
}

func afloatPermit(b *policy.Breaker) arm {
	return arm{"permit/by=afloat", func(context.Context) bool {
		permit, err := b.Allow()
		permit.Done(policy.Success)
		return err == nil
	}}
}

func failsafeBreaker(b circuitbreaker.CircuitBreaker[*reply]) arm {
	return arm{"permit/by=failsafe", func(context.Context) bool {
		if !b.TryAcquirePermit() {
			return false
		}
		b.RecordSuccess()
		return true
	}}
}

func failsafeBreakerDo(b circuitbreaker.CircuitBreaker[*reply]) arm {
	executor := failsafe.With(b)
	return arm{"do/by=failsafe", func(context.Context) bool { _, err := executor.Get(workAlone); return err == nil }}
}

func sonyBreaker(b *gobreaker.CircuitBreaker[*reply]) arm {
	return arm{"do/by=gobreaker", func(context.Context) bool { _, err := b.Execute(workAlone); return err == nil }}
}
