package peers

import (
	"context"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/cenkalti/backoff/v5"
	"github.com/eapache/go-resiliency/retrier"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

// retries are calls that succeed at once: what a retry costs when all is well.
// Afloat counts each into its retry budget.
func retries(tb testing.TB) []arm {
	af := policy.Chain(must[*policy.Retry](tb)(policy.NewRetry(policy.RetryConfig{})))
	fs := failsafe.With(failsafeRetry())
	ea := retrier.New(retrier.ExponentialBackoff(2, 25*time.Millisecond), nil)
	workCtx := func(context.Context) error { return nil }
	return []arm{
		{"do/by=afloat", func(ctx context.Context) bool { _, err := policy.Do(ctx, af, work); return err == nil }},
		{"do/by=failsafe", func(context.Context) bool { _, err := fs.Get(workAlone); return err == nil }},
		{"do/by=cenkalti", func(ctx context.Context) bool { _, err := backoff.Retry(ctx, workAlone); return err == nil }},
		{"do/by=eapache", func(ctx context.Context) bool { return ea.RunCtx(ctx, workCtx) == nil }},
	}
}

func failsafeRetry() retrypolicy.RetryPolicy[*reply] {
	return retrypolicy.NewBuilder[*reply]().WithMaxRetries(2).WithBackoff(25*time.Millisecond, time.Second).Build()
}
