package policygrpc

import (
	"context"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// streamPolicies are a Client's policies as streams need them: a Retry repeats
// a stream that failed after it was opened, when the call of the policies
// around it has long returned.
type streamPolicies struct {
	outer *policy.Pipeline // around the Retry; nil without any
	retry *policy.Retry    // nil for none
	inner *policy.Pipeline // of each try
}

func newStreamPolicies(c *Client, policies []policy.Policy) streamPolicies {
	var p streamPolicies
	inner := []policy.Policy{verdict{}}
	for _, step := range policies {
		switch step := step.(type) {
		case *policy.Fallback, *policy.Cache, *policy.Singleflight, *policy.Hedge:
		case *policy.Retry:
			if p.retry != nil {
				continue // tries would multiply
			}
			p.retry = step
			if len(inner) > 1 {
				p.outer = policy.Chain(inner[1:]...).Classified(c.classifyOpening)
			}
			inner = inner[:1:1]
		default:
			inner = append(inner, step)
		}
	}
	p.inner = policy.Chain(inner...).Classified(c.classify)
	return p
}

// verdict keeps what the policies of a try say of its opening.
type verdict struct{}

// Do opens the stream.
func (verdict) Do(ctx context.Context, next policy.Next) policy.Result {
	r := next.Do(ctx)
	callOf(ctx).stream.verdict = r
	return r
}

// classifyOpening is for the policies around a Retry: what the last try was.
func (c *Client) classifyOpening(ctx context.Context, _ any, _ error) (policy.Class, time.Duration) {
	r := callOf(ctx).stream.verdict
	return r.Class, r.RetryAfter
}
