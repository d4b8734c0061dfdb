package peers

import (
	"context"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/afloat-dev/afloat/policygrpc"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafegrpc"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// interceptors are retry and breaker around a unary call that succeeds at once:
// what an interceptor costs beside the call itself. Afloat's is for a method
// that may be repeated; one that must not be costs an allocation more.
func interceptors(tb testing.TB) []arm {
	af := must[*policygrpc.Client](tb)(policygrpc.NewClient(policygrpc.ClientConfig{
		Policies: []policy.Policy{
			must[*policy.Retry](tb)(policy.NewRetry(policy.RetryConfig{})),
			must[*policy.Breaker](tb)(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 5})),
		},
		Repeatable: func(context.Context, string) bool { return true },
	}))
	type reply = *grpc_health_v1.HealthCheckResponse
	fs := failsafegrpc.NewUnaryClientInterceptor(
		retrypolicy.NewBuilder[reply]().WithMaxRetries(2).WithBackoff(25*time.Millisecond, time.Second).Build(),
		circuitbreaker.NewBuilder[reply]().WithFailureThreshold(5).Build(),
	)
	return []arm{
		{"unary/by=afloat", intercepted(af.Unary)},
		{"unary/by=failsafe", intercepted(fs)},
	}
}

// intercepted is a call through an interceptor to an invoker without a network.
func intercepted(unary grpc.UnaryClientInterceptor) func(context.Context) bool {
	invoke := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	request := new(grpc_health_v1.HealthCheckRequest)
	return func(ctx context.Context) bool {
		reply := new(grpc_health_v1.HealthCheckResponse)
		return unary(ctx, grpc_health_v1.Health_Check_FullMethodName, request, reply, nil, invoke) == nil
	}
}

func BenchmarkGRPC(b *testing.B) { race(b, interceptors(b)) }

func TestInterceptorsDoTheirWork(t *testing.T) {
	for _, arm := range interceptors(t) {
		if !arm.run(t.Context()) {
			t.Errorf("%s: the call failed", arm.name)
		}
	}
}
