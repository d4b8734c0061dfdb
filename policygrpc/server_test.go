package policygrpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/afloat-dev/afloat/policy"
)

// guarded is a connection to a service behind a Server.
func guarded(t *testing.T, s *service, c ServerConfig) pb.TestServiceClient {
	t.Helper()
	address, _ := serve(t, s, mustServer(t, c).Options()...)
	stub, _ := dial(t, address)
	return stub
}

// fails is a service whose calls and streams all end with an error.
func fails(err error) *service {
	return &service{
		unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) { return response(""), err },
		duplex: func(grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
			return err
		},
	}
}

// both makes a call and a stream.
func both(t *testing.T, stub pb.TestServiceClient) (unary, stream error) {
	t.Helper()
	_, unary = stub.UnaryCall(t.Context(), request(""))
	s, stream := stub.FullDuplexCall(t.Context())
	if stream == nil {
		_, stream = s.Recv()
	}
	return unary, stream
}

func TestServerCountsWhatWasAnswered(t *testing.T) {
	soon, err := status.New(codes.Unavailable, "busy").WithDetails(&errdetails.RetryInfo{})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		err  error
		code codes.Code
		want policy.Class
	}{
		{"nothing", nil, codes.OK, policy.Success},
		{"not found", status.Error(codes.NotFound, "none"), codes.NotFound, policy.Success},
		{"not there", status.Error(codes.Unimplemented, "none"), codes.Unimplemented, policy.Success},
		{"an error that is no status", errors.New("oops"), codes.Unknown, policy.Failure},
		{"internal", status.Error(codes.Internal, "oops"), codes.Internal, policy.Failure},
		{"internal, within another", fmt.Errorf("ask: %w", status.Error(codes.Internal, "oops")), codes.Internal, policy.Failure},
		{"unavailable", status.Error(codes.Unavailable, "down"), codes.Unavailable, policy.Failure},
		{"unavailable that says when", soon.Err(), codes.Unavailable, policy.Shed},
		{"exhausted", status.Error(codes.ResourceExhausted, "full"), codes.ResourceExhausted, policy.Shed},
		{"a refusal of the handler's own policy", &policy.Rejected{Policy: "breaker", Reason: policy.ErrOpen}, codes.Unavailable, policy.Shed},
		{"cancelled by somebody further in", context.Canceled, codes.Canceled, policy.Ignored},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			kept := new(classes)
			unary, stream := both(t, guarded(t, fails(test.err), ServerConfig{Policies: []policy.Policy{kept}}))
			wantCode(t, unary, test.code)
			if test.code != codes.OK {
				wantCode(t, stream, test.code)
			}
			kept.want(t, test.want, test.want)
		})
	}
}

func TestBreakerAroundAServerOpensAndHeals(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	b := must(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 5, OpenDuration: 50 * time.Millisecond, Probes: 1}))
	stub := guarded(t, &service{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		if down.Load() {
			return nil, status.Error(codes.Internal, "down")
		}
		return response(""), nil
	}}, ServerConfig{Policies: []policy.Policy{b}})
	for range 5 {
		_, err := stub.UnaryCall(t.Context(), request(""))
		wantCode(t, err, codes.Internal)
	}
	var trailer metadata.MD
	_, err := stub.UnaryCall(t.Context(), request(""), grpc.Trailer(&trailer))
	wantCode(t, err, codes.Unavailable)
	if class, _ := Classify(t.Context(), err, trailer); class != policy.Shed {
		t.Errorf("a client takes the refusal for a %v", class)
	}
	down.Store(false)
	eventually(t, "the breaker closes", func() bool {
		_, err := stub.UnaryCall(t.Context(), request(""))
		return err == nil && b.Status().State == policy.BreakerClosed
	})
}

func TestPanicCountsAndGoesOn(t *testing.T) {
	for name, call := range map[string]func(s *Server) error{
		"unary": func(s *Server) error {
			_, err := s.Unary(t.Context(), request(""), &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) { panic("boom") })
			return err
		},
		"stream": func(s *Server) error {
			return s.Stream(nil, &serverStream{nil, t.Context()}, &grpc.StreamServerInfo{}, func(any, grpc.ServerStream) error { panic("boom") })
		},
	} {
		b, full := breaker(1), bulkhead(1)
		s := mustServer(t, ServerConfig{Policies: []policy.Policy{b, full}})
		func() {
			defer func() {
				if v := recover(); v != "boom" {
					t.Errorf("%s: recovered %v", name, v)
				}
			}()
			_ = call(s)
		}()
		if b.Status().State != policy.BreakerOpen || full.Status().InFlight != 0 {
			t.Errorf("%s: the breaker is %v, %d permits are held", name, b.Status().State, full.Status().InFlight)
		}
	}
}

func TestServedStreamHoldsItsPermitUntilItsHandlerReturns(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, s grpc.BidiStreamingClient[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse], cancel func()){
		"read to its end": func(t *testing.T, s grpc.BidiStreamingClient[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse], _ func()) {
			_ = s.CloseSend()
			_, _ = s.Recv()
		},
		"left": func(_ *testing.T, _ grpc.BidiStreamingClient[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse], cancel func()) {
			cancel()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := bulkhead(1)
			stub := guarded(t, &service{duplex: echo}, ServerConfig{Policies: []policy.Policy{b}})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := stub.FullDuplexCall(ctx)
			if err == nil {
				err = s.Send(message("one"))
			}
			if err == nil {
				_, err = s.Recv()
			}
			if err != nil {
				t.Fatal(err)
			}
			unary, stream := both(t, stub)
			wantCode(t, unary, codes.Unavailable)
			wantCode(t, stream, codes.Unavailable)
			leave(t, s, cancel)
			free(t, b)
		})
	}
}

func TestWhoseDeadlineItIs(t *testing.T) {
	tests := []struct {
		name           string
		caller, server time.Duration
		want           policy.Class
	}{
		{"the server's", time.Minute, time.Second, policy.Failure},
		{"the caller's", time.Second, time.Minute, policy.Ignored},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			kept := new(classes)
			s := mustServer(t, ServerConfig{Policies: []policy.Policy{kept, timeout(test.server)}})
			ctx, cancel := context.WithTimeout(t.Context(), test.caller)
			defer cancel()
			_, err := s.Unary(ctx, nil, &grpc.UnaryServerInfo{}, func(ctx context.Context, _ any) (any, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: got %v", test.name, err)
			}
			kept.want(t, test.want)
		})
	}
}

func TestCallerWhoWaitsNoLongerIsNotBlamedOnTheServer(t *testing.T) {
	kept := new(classes)
	stub := guarded(t, &service{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}, ServerConfig{Policies: []policy.Policy{kept, timeout(time.Minute)}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := stub.UnaryCall(ctx, request(""))
	wantCode(t, err, codes.DeadlineExceeded)
	kept.want(t, policy.Ignored)
}

func TestServerRefusesWithTheRightStatus(t *testing.T) {
	open := breaker(1)
	open.Force(true, "test")
	limit := must(policy.NewRateLimit(policy.RateLimitConfig{Requests: 1, Per: time.Hour}))
	_ = limit.Allow()
	tests := []struct {
		name     string
		policy   policy.Policy
		code     codes.Code
		message  string
		pushback string // "" for none, "+" for some time
	}{
		{"open breaker", open, codes.Unavailable, "service unavailable", "-1"},
		{"rate limit", limit, codes.ResourceExhausted, "too many calls", "+"},
		{"fault", must(policy.NewFault(policy.FaultConfig{Abort: policy.FaultAbort{Share: 1, Status: 403}})), codes.PermissionDenied, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stub := guarded(t, fails(nil), ServerConfig{Policies: []policy.Policy{test.policy}})
			check := func(err error, trailer metadata.MD) {
				t.Helper()
				wantCode(t, err, test.code)
				if s := status.Convert(err); s.Message() != test.message {
					t.Errorf("tells %q", s.Message())
				}
				after, never, asked := pushbackOf(trailer)
				told, inDetails := retryAfterOf(status.Convert(err), nil)
				switch test.pushback {
				case "":
					if asked || inDetails {
						t.Errorf("asks for %v, %v", after, told)
					}
				case "-1":
					if !never || inDetails {
						t.Errorf("asks for %v, %v", after, told)
					}
				default:
					if never || after <= 0 || told <= 0 {
						t.Errorf("asks for %v, %v", after, told)
					}
				}
			}
			var trailer metadata.MD
			_, err := stub.UnaryCall(t.Context(), request(""), grpc.Trailer(&trailer))
			check(err, trailer)
			s, err := stub.FullDuplexCall(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Recv()
			check(err, s.Trailer())
		})
	}
}

func TestRefuseMakesItsOwnStatus(t *testing.T) {
	var got error
	stub := guarded(t, fails(errors.New("the handler's own")), ServerConfig{
		Policies: []policy.Policy{bulkhead(1), timeout(time.Minute), policyFunc(func(ctx context.Context, next policy.Next) policy.Result {
			if Request(ctx) == nil {
				return policy.Result{Err: &policy.Rejected{Policy: "test", Reason: policy.ErrFull}, Class: policy.Shed}
			}
			return next.Do(ctx)
		})},
		Refuse: func(_ context.Context, s *status.Status, err error) *status.Status {
			got = err
			return status.New(s.Code(), "busy")
		},
	})
	unary, stream := both(t, stub)
	if wantCode(t, unary, codes.Unknown); status.Convert(unary).Message() != "the handler's own" {
		t.Errorf("got %v", unary)
	}
	if wantCode(t, stream, codes.Unavailable); status.Convert(stream).Message() != "busy" || !errors.Is(got, policy.ErrFull) {
		t.Errorf("got %v for %v", stream, got)
	}
}

func TestPolicyThatDoesNotRunTheHandlerIsNoSuccess(t *testing.T) {
	unary, stream := both(t, guarded(t, fails(nil), ServerConfig{Policies: []policy.Policy{policyFunc(func(context.Context, policy.Next) policy.Result {
		return policy.Result{}
	})}}))
	wantCode(t, unary, codes.Internal)
	wantCode(t, stream, codes.Internal)
}

func TestDetachedTimeoutAnswersForAHandlerThatHangs(t *testing.T) {
	release := make(chan struct{})
	kept := new(classes)
	stub := guarded(t, &service{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		<-release
		return response(""), nil
	}}, ServerConfig{Policies: []policy.Policy{kept, detached(20 * time.Millisecond)}})
	_, err := stub.UnaryCall(t.Context(), request(""))
	wantCode(t, err, codes.DeadlineExceeded)
	kept.want(t, policy.Failure)
	close(release)
}

func TestDetachedTimeoutDoesNotTakeAStreamFromItsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept, start := new(classes), time.Now()
		s := mustServer(t, ServerConfig{Policies: []policy.Policy{kept, detached(time.Second)}})
		err := s.Stream(nil, &serverStream{nil, t.Context()}, &grpc.StreamServerInfo{}, func(any, grpc.ServerStream) error {
			time.Sleep(time.Minute)
			return nil
		})
		wantCode(t, err, codes.DeadlineExceeded)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("the server got its stream back after %v, and the handler still had it", took)
		}
		kept.want(t, policy.Failure)
	})
}

func TestHealthChecksPassTheServerBy(t *testing.T) {
	server := mustServer(t, ServerConfig{Policies: []policy.Policy{policyFunc(func(context.Context, policy.Next) policy.Result {
		t.Error("a policy was asked")
		return policy.Result{}
	})}})
	g := grpc.NewServer(server.Options()...)
	healthpb.RegisterHealthServer(g, health.NewServer())
	address := run(t, g, "127.0.0.1:0")
	_, conn := dial(t, address)
	stub := healthpb.NewHealthClient(conn)
	if r, err := stub.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || r.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("got %v, %v", r, err)
	}
	w, err := stub.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err == nil {
		_, err = w.Recv()
	}
	if err != nil {
		t.Error(err)
	}
}

func TestServerAnswersFromItsCacheAndFallback(t *testing.T) {
	callee := &story{codes: []codes.Code{codes.OK, codes.Unavailable}}
	cache := must(policy.NewCache(policy.CacheConfig{TTL: time.Hour, Key: func(ctx context.Context) string {
		return string(Request(ctx).(*pb.SimpleRequest).GetPayload().GetBody())
	}}))
	stub := guarded(t, callee.service(), ServerConfig{Policies: []policy.Policy{policy.FallbackValue(response("stand-in")), cache}})
	for text, want := range map[string]string{"a": "answer", "b": "answer"} {
		for range 3 {
			reply, err := stub.UnaryCall(t.Context(), request(text))
			if got := string(reply.GetPayload().GetBody()); err != nil || got != want && got != "stand-in" {
				t.Errorf("got %q, %v", got, err)
			}
		}
	}
	if n := callee.count(); n != 4 { // one answer is kept, the other is asked for each time
		t.Errorf("asked %d times", n)
	}
	wantCode(t, read(stub.StreamingOutputCall(t.Context(), message(""))), codes.Unavailable)
}

func TestServersCacheIsRenewedAfterItsCallerHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := must(policy.NewCache(policy.CacheConfig{TTL: time.Second, StaleWhileRevalidate: time.Hour, Key: ByMethod}))
		server, calls := mustServer(t, ServerConfig{Policies: []policy.Policy{cache}}), 0
		ask := func() any {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel() // as grpc does when it has answered
			reply, err := server.Unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/s/m"}, func(context.Context, any) (any, error) {
				calls++
				n := calls
				time.Sleep(time.Second)
				return n, nil
			})
			if err != nil {
				t.Error(err)
			}
			return reply
		}
		for _, want := range []int{1, 1, 2} { // asked for, stale, and what was brought meanwhile
			if got := ask(); got != want {
				t.Errorf("got reply %v, want %d", got, want)
			}
			time.Sleep(1500 * time.Millisecond)
		}
	})
}

func TestServerConfigNamesEveryProblem(t *testing.T) {
	hedge := must(policy.NewHedge(policy.HedgeConfig{}))
	err := ServerConfig{
		Policies:       []policy.Policy{policy.Chain(), breaker(1), patient(), hedge, policy.FallbackValue(1)},
		AttemptHeader:  "grpc-mine",
		PriorityHeader: "a b",
	}.Validate()
	for _, field := range []string{"policies[0]", "policies[2]", "policies[3]", "attemptHeader", "priorityHeader"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is missing in %v", field, err)
		}
	}
	for _, field := range []string{"policies[1]", "policies[4]"} {
		if strings.Contains(err.Error(), field) {
			t.Errorf("%s is no problem: %v", field, err)
		}
	}
	if _, err := NewServer(ServerConfig{PriorityHeader: "x-bin"}); err == nil {
		t.Error("NewServer takes it")
	}
}

func TestClientConfigNamesEveryProblem(t *testing.T) {
	err := ClientConfig{
		Policies:       []policy.Policy{policy.Chain()},
		AttemptHeader:  "no key",
		PriorityHeader: "ä",
		TimeoutMargin:  time.Hour,
	}.Validate()
	for _, field := range []string{"policies[0]", "attemptHeader", "priorityHeader", "timeoutMargin"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is missing in %v", field, err)
		}
	}
	if _, err := NewClient(ClientConfig{AttemptHeader: " "}); err == nil {
		t.Error("NewClient takes it")
	}
}
