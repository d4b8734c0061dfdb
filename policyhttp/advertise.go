package policyhttp

import (
	"context"
	"net/http"

	"github.com/afloat-dev/afloat/policy"
)

// limit tells how much a limit has left for the request of the context.
type limit func(context.Context) policy.RateLimitStatus

// limitsOf are those of the policies that can say how much they have left: a
// [policy.RateLimit], a [policy.Limit] of one key, several of them, and a
// [policy.KeyedRateLimit], of which it is the limit of the request's key.
func limitsOf(policies []policy.Policy) (limits []limit) {
	for _, p := range policies {
		switch p := p.(type) {
		case policy.Limits:
			for _, l := range p {
				limits = append(limits, func(context.Context) policy.RateLimitStatus { return l.Status() })
			}
		case interface{ Status() policy.RateLimitStatus }:
			limits = append(limits, func(context.Context) policy.RateLimitStatus { return p.Status() })
		case *policy.KeyedRateLimit:
			limits = append(limits, func(ctx context.Context) policy.RateLimitStatus { return p.OfCall(ctx).Status() })
		}
	}
	return limits
}

// advertise sets the fields of the limits.
func advertise(ctx context.Context, header http.Header, limits []limit) {
	all := make([]policy.RateLimitStatus, len(limits))
	for i, l := range limits {
		all[i] = l(ctx)
	}
	if policies, left := policy.RateLimitFields(all); policies != "" {
		header["Ratelimit-Policy"] = []string{policies}
		header["Ratelimit"] = []string{left}
	}
}
