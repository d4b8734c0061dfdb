package policygrpc

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/afloat-dev/afloat/policy"
)

// service is grpc's own test service with the methods that a test sets.
type service struct {
	pb.UnimplementedTestServiceServer
	unary  func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error)
	output func(*pb.StreamingOutputCallRequest, grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error
	input  func(grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error
	duplex func(grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error
}

func (s *service) UnaryCall(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return s.unary(ctx, r)
}

func (s *service) StreamingOutputCall(r *pb.StreamingOutputCallRequest, stream grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
	return s.output(r, stream)
}

func (s *service) StreamingInputCall(stream grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error {
	return s.input(stream)
}

func (s *service) FullDuplexCall(stream grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	return s.duplex(stream)
}

// serve runs a server on a loopback socket and returns its address.
func serve(t testing.TB, s *service, options ...grpc.ServerOption) (address string, server *grpc.Server) {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", s, options...)
}

func serveAt(t testing.TB, address string, s *service, options ...grpc.ServerOption) (string, *grpc.Server) {
	t.Helper()
	server := grpc.NewServer(options...)
	pb.RegisterTestServiceServer(server, s)
	return run(t, server, address), server
}

// run serves until the test ends, and returns the address.
func run(t testing.TB, server *grpc.Server, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil && err != grpc.ErrServerStopped { // before it began
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// vacant is an address at which nobody listens.
// deaf runs a server that begins every answer and then does nothing more, not
// even at the deadline. It returns its address.
func deaf(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // until the client hangs up
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// dial returns a connection, whose retries are the policies' alone.
func dial(t testing.TB, address string, options ...grpc.DialOption) (pb.TestServiceClient, *grpc.ClientConn) {
	t.Helper()
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	conn, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return pb.NewTestServiceClient(conn), conn
}

// client is a connection to a service through a Client.
func client(t testing.TB, s *service, c ClientConfig) pb.TestServiceClient {
	t.Helper()
	address, _ := serve(t, s)
	stub, _ := dial(t, address, mustClient(t, c).DialOptions()...)
	return stub
}

func mustClient(t testing.TB, c ClientConfig) *Client {
	t.Helper()
	client, err := NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func mustServer(t testing.TB, c ServerConfig) *Server {
	t.Helper()
	server, err := NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// must is for the constructors of policies with a good Config.
func must[P any](p P, err error) P {
	if err != nil {
		panic(err)
	}
	return p
}

func retry(c policy.RetryConfig) *policy.Retry { return must(policy.NewRetry(c)) }

// patient is a Retry that would repeat four times, whatever the traffic.
func patient() *policy.Retry {
	return retry(policy.RetryConfig{Attempts: 4, Delay: time.Millisecond, Budget: policy.BudgetConfig{Off: true}})
}

func breaker(failures int) *policy.Breaker {
	return must(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: failures, OpenDuration: time.Minute}))
}

func bulkhead(n int) *policy.Bulkhead {
	return must(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: n}))
}

func timeout(d time.Duration) *policy.Timeout {
	return must(policy.NewTimeout(policy.TimeoutConfig{Timeout: d}))
}

func detached(d time.Duration) *policy.Timeout {
	return must(policy.NewTimeout(policy.TimeoutConfig{Timeout: d, Detached: true}))
}

// always may be repeated.
func always(context.Context, string) bool { return true }

// story answers each call with the next of its codes, the last of them for
// ever, and keeps what it was asked.
type story struct {
	codes   []codes.Code
	trailer metadata.MD

	mu    sync.Mutex
	asked []string // bodies
	sent  []metadata.MD
}

func (s *story) next(ctx context.Context, body []byte) (trailer metadata.MD, err error) {
	sent, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, string(body))
	s.sent = append(s.sent, sent)
	return s.trailer, status.Error(s.codes[min(len(s.asked), len(s.codes))-1], "as told")
}

func (s *story) unary(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	trailer, err := s.next(ctx, r.GetPayload().GetBody())
	_ = grpc.SetTrailer(ctx, trailer)
	return response("answer"), err
}

func (s *story) output(r *pb.StreamingOutputCallRequest, stream grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
	trailer, err := s.next(stream.Context(), r.GetPayload().GetBody())
	stream.SetTrailer(trailer)
	if err != nil {
		return err
	}
	return stream.Send(&pb.StreamingOutputCallResponse{Payload: payload("answer")})
}

func (s *story) service() *service { return &service{unary: s.unary, output: s.output} }

func (s *story) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// values are what calls had of a metadata key.
func (s *story) values(key string) (values []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, md := range s.sent {
		value := ""
		for _, v := range md[key] {
			value += v
		}
		values = append(values, value)
	}
	return values
}

func payload(text string) *pb.Payload { return &pb.Payload{Body: []byte(text)} }

func request(text string) *pb.SimpleRequest { return &pb.SimpleRequest{Payload: payload(text)} }

func response(text string) *pb.SimpleResponse { return &pb.SimpleResponse{Payload: payload(text)} }

// classes keeps how calls ended.
type classes struct {
	mu    sync.Mutex
	ended []policy.Class
}

func (c *classes) Do(ctx context.Context, next policy.Next) policy.Result {
	r := next.Do(ctx)
	r.AtEnd(func(class policy.Class) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = append(c.ended, class)
	})
	return r
}

func (c *classes) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ended)
}

// want waits until as many calls have ended, since some end on grpc's own
// goroutines.
func (c *classes) want(t *testing.T, ended ...policy.Class) {
	t.Helper()
	eventually(t, "calls end", func() bool { return c.count() >= len(ended) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if diff := cmp.Diff(ended, c.ended); diff != "" {
		t.Errorf("ended with\n%s", diff)
	}
}

// eventually waits for what happens on other goroutines and sockets.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 seconds", what)
		}
	}
}

// free holds that all permits have come back.
func free(t *testing.T, b *policy.Bulkhead) {
	t.Helper()
	eventually(t, "permits come back", func() bool { return b.Status().InFlight == 0 })
}

// policyFunc is a policy that is a function.
type policyFunc func(context.Context, policy.Next) policy.Result

func (f policyFunc) Do(ctx context.Context, next policy.Next) policy.Result { return f(ctx, next) }

func wantCode(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("got %v: %v, want %v", got, err, want)
	}
}
