package policygrpc

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/afloat-dev/afloat/policy"
)

// answered is an invoker without a network: what remains is the cost of the
// policies.
func answered(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
	return nil
}

// chains are what the figures are given for.
func chains() map[string][]policy.Policy {
	return map[string][]policy.Policy{
		"none":                           nil,
		"retry+breaker":                  {retry(policy.RetryConfig{}), breaker(5)},
		"retry+breaker+bulkhead":         {retry(policy.RetryConfig{}), breaker(5), bulkhead(1000)},
		"retry+breaker+bulkhead+timeout": {retry(policy.RetryConfig{}), breaker(5), bulkhead(1000), timeout(time.Minute)},
	}
}

// TestClientCostsFewAllocations guards the figures of docs/policygrpc.md.
func TestClientCostsFewAllocations(t *testing.T) {
	for name, most := range map[string]float64{
		"none": 2, "retry+breaker": 3, "retry+breaker+bulkhead": 3, "retry+breaker+bulkhead+timeout": 5, // the last has a deadline to send
	} {
		c := mustClient(t, ClientConfig{Policies: chains()[name]})
		reply := response("")
		n := testing.AllocsPerRun(1000, func() { _ = c.Unary(t.Context(), pb.TestService_UnaryCall_FullMethodName, nil, reply, nil, answered) })
		t.Logf("%s: %v allocations", name, n)
		if n > most {
			t.Errorf("%s costs %v allocations, want at most %v", name, n, most)
		}
	}
}

func TestServerCostsFewAllocations(t *testing.T) {
	s := mustServer(t, ServerConfig{Policies: []policy.Policy{breaker(5), bulkhead(1000)}})
	reply, info := any(response("")), &grpc.UnaryServerInfo{FullMethod: pb.TestService_UnaryCall_FullMethodName}
	n := testing.AllocsPerRun(1000, func() {
		_, _ = s.Unary(t.Context(), nil, info, func(context.Context, any) (any, error) { return reply, nil })
	})
	t.Logf("breaker+bulkhead: %v allocations", n)
	if n > 3 {
		t.Errorf("costs %v allocations, want at most 3", n)
	}
}

func BenchmarkClient(b *testing.B) {
	for name, policies := range chains() {
		b.Run(name, func(b *testing.B) {
			c, reply := mustClient(b, ClientConfig{Policies: policies}), response("")
			b.ReportAllocs()
			for b.Loop() {
				_ = c.Unary(b.Context(), pb.TestService_UnaryCall_FullMethodName, nil, reply, nil, answered)
			}
		})
	}
}

// BenchmarkLoopback is the same over a real connection.
func BenchmarkLoopback(b *testing.B) {
	address, _ := serve(b, &service{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) { return response("answer"), nil }})
	arms := map[string][]grpc.DialOption{"bare": nil}
	for name, policies := range chains() {
		arms[name] = mustClient(b, ClientConfig{Policies: policies}).DialOptions()
	}
	for name, options := range arms {
		b.Run(name, func(b *testing.B) {
			stub, _ := dial(b, address, options...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := stub.UnaryCall(b.Context(), request("")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
