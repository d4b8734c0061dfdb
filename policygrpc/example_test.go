package policygrpc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/afloat-dev/afloat/policy"
	"github.com/afloat-dev/afloat/policygrpc"
)

// stock is a service that fails twice, and then answers.
type stock struct {
	pb.UnimplementedTestServiceServer
	tries int
}

func (s *stock) UnaryCall(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	if s.tries++; s.tries%3 != 0 {
		return nil, status.Error(codes.Unavailable, "starting")
	}
	try := metadata.ValueFromIncomingContext(ctx, policygrpc.AttemptHeader)
	return &pb.SimpleResponse{Username: fmt.Sprint("17 in stock, by try ", try)}, nil
}

// connect serves on a loopback socket and returns a client of it.
func connect(service pb.TestServiceServer, serving []grpc.ServerOption, dialling []grpc.DialOption) (stub pb.TestServiceClient, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer(serving...)
	pb.RegisterTestServiceServer(server, service)
	go func() { _ = server.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(),
		append(dialling, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())...)
	if err != nil {
		panic(err)
	}
	return pb.NewTestServiceClient(conn), func() { _ = conn.Close(); server.Stop() }
}

// A client that repeats what fails, within a budget, and leaves a callee alone
// that is down.
func ExampleClient() {
	retry, err := policy.NewRetry(policy.RetryConfig{Delay: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	breaker, err := policy.NewBreaker(policy.BreakerConfig{Name: "stock"})
	if err != nil {
		fmt.Println(err)
		return
	}
	timeout, err := policy.NewTimeout(policy.TimeoutConfig{Timeout: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := policygrpc.NewClient(policygrpc.ClientConfig{
		Policies: []policy.Policy{retry, breaker, timeout}, // the first is outermost
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	stub, stop := connect(&stock{}, nil, client.DialOptions())
	defer stop()

	// The definition of this method does not say that it is idempotent.
	ctx := policygrpc.WithRepeatable(context.Background(), true)
	reply, err := stub.UnaryCall(ctx, &pb.SimpleRequest{})
	fmt.Println(reply.GetUsername(), err)
	// Output: 17 in stock, by try [3] <nil>
}

// A server that sheds what it cannot serve, and says when to come back.
func ExampleServer() {
	limit, err := policy.NewRateLimit(policy.RateLimitConfig{Requests: 1, Per: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := policygrpc.NewServer(policygrpc.ServerConfig{Policies: []policy.Policy{limit}})
	if err != nil {
		fmt.Println(err)
		return
	}
	stub, stop := connect(&stock{tries: 2}, server.Options(), nil)
	defer stop()

	for range 2 {
		var trailer metadata.MD
		_, err := stub.UnaryCall(context.Background(), &pb.SimpleRequest{}, grpc.Trailer(&trailer))
		fmt.Println(err, len(trailer.Get("grpc-retry-pushback-ms")), len(status.Convert(err).Details()))
	}
	// Output:
	// <nil> 0 0
	// rpc error: code = ResourceExhausted desc = too many calls 1 1
}

// An error is a gRPC status, and says what the policy said as well.
func ExampleStatusError() {
	breaker, err := policy.NewBreaker(policy.BreakerConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	breaker.Force(true, "maintenance")
	client, err := policygrpc.NewClient(policygrpc.ClientConfig{Policies: []policy.Policy{breaker}})
	if err != nil {
		fmt.Println(err)
		return
	}
	stub, stop := connect(&stock{}, nil, client.DialOptions())
	defer stop()

	_, err = stub.UnaryCall(context.Background(), &pb.SimpleRequest{})
	fmt.Println(status.Code(err), errors.Is(err, policy.ErrOpen))
	// Output: Unavailable true
}

// A call is sent once, unless its method is declared idempotent or the program
// says that it may be repeated.
func ExampleWithRepeatable() {
	retry, err := policy.NewRetry(policy.RetryConfig{Delay: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := policygrpc.NewClient(policygrpc.ClientConfig{Policies: []policy.Policy{retry}})
	if err != nil {
		fmt.Println(err)
		return
	}
	service := &stock{}
	stub, stop := connect(service, nil, client.DialOptions())
	defer stop()

	call := func(ctx context.Context) {
		service.tries = 0
		_, err := stub.UnaryCall(ctx, &pb.SimpleRequest{})
		fmt.Println(status.Code(err), "after", service.tries, "tries")
	}
	call(context.Background())
	call(policygrpc.WithRepeatable(context.Background(), true))
	// Output:
	// Unavailable after 1 tries
	// OK after 3 tries
}

// A classifier that waits for the limits of somebody else's API: a refusal that
// says when to come back is repeated then, if the Retry's DelayMax allows.
func ExampleClassifier() {
	var patient policygrpc.Classifier = func(ctx context.Context, err error, trailer metadata.MD) (policy.Class, time.Duration) {
		class, after := policygrpc.Classify(ctx, err, trailer)
		if class == policy.Shed && after > 0 {
			class = policy.Failure
		}
		return class, after
	}
	limited, trailer := status.Error(codes.ResourceExhausted, "quota"), metadata.Pairs("grpc-retry-pushback-ms", "2000")
	fmt.Println(policygrpc.Classify(context.Background(), limited, trailer))
	fmt.Println(patient(context.Background(), limited, trailer))
	// Output:
	// shed 2s
	// failure 2s
}

// A limit for each method of a service.
func ExampleByMethod() {
	limit, err := policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{Requests: 1, Per: time.Minute, Key: policygrpc.ByMethod})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := policygrpc.NewServer(policygrpc.ServerConfig{Policies: []policy.Policy{limit}})
	if err != nil {
		fmt.Println(err)
		return
	}
	stub, stop := connect(&stock{tries: 2}, server.Options(), nil)
	defer stop()

	for range 2 {
		_, unary := stub.UnaryCall(context.Background(), &pb.SimpleRequest{})
		_, empty := stub.EmptyCall(context.Background(), &pb.Empty{})
		fmt.Println(status.Code(unary), status.Code(empty))
	}
	// Output:
	// OK Unimplemented
	// ResourceExhausted ResourceExhausted
}
