package policy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// A log gets every event as attributes.
func ExampleObserver() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	breaker, err := policy.NewBreaker(policy.BreakerConfig{
		Name:                "cart",
		ConsecutiveFailures: 1,
		Observer:            policy.Observer(func(e policy.Event) { log.Warn("policy", "event", e) }).Only(policy.EventState),
	})
	if err != nil {
		panic(err)
	}
	_, _ = policy.Do(context.Background(), breaker, func(context.Context) (int, error) { return 0, errors.New("down") })
	// Output:
	// level=WARN msg=policy event.policy=breaker event.name=cart event.kind=state event.from=closed event.to=open event.count=1 event.why="1 failures in a row"
}

// One call's decisions, in their order.
func ExampleWithObserver() {
	retry, err := policy.NewRetry(policy.RetryConfig{Attempts: 1, Delay: time.Millisecond, Jitter: policy.JitterNone})
	if err != nil {
		panic(err)
	}
	chain := policy.Chain(policy.FallbackValue(0), retry)
	ctx := policy.WithObserver(context.Background(), func(e policy.Event) { fmt.Println(e.Policy+":", e.Why) })
	_, _ = policy.Do(ctx, chain, func(context.Context) (int, error) { return 0, errors.New("down") })
	// Output:
	// retry: try 1 failed: down; the next begins in 1ms
	// retry: try 2 failed, and no attempts are left
	// fallback: a failure was replaced: 2 tries failed (no attempts are left); 1: down; 2: down
}

func ExamplePipeline_Status() {
	limit, err := policy.NewRateLimit(policy.RateLimitConfig{Name: "api", Requests: 1, Per: time.Hour})
	if err != nil {
		panic(err)
	}
	chain := policy.Chain(policy.FallbackValue(0), limit)
	_ = limit.Allow()
	for _, s := range chain.Status() {
		fmt.Println(s.Kind, s.Name, s.State)
	}
	// Output:
	// fallback  ready
	// ratelimit api limited
}
