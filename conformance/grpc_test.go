package conformance_test

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// shop is a service of gRPC whose calls the test decides on.
type shop struct {
	testgrpc.UnimplementedTestServiceServer
	calls  atomic.Int32
	unary  func(ctx context.Context) error
	duplex func(testgrpc.TestService_FullDuplexCallServer) error
}

func (s *shop) UnaryCall(ctx context.Context, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	s.calls.Add(1)
	if s.unary != nil {
		if err := s.unary(ctx); err != nil {
			return nil, err
		}
	}
	return &testgrpc.SimpleResponse{Payload: r.Payload}, nil
}

func (s *shop) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	s.calls.Add(1)
	return s.duplex(stream)
}

// serve runs the service until the test ends, or stop is called.
func serve(t *testing.T, s *shop) (address string, healthy *health.Server, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(server, s)
	healthy = health.NewServer()
	healthpb.RegisterHealthServer(server, healthy)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	return l.Addr().String(), healthy, server.Stop
}

func dial(t *testing.T, address string) testgrpc.TestServiceClient {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return testgrpc.NewTestServiceClient(cc)
}

func request(size int) *testgrpc.SimpleRequest {
	return &testgrpc.SimpleRequest{Payload: &testgrpc.Payload{Body: make([]byte, size)}}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestStatusIsWhatTheGatewaySees: the status of a call, in its head or after it,
// decides what the log and the breaker take it for.
func TestStatusIsWhatTheGatewaySees(t *testing.T) {
	for _, test := range []struct {
		code   codes.Code
		failed bool
		opens  bool
	}{
		{codes.OK, false, false}, {codes.NotFound, false, false}, {codes.InvalidArgument, false, false}, {codes.Unimplemented, false, false},
		{codes.Unavailable, true, true}, {codes.Internal, true, true}, {codes.Unknown, true, true}, {codes.DataLoss, true, true},
		{codes.ResourceExhausted, true, false},
	} {
		for _, late := range []bool{false, true} {
			s := &shop{}
			s.unary = func(context.Context) error { return status.Error(test.code, "so") }
			s.duplex = func(stream testgrpc.TestService_FullDuplexCallServer) error {
				stream.Send(&testgrpc.StreamingOutputCallResponse{})
				return status.Error(test.code, "so")
			}
			address, _, _ := serve(t, s)
			_, n, at := start(t, plain(gateway.ServiceConfig{Endpoints: gateway.Addresses(address), Outlier: gateway.OutlierConfig{Disabled: true}}))
			client := dial(t, at[0])
			for i := range 6 {
				err := call(t, client, late)
				if got := status.Code(err); got != test.code && got != codes.Unavailable {
					t.Errorf("%v late %v: got %v", test.code, late, err)
				}
				r := n.last(t, i)
				if i == 0 && (!strings.EqualFold(strings.ReplaceAll(r.GRPC, "_", ""), strings.ReplaceAll(test.code.String(), "_", "")) || r.Status != 200 || r.Failed() != test.failed) {
					t.Errorf("%v late %v: noted %+v", test.code, late, r)
				}
			}
			n.mu.Lock()
			if (n.opened > 0) != test.opens {
				t.Errorf("%v late %v: the breaker opened %d times", test.code, late, n.opened)
			}
			n.mu.Unlock()
		}
	}
}

func call(t *testing.T, client testgrpc.TestServiceClient, streaming bool) error {
	t.Helper()
	if !streaming {
		_, err := client.UnaryCall(within(t), request(10))
		return err
	}
	stream, err := client.FullDuplexCall(within(t))
	if err != nil {
		return err
	}
	for {
		if _, err := stream.Recv(); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

func TestGatewaysErrorsAreStatuses(t *testing.T) {
	s := &shop{}
	address, _, stop := serve(t, s)
	c := plain(gateway.ServiceConfig{Endpoints: gateway.Addresses(address)})
	c.Routes[0].Match = []gateway.MatchConfig{{Path: &gateway.StringMatch{Prefix: "/grpc.testing.TestService"}}}
	c.Routes[0].RateLimit = &policy.RateLimitConfig{Requests: 1, Per: time.Hour}
	c.Routes[0].Fallback = &gateway.FallbackConfig{Body: "no answer to a call"}
	_, n, at := start(t, c)
	client := dial(t, at[0])
	if _, err := client.UnaryCall(within(t), request(10)); err != nil {
		t.Fatal(err)
	}
	var trailer metadata.MD
	_, err := client.UnaryCall(within(t), request(10), grpc.Trailer(&trailer))
	if e := status.Convert(err); e.Code() != codes.ResourceExhausted || e.Message() != "the route's rate limit is reached" || len(trailer["grpc-retry-pushback-ms"]) != 1 {
		t.Errorf("rate limit: got %v, %v", err, trailer)
	}
	if r := n.last(t, 1); r.GRPC != "RESOURCE_EXHAUSTED" || r.Reason != gateway.ReasonRateLimited || !r.Failed() {
		t.Errorf("noted %+v", r)
	}
	cc, _ := grpc.NewClient("passthrough:///"+at[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	defer cc.Close()
	if err := cc.Invoke(within(t), "/no.Service/Method", request(1), request(1)); status.Code(err) != codes.Unimplemented {
		t.Errorf("no route: got %v", err)
	}
	c.Routes[0].RateLimit = nil
	_, _, at = start(t, c)
	stop()
	if _, err := dial(t, at[0]).UnaryCall(within(t), request(10)); status.Code(err) != codes.Unavailable {
		t.Errorf("no endpoint: got %v", err)
	}
}

func TestDeadlineIsPassedOnAndKept(t *testing.T) {
	left := make(chan time.Duration, 2)
	gone := make(chan struct{}, 2)
	s := &shop{}
	s.unary = func(ctx context.Context) error {
		end, _ := ctx.Deadline()
		left <- time.Until(end)
		time.Sleep(50 * time.Millisecond)
		return nil
	}
	s.duplex = func(stream testgrpc.TestService_FullDuplexCallServer) error {
		stream.Send(&testgrpc.StreamingOutputCallResponse{})
		<-stream.Context().Done()
		gone <- struct{}{}
		return stream.Context().Err()
	}
	address, _, _ := serve(t, s)
	_, n, at := start(t, plain(gateway.ServiceConfig{Endpoints: gateway.Addresses(address)}))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := dial(t, at[0]).UnaryCall(ctx, request(1)); err != nil {
		t.Fatal(err)
	}
	if d := <-left; d <= 0 || d > 5*time.Second {
		t.Errorf("the endpoint has %v", d)
	}
	// The gateway keeps to it where the client does not.
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	body, open := io.Pipe()
	defer open.Close()
	req, _ := http.NewRequestWithContext(within(t), "POST", "http://"+at[0]+"/grpc.testing.TestService/FullDuplexCall", body)
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Timeout": {"200m"}}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if message, err := io.ReadAll(res.Body); err != nil || len(message) != 5 || res.Trailer.Get("Grpc-Status") != "4" {
		t.Errorf("got %v, %v, %v", message, err, res.Trailer)
	}
	<-gone
	if r := n.last(t, 1); r.GRPC != "DEADLINE_EXCEEDED" {
		t.Errorf("noted %+v", r)
	}
}

func TestCallIsRepeatedBeforeItsFirstMessageOnly(t *testing.T) {
	bad := &shop{unary: func(context.Context) error { return status.Error(codes.Unavailable, "not now") }}
	bad.duplex = func(stream testgrpc.TestService_FullDuplexCallServer) error {
		stream.Recv()
		stream.Send(&testgrpc.StreamingOutputCallResponse{})
		return status.Error(codes.Unavailable, "not any more")
	}
	good := &shop{duplex: func(stream testgrpc.TestService_FullDuplexCallServer) error {
		stream.Recv()
		return nil
	}}
	first, _, _ := serve(t, bad)
	second, _, _ := serve(t, good)
	s := gateway.ServiceConfig{Endpoints: gateway.Addresses(first, second), RetryNonIdempotent: true, Balance: gateway.BalanceRoundRobin,
		Outlier: gateway.OutlierConfig{Disabled: true}, Breaker: policy.BreakerConfig{MinimumCalls: 1000, ConsecutiveFailures: 1000}}
	_, _, at := start(t, plain(s))
	client := dial(t, at[0])
	for range 10 {
		if r, err := client.UnaryCall(within(t), request(1000)); err != nil || len(r.Payload.Body) != 1000 {
			t.Fatalf("got %v", err)
		}
	}
	if bad.calls.Load() == 0 {
		t.Error("nothing had to be repeated")
	}
	failed := 0
	for range 10 {
		stream, err := client.FullDuplexCall(within(t))
		if err != nil {
			t.Fatal(err)
		}
		stream.Send(&testgrpc.StreamingOutputCallRequest{})
		stream.CloseSend()
		messages := 0
		for err == nil {
			if _, err = stream.Recv(); err == nil {
				messages++
			}
		}
		if status.Code(err) == codes.Unavailable {
			failed++
		}
		if messages > 1 {
			t.Error("a call was repeated after its first message")
		}
	}
	if failed == 0 {
		t.Error("calls that had begun were repeated")
	}
	s.RetryNonIdempotent = false
	_, _, at = start(t, plain(s))
	before := bad.calls.Load()
	failed = 0
	for range 10 {
		if _, err := dial(t, at[0]).UnaryCall(within(t), request(1)); status.Code(err) == codes.Unavailable {
			failed++
		}
	}
	if int(bad.calls.Load()-before) != failed || failed == 0 {
		t.Errorf("%d calls that could not be repeated failed %d times", bad.calls.Load()-before, failed)
	}
}

func TestCallIsRepeatedForListedStatuses(t *testing.T) {
	for _, c := range []struct {
		code     codes.Code
		listed   []gateway.GRPCStatus
		pushback bool
		repeated bool
	}{
		{codes.Aborted, nil, false, false},
		{codes.Aborted, []gateway.GRPCStatus{"ABORTED"}, false, true},
		{codes.Aborted, []gateway.GRPCStatus{"CANCELLED"}, false, false},
		{codes.Canceled, []gateway.GRPCStatus{"CANCELLED"}, false, true},
		{codes.ResourceExhausted, []gateway.GRPCStatus{"ABORTED"}, false, false},
		{codes.ResourceExhausted, []gateway.GRPCStatus{"ABORTED", "RESOURCE_EXHAUSTED"}, false, true},
		{codes.ResourceExhausted, []gateway.GRPCStatus{"RESOURCE_EXHAUSTED"}, true, false},
	} {
		bad := &shop{unary: func(ctx context.Context) error {
			if c.pushback {
				grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", "60000"))
			}
			return status.Error(c.code, "not now")
		}}
		first, _, _ := serve(t, bad)
		second, _, _ := serve(t, &shop{})
		s := gateway.ServiceConfig{Endpoints: gateway.Addresses(first, second), RetryNonIdempotent: true, RetryOnGRPC: c.listed,
			Balance: gateway.BalanceRoundRobin, Outlier: gateway.OutlierConfig{Disabled: true}}
		_, _, at := start(t, plain(s))
		client := dial(t, at[0])
		failed := 0
		for range 4 {
			if _, err := client.UnaryCall(within(t), request(10)); status.Code(err) == c.code {
				failed++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if bad.calls.Load() == 0 || (failed == 0) != c.repeated {
			t.Errorf("%v with %v listed: %d of 4 calls failed, the bad server had %d", c.code, c.listed, failed, bad.calls.Load())
		}
	}
}

func TestPermitsAreHeldUntilAStreamEnds(t *testing.T) {
	s := &shop{duplex: func(stream testgrpc.TestService_FullDuplexCallServer) error {
		for {
			in, err := stream.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: in.Payload})
		}
	}}
	address, _, _ := serve(t, s)
	g, _, at := start(t, plain(gateway.ServiceConfig{Endpoints: gateway.Addresses(address), StallTimeout: 50 * time.Millisecond}))
	stream, err := dial(t, at[0]).FullDuplexCall(within(t))
	if err != nil {
		t.Fatal(err)
	}
	say := func(n int) {
		t.Helper()
		if err := stream.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: make([]byte, n)}}); err != nil {
			t.Fatal(err)
		}
		if r, err := stream.Recv(); err != nil || len(r.Payload.Body) != n {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		say(i * 1000)
	}
	time.Sleep(200 * time.Millisecond) // a call may be silent
	say(1)
	if st := g.Status().Services[0]; st.InFlight != 1 || st.Endpoints[0].InFlight != 1 {
		t.Errorf("got %+v", st)
	}
	stream.CloseSend()
	if _, err := stream.Recv(); err != io.EOF {
		t.Error(err)
	}
	eventually(t, "nothing is under way", func() bool { st := g.Status().Services[0]; return st.InFlight == 0 && st.Endpoints[0].InFlight == 0 })
}

func TestHealthIsAskedByGRPC(t *testing.T) {
	for _, service := range []string{"", "shop.v1.Cart"} {
		address, healthy, _ := serve(t, &shop{})
		healthy.SetServingStatus(service, healthpb.HealthCheckResponse_SERVING)
		g, _, _ := start(t, plain(gateway.ServiceConfig{Endpoints: gateway.Addresses(address),
			Health: gateway.HealthConfig{GRPC: &service, Interval: 20 * time.Millisecond}}))
		state := func() string { return g.Status().Services[0].Endpoints[0].State }
		time.Sleep(100 * time.Millisecond)
		if state() != "up" {
			t.Errorf("%q: got %+v", service, g.Status().Services[0].Endpoints[0])
		}
		healthy.SetServingStatus(service, healthpb.HealthCheckResponse_NOT_SERVING)
		eventually(t, "it is down", func() bool { return state() == "down" })
		healthy.SetServingStatus(service, healthpb.HealthCheckResponse_SERVING)
		eventually(t, "it is up", func() bool { return state() == "up" })
	}
	unknown := "not.There"
	address, _, _ := serve(t, &shop{})
	g, _, _ := start(t, plain(gateway.ServiceConfig{Endpoints: gateway.Addresses(address), Health: gateway.HealthConfig{GRPC: &unknown, Interval: 20 * time.Millisecond}}))
	eventually(t, "an unknown service is down", func() bool {
		e := g.Status().Services[0].Endpoints[0]
		return e.State == "down" && strings.Contains(e.Why, "NOT_FOUND")
	})
}

// TestCallersDeadlineEjectsNobody: a client that gives a call less time than it
// takes learns of it, and takes the method from nobody else.
func TestCallersDeadlineEjectsNobody(t *testing.T) {
	for _, heeds := range []bool{true, false} { // the service gives up itself, or Afloat does
		for _, late := range []bool{false, true} {
			s := &shop{}
			wait := func(ctx context.Context) error {
				end, ok := ctx.Deadline()
				if !ok || time.Until(end) > time.Second {
					return nil
				}
				if heeds {
					<-ctx.Done()
					return status.FromContextError(ctx.Err()).Err()
				}
				time.Sleep(300 * time.Millisecond)
				return nil
			}
			s.unary = wait
			s.duplex = func(stream testgrpc.TestService_FullDuplexCallServer) error {
				stream.Send(&testgrpc.StreamingOutputCallResponse{})
				return wait(stream.Context())
			}
			address, _, _ := serve(t, s)
			g, n, at := start(t, plain(gateway.ServiceConfig{Endpoints: gateway.Addresses(address)}))
			client := dial(t, at[0])
			for range 6 {
				callFor(t, at[0], late, 20*time.Millisecond)
			}
			eventually(t, "they are over", func() bool { return g.Status().Services[0].Endpoints[0].InFlight == 0 })
			n.mu.Lock()
			if n.opened > 0 {
				t.Errorf("heeds %v, late %v: the breaker opened", heeds, late)
			}
			n.mu.Unlock()
			if err := call(t, client, late); err != nil {
				t.Errorf("heeds %v, late %v: another caller got %v", heeds, late, err)
			}
		}
	}
}

// callFor makes a call with a deadline that only the service and the gateway
// know of.
func callFor(t *testing.T, address string, streaming bool, d time.Duration) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	method := "UnaryCall"
	if streaming {
		method = "FullDuplexCall"
	}
	req, _ := http.NewRequestWithContext(within(t), "POST", "http://"+address+"/grpc.testing.TestService/"+method, strings.NewReader("\x00\x00\x00\x00\x00"))
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Timeout": {strconv.Itoa(int(d.Milliseconds())) + "m"}}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if got := cmp.Or(res.Header.Get("Grpc-Status"), res.Trailer.Get("Grpc-Status")); got != "4" {
		t.Errorf("got status %q", got)
	}
}
