package peers

import (
	"context"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"golang.org/x/time/rate"
)

// rateLimits have more tokens than a run can use up.
func rateLimits(tb testing.TB) []arm {
	const plenty = 1 << 30
	af := must[*policy.RateLimit](tb)(policy.NewRateLimit(policy.RateLimitConfig{Requests: 1e6, Burst: plenty}))
	xt := rate.NewLimiter(1e6, plenty)
	fs := ratelimiter.NewSmoothWithMaxRate[*reply](time.Nanosecond)
	return rateLimitArms(af, xt, fs)
}

// rateLimitsReached have admitted the one call that they admit in an hour.
func rateLimitsReached(tb testing.TB) []arm {
	af := must[*policy.RateLimit](tb)(policy.NewRateLimit(policy.RateLimitConfig{Requests: 1, Per: time.Hour}))
	xt := rate.NewLimiter(rate.Every(time.Hour), 1)
	fs := ratelimiter.NewSmoothWithMaxRate[*reply](time.Hour)
	arms := rateLimitArms(af, xt, fs)
	for _, arm := range arms {
		arm.run(context.Background())
	}
	return arms
}

func rateLimitArms(af *policy.RateLimit, xt *rate.Limiter, fs ratelimiter.RateLimiter[*reply]) []arm {
	return []arm{
		{"permit/by=afloat", func(context.Context) bool { return af.Allow() == nil }},
		{"permit/by=xtime", func(context.Context) bool { return xt.Allow() }},
		{"permit/by=failsafe", func(context.Context) bool { return fs.TryAcquirePermit() }},
	}
}
