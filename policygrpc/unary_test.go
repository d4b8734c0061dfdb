package policygrpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/afloat-dev/afloat/internal/freeport"
	"github.com/afloat-dev/afloat/policy"
)

func TestRetryHeals(t *testing.T) {
	callee := &story{codes: []codes.Code{codes.Unavailable, codes.Internal, codes.OK}}
	b := bulkhead(1)
	stub := client(t, callee.service(), ClientConfig{Repeatable: always, Policies: []policy.Policy{patient(), b}})
	reply, err := stub.UnaryCall(t.Context(), request("order"))
	if err != nil || string(reply.GetPayload().GetBody()) != "answer" {
		t.Errorf("got %v, %v", reply, err)
	}
	if diff := cmp.Diff([]string{"", "2", "3"}, callee.values(AttemptHeader)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"order", "order", "order"}, callee.asked); diff != "" {
		t.Error(diff)
	}
	free(t, b)
}

func TestOnlyIdempotentCallsAreRepeatedUnlessTold(t *testing.T) {
	tests := []struct {
		name       string
		idempotent bool
		told       []bool
		want       int
	}{
		{"a method that is idempotent", true, nil, 5},
		{"one that is not", false, nil, 1},
		{"one that is not, told to", false, []bool{true}, 5},
		{"one that is, told not to", true, []bool{false}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			callee, b := &story{codes: []codes.Code{codes.Unavailable}}, breaker(100)
			stub := client(t, callee.service(), ClientConfig{Policies: []policy.Policy{patient(), b},
				Repeatable: func(_ context.Context, method string) bool {
					return test.idempotent && method == pb.TestService_UnaryCall_FullMethodName
				}})
			ctx := t.Context()
			for _, told := range test.told {
				ctx = WithRepeatable(ctx, told)
			}
			_, err := stub.UnaryCall(ctx, request("order"))
			wantCode(t, err, codes.Unavailable)
			if n := callee.count(); n != test.want {
				t.Errorf("sent %d times, want %d", n, test.want)
			}
			if _, repeated := errors.AsType[*policy.RetryError](err); repeated != (test.want > 1) {
				t.Errorf("got %T %v", err, err)
			}
		})
	}
}

func TestCallThatFailsIsCountedThoughItIsNotRepeated(t *testing.T) {
	stub := client(t, (&story{codes: []codes.Code{codes.Unavailable}}).service(), ClientConfig{Policies: []policy.Policy{patient(), breaker(3)}})
	for range 3 {
		_, err := stub.UnaryCall(t.Context(), request(""))
		wantCode(t, err, codes.Unavailable)
	}
	_, err := stub.UnaryCall(t.Context(), request(""))
	wantCode(t, err, codes.Unavailable)
	if !errors.Is(err, policy.ErrOpen) {
		t.Errorf("got %v, want an open breaker", err)
	}
}

// counted is an interceptor within a Client's: it sees each try.
func counted(tries *atomic.Int32) grpc.DialOption {
	return grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		tries.Add(1)
		return invoke(ctx, method, request, reply, conn, options...)
	})
}

func TestCallThatNeverReachedAServerIsRepeatedForAnyMethod(t *testing.T) {
	address := freeport.Address(t)
	c := mustClient(t, ClientConfig{Policies: []policy.Policy{
		retry(policy.RetryConfig{Attempts: 100, Delay: 20 * time.Millisecond, Backoff: policy.BackoffConstant, Jitter: policy.JitterNone, Budget: policy.BudgetConfig{Off: true}})}})
	var tries atomic.Int32
	stub, conn := dial(t, address, append(c.DialOptions(), counted(&tries))...)
	if _, err := stub.UnaryCall(WithRepeatable(t.Context(), false), request("")); status.Code(err) != codes.Unavailable || tries.Swap(0) != 1 {
		t.Errorf("told not to repeat: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := stub.UnaryCall(t.Context(), request("order"))
		done <- err
	}()
	eventually(t, "it is tried again", func() bool { return tries.Load() >= 3 })
	callee := &story{codes: []codes.Code{codes.OK}}
	serveAt(t, address, callee.service())
	conn.ResetConnectBackoff()
	if err := <-done; err != nil || callee.count() != 1 {
		t.Errorf("got %v after %d calls", err, callee.count())
	}
}

func TestServerKilledMidCall(t *testing.T) {
	for want, repeatable := range map[int]bool{1: false, 2: true} {
		t.Run(fmt.Sprint(repeatable), func(t *testing.T) {
			arrived := make(chan struct{})
			var served atomic.Int32
			address, server := serve(t, &service{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				served.Add(1)
				close(arrived)
				<-ctx.Done()
				return nil, ctx.Err()
			}})
			b := bulkhead(1)
			c := mustClient(t, ClientConfig{Policies: []policy.Policy{
				retry(policy.RetryConfig{Attempts: 100, Delay: 10 * time.Millisecond, Backoff: policy.BackoffConstant, Budget: policy.BudgetConfig{Off: true}}), b}})
			stub, _ := dial(t, address, c.DialOptions()...)
			done := make(chan error, 1)
			go func() {
				_, err := stub.UnaryCall(WithRepeatable(t.Context(), repeatable), request(""))
				done <- err
			}()
			<-arrived
			server.Stop()
			serveAt(t, address, &service{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				served.Add(1)
				return response(""), nil
			}})
			err := <-done
			if (err == nil) != repeatable || int(served.Load()) != want {
				t.Errorf("got %v after %d calls", err, served.Load())
			}
			free(t, b)
		})
	}
}

func TestRefusalsAreStatuses(t *testing.T) {
	open := breaker(1)
	open.Force(true, "test")
	limit := must(policy.NewRateLimit(policy.RateLimitConfig{Requests: 1, Per: time.Hour}))
	_ = limit.Allow()
	full := bulkhead(1)
	_, _ = full.Acquire(t.Context())
	address := deaf(t)
	tests := []struct {
		name   string
		policy policy.Policy
		code   codes.Code
		is     error
		after  bool // it says when to come back
	}{
		{"open breaker", open, codes.Unavailable, policy.ErrOpen, false},
		{"rate limit", limit, codes.ResourceExhausted, policy.ErrLimited, true},
		{"full bulkhead", full, codes.Unavailable, policy.ErrFull, false},
		{"timeout", timeout(100 * time.Millisecond), codes.DeadlineExceeded, policy.ErrTimeout, false},
		{"detached timeout", detached(100 * time.Millisecond), codes.DeadlineExceeded, policy.ErrTimeout, false},
		{"fault", must(policy.NewFault(policy.FaultConfig{Abort: policy.FaultAbort{Share: 1, Status: 503}})), codes.Unavailable, policy.ErrInjected, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stub, _ := dial(t, address, mustClient(t, ClientConfig{Policies: []policy.Policy{test.policy}}).DialOptions()...)
			_, err := stub.UnaryCall(t.Context(), request(""))
			wantCode(t, err, test.code)
			if !errors.Is(err, test.is) || !strings.HasPrefix(err.Error(), "rpc error: code = "+test.code.String()) {
				t.Errorf("got %v", err)
			}
			if after, _ := retryAfterOf(status.Convert(err), nil); (after > 0) != test.after {
				t.Errorf("come back after %v", after)
			}
		})
	}
}

func TestCallerWhoCancelsIsNotBlamedOnTheCallee(t *testing.T) {
	arrived := make(chan struct{})
	kept := new(classes)
	stub := client(t, &service{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		close(arrived)
		<-ctx.Done()
		return nil, ctx.Err()
	}}, ClientConfig{Repeatable: always, Policies: []policy.Policy{patient(), kept}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := stub.UnaryCall(ctx, request(""))
	wantCode(t, err, codes.Canceled)
	kept.want(t, policy.Ignored)
}

func TestPushbackAndRetryInfoAreObeyed(t *testing.T) {
	tests := []struct {
		name    string
		code    codes.Code
		trailer metadata.MD
		want    int // tries
		class   policy.Class
	}{
		{"unavailable", codes.Unavailable, nil, 2, policy.Failure},
		{"unavailable, soon", codes.Unavailable, metadata.Pairs(pushback, "1"), 1, policy.Shed},
		{"unavailable, never", codes.Unavailable, metadata.Pairs(pushback, "-1"), 1, policy.Shed},
		{"exhausted", codes.ResourceExhausted, nil, 1, policy.Shed},
		{"failure, soon", codes.Internal, metadata.Pairs(pushback, "1"), 2, policy.Failure},
		{"failure, never", codes.Internal, metadata.Pairs(pushback, "-1"), 1, policy.Failure},
		{"failure, nonsense", codes.Internal, metadata.Pairs(pushback, "soon"), 1, policy.Failure},
		{"failure, twice", codes.Internal, metadata.Pairs(pushback, "1", pushback, "1"), 1, policy.Failure},
		{"failure, in an hour", codes.Internal, metadata.Pairs(pushback, "3600000"), 1, policy.Failure},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, streams := range []bool{false, true} {
				callee, kept := &story{codes: []codes.Code{test.code, codes.OK}, trailer: test.trailer}, new(classes)
				stub := client(t, callee.service(), ClientConfig{Repeatable: always, Policies: []policy.Policy{patient(), kept}})
				call := func() error { _, err := stub.UnaryCall(t.Context(), request("")); return err }
				if streams {
					call = func() error { return read(stub.StreamingOutputCall(t.Context(), message(""))) }
				}
				err := call()
				if n := callee.count(); n != test.want || (err == nil) != (test.want > 1) {
					t.Errorf("streams %v: got %v after %d tries, want %d", streams, err, n, test.want)
				}
				kept.want(t, []policy.Class{test.class, policy.Success}[:test.want]...)
			}
		})
	}
}

func TestHedgeTakesTheWinnersReplyAndMetadata(t *testing.T) {
	var calls atomic.Int32
	stub := client(t, &service{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		n := calls.Add(1)
		text := fmt.Sprint(n)
		_ = grpc.SetHeader(ctx, metadata.Pairs("by", text))
		_ = grpc.SetTrailer(ctx, metadata.Pairs("by", text))
		if n == 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return response(text), nil
	}}, ClientConfig{Repeatable: always, Policies: []policy.Policy{
		must(policy.NewHedge(policy.HedgeConfig{Delay: 10 * time.Millisecond, Budget: policy.BudgetConfig{Off: true}}))}})
	var header, trailer metadata.MD
	var from peer.Peer
	reply, err := stub.UnaryCall(t.Context(), request(""), grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&from))
	if err != nil || string(reply.GetPayload().GetBody()) != "2" {
		t.Fatalf("got %v, %v", reply, err)
	}
	if header.Get("by")[0] != "2" || trailer.Get("by")[0] != "2" || from.Addr == nil {
		t.Errorf("header %v, trailer %v, peer %v", header, trailer, from)
	}
}

// TestHedgesDoNotShareTheCallersReply is for the race detector: all tries
// answer, at about the same time.
func TestHedgesDoNotShareTheCallersReply(t *testing.T) {
	b := bulkhead(1000)
	stub := client(t, &service{unary: func(_ context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		time.Sleep(2 * time.Millisecond)
		return &pb.SimpleResponse{Payload: r.GetPayload()}, nil
	}}, ClientConfig{Repeatable: always, Policies: []policy.Policy{
		must(policy.NewHedge(policy.HedgeConfig{Delay: time.Millisecond, Max: 3, Budget: policy.BudgetConfig{Off: true}})), b}})
	for i := range 100 {
		var header metadata.MD
		text := strings.Repeat(fmt.Sprint(i%10), 1000)
		reply, err := stub.UnaryCall(t.Context(), request(text), grpc.Header(&header))
		if err != nil || string(reply.GetPayload().GetBody()) != text {
			t.Fatalf("got %v, %v", reply, err)
		}
		header.Set("mine", "now")
		reply.Reset()
	}
	free(t, b)
}

func TestDetachedTimeoutLeavesTheReplyAlone(t *testing.T) {
	release := make(chan struct{})
	invoked := make(chan struct{})
	c := mustClient(t, ClientConfig{Policies: []policy.Policy{detached(10 * time.Millisecond)}})
	reply := response("mine")
	err := c.Unary(t.Context(), "/s/m", request(""), reply, nil, func(_ context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		defer close(invoked)
		<-release // it ignores its context
		reply.(*pb.SimpleResponse).Payload = payload("late")
		return nil
	})
	wantCode(t, err, codes.DeadlineExceeded)
	close(release)
	<-invoked
	if string(reply.GetPayload().GetBody()) != "mine" {
		t.Errorf("the reply became %v", reply)
	}
}

// TestTryThatIsLeftRunningReadsARequestOfItsOwn has it read the request when
// the caller has used it again.
func TestTryThatIsLeftRunningReadsARequestOfItsOwn(t *testing.T) {
	release, read := make(chan struct{}), make(chan string, 1)
	c := mustClient(t, ClientConfig{Policies: []policy.Policy{detached(10 * time.Millisecond)}})
	mine := request("first")
	err := c.Unary(t.Context(), "/s/m", mine, response(""), nil, func(_ context.Context, _ string, r, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		<-release // it ignores its context
		read <- string(r.(*pb.SimpleRequest).GetPayload().GetBody())
		return nil
	})
	wantCode(t, err, codes.DeadlineExceeded)
	mine.Payload = payload("second")
	close(release)
	if got := <-read; got != "first" {
		t.Errorf("it sent %q", got)
	}
}

func TestFallbackGivesItsOwnReply(t *testing.T) {
	down := func(stand any) policy.Policy { return policy.FallbackValue(stand) }
	callee := &story{codes: []codes.Code{codes.Unavailable}}
	stale := response("stale")
	stub := client(t, callee.service(), ClientConfig{Policies: []policy.Policy{down(stale)}})
	reply, err := stub.UnaryCall(t.Context(), request(""))
	if err != nil || !proto.Equal(reply, stale) || reply.GetPayload() == stale.GetPayload() {
		t.Errorf("got %v, %v: the caller's reply is a copy", reply, err)
	}
	for _, wrong := range []any{request(""), "stale", []int{1}, nil} {
		stub := client(t, callee.service(), ClientConfig{Policies: []policy.Policy{down(wrong)}})
		_, err := stub.UnaryCall(t.Context(), request(""))
		wantCode(t, err, codes.Internal)
	}
}

func TestCachedReplyIsNobodysOwn(t *testing.T) {
	callee := &story{codes: []codes.Code{codes.OK}}
	cache := must(policy.NewCache(policy.CacheConfig{TTL: time.Hour, Key: ByMethod}))
	stub := client(t, callee.service(), ClientConfig{Policies: []policy.Policy{cache}})
	for range 3 {
		reply, err := stub.UnaryCall(t.Context(), request(""))
		if err != nil || string(reply.GetPayload().GetBody()) != "answer" {
			t.Fatalf("got %v, %v", reply, err)
		}
		reply.Payload.Body[0] = 'X'
	}
	if callee.count() != 1 {
		t.Errorf("asked %d times", callee.count())
	}
}

func TestMessagesOfOtherCodecs(t *testing.T) {
	type raw struct{ text string }
	invoke := func(_ context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		reply.(*raw).text = "answer"
		return nil
	}
	hedge := must(policy.NewHedge(policy.HedgeConfig{}))
	tests := []struct {
		name       string
		policies   []policy.Policy
		repeatable bool
		refused    bool
	}{
		{"retry and timeout", []policy.Policy{patient(), timeout(time.Minute)}, true, false},
		{"hedge", []policy.Policy{hedge}, true, true},
		{"hedge that passes it by", []policy.Policy{hedge}, false, false},
		{"fallback", []policy.Policy{policy.FallbackValue(nil)}, false, true},
		{"detached timeout", []policy.Policy{detached(time.Minute)}, false, true},
	}
	for _, test := range tests {
		c := mustClient(t, ClientConfig{Policies: test.policies})
		var reply raw
		err := c.Unary(WithRepeatable(t.Context(), test.repeatable), "/s/m", &raw{}, &reply, nil, invoke)
		if test.refused && (status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "*policygrpc.raw")) {
			t.Errorf("%s: got %v, want it refused by name", test.name, err)
		}
		if !test.refused && (err != nil || reply.text != "answer") {
			t.Errorf("%s: got %v, %v", test.name, reply, err)
		}
	}
}

// oldMessage is a message as protobuf's first version generated them.
type oldMessage struct {
	Text *string `protobuf:"bytes,1,opt,name=text"`
}

func (m *oldMessage) Reset()         { *m = oldMessage{} }
func (m *oldMessage) String() string { return fmt.Sprint(m.Text) }
func (*oldMessage) ProtoMessage()    {}

func TestMessagesOfProtobufsFirstVersion(t *testing.T) {
	c := mustClient(t, ClientConfig{Policies: []policy.Policy{must(policy.NewHedge(policy.HedgeConfig{})), detached(time.Minute)}})
	var reply oldMessage
	err := c.Unary(WithRepeatable(t.Context(), true), "/s/m", nil, &reply, nil, func(_ context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		reply.(*oldMessage).Text = proto.String("answer")
		return nil
	})
	if err != nil || reply.Text == nil || *reply.Text != "answer" {
		t.Errorf("got %v, %v", reply, err)
	}
}

func TestPolicyOfAnotherMakeCannotRepeatWhatMustNotBe(t *testing.T) {
	callee := &story{codes: []codes.Code{codes.Unavailable}}
	twice := policyFunc(func(ctx context.Context, next policy.Next) policy.Result {
		next.Do(ctx).Discard()
		return next.Do(ctx)
	})
	stub := client(t, callee.service(), ClientConfig{Policies: []policy.Policy{twice}})
	_, err := stub.UnaryCall(t.Context(), request(""))
	wantCode(t, err, codes.Internal)
	if !errors.Is(err, ErrNotRepeatable) || callee.count() != 1 {
		t.Errorf("got %v after %d tries", err, callee.count())
	}
}

func TestPolicyThatAnswersWithNothingIsAnError(t *testing.T) {
	nothing := policyFunc(func(context.Context, policy.Next) policy.Result { return policy.Result{} })
	stub := client(t, &service{}, ClientConfig{Policies: []policy.Policy{nothing}})
	if _, err := stub.UnaryCall(t.Context(), request("")); !errors.Is(err, errNoReply) {
		t.Errorf("got %v", err)
	}
	if _, err := stub.FullDuplexCall(t.Context()); !errors.Is(err, errNoReply) {
		t.Errorf("stream: got %v", err)
	}
}

func TestOrderOfPoliciesIsChecked(t *testing.T) {
	retry, limit := must(policy.NewRetry(policy.RetryConfig{})), must(policy.NewRateLimit(policy.RateLimitConfig{Requests: 1}))
	b := bulkhead(1)
	for warnings, policies := range map[int][]policy.Policy{0: {retry, b}, 1: {b, retry}} {
		if got := mustClient(t, ClientConfig{Policies: policies}).Check(); len(got) != warnings {
			t.Errorf("the client: got %v, want %d", got, warnings)
		}
	}
	for warnings, policies := range map[int][]policy.Policy{0: {limit, b}, 1: {b, limit}} {
		if got := must(NewServer(ServerConfig{Policies: policies})).Check(); len(got) != warnings {
			t.Errorf("the server: got %v, want %d", got, warnings)
		}
	}
}
