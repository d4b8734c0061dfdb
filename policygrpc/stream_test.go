package policygrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/afloat-dev/afloat/policy"
)

// echo sends back each message, and ends with the code in the last.
func echo(stream grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	code := codes.OK
	for {
		r, err := stream.Recv()
		if err == io.EOF {
			return status.Error(code, "as told")
		}
		if err != nil {
			return err
		}
		code = codes.Code(r.GetResponseStatus().GetCode())
		if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: r.GetPayload()}); err != nil {
			return err
		}
	}
}

// read reads a stream to its end; nil for a good one.
func read(s grpc.ServerStreamingClient[pb.StreamingOutputCallResponse], err error) error {
	for err == nil {
		_, err = s.Recv()
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func message(text string) *pb.StreamingOutputCallRequest {
	return &pb.StreamingOutputCallRequest{Payload: payload(text)}
}

func TestStreamHoldsItsPermitUntilItsEnd(t *testing.T) {
	type stream = grpc.BidiStreamingClient[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]
	tests := []struct {
		name string
		want policy.Class
		end  func(t *testing.T, s stream, h *held)
	}{
		{"read to its end", policy.Success, func(t *testing.T, s stream, _ *held) {
			_ = s.CloseSend()
			if _, err := s.Recv(); err != io.EOF {
				t.Error(err)
			}
		}},
		{"a status that is a failure", policy.Failure, func(t *testing.T, s stream, _ *held) {
			_ = s.Send(&pb.StreamingOutputCallRequest{ResponseStatus: &pb.EchoStatus{Code: int32(codes.Internal)}})
			_ = s.CloseSend()
			_, _ = s.Recv()
			_, err := s.Recv()
			wantCode(t, err, codes.Internal)
		}},
		{"a status that is about the call", policy.Success, func(t *testing.T, s stream, _ *held) {
			_ = s.Send(&pb.StreamingOutputCallRequest{ResponseStatus: &pb.EchoStatus{Code: int32(codes.NotFound)}})
			_ = s.CloseSend()
			_, _ = s.Recv()
			_, err := s.Recv()
			wantCode(t, err, codes.NotFound)
		}},
		{"a status that sheds", policy.Shed, func(t *testing.T, s stream, _ *held) {
			_ = s.Send(&pb.StreamingOutputCallRequest{ResponseStatus: &pb.EchoStatus{Code: int32(codes.ResourceExhausted)}})
			_ = s.CloseSend()
			_, _ = s.Recv()
			_, err := s.Recv()
			wantCode(t, err, codes.ResourceExhausted)
		}},
		{"left by cancelling its context", policy.Ignored, func(_ *testing.T, _ stream, h *held) { h.cancel() }},
		{"cancelled while it is read", policy.Ignored, func(t *testing.T, s stream, h *held) {
			time.AfterFunc(10*time.Millisecond, h.cancel)
			_, err := s.Recv()
			wantCode(t, err, codes.Canceled)
		}},
		{"its connection was closed", policy.Ignored, func(_ *testing.T, _ stream, h *held) { _ = h.conn.Close() }},
		{"its server was killed", policy.Failure, func(t *testing.T, s stream, h *held) {
			h.server.Stop()
			_, err := s.Recv()
			wantCode(t, err, codes.Unavailable)
		}},
		{"a message that cannot be sent", policy.Failure, func(t *testing.T, s stream, _ *held) {
			if err := s.SendMsg("no message"); err == nil {
				t.Error("it was sent")
			}
		}},
	}
	for _, test := range tests {
		for name, around := range map[string][]policy.Policy{"alone": nil, "around a retry": {new(classes), patient()}} {
			t.Run(test.name+" "+name, func(t *testing.T) {
				b, kept := bulkhead(1), new(classes)
				h := hold(t, append(around, kept, b))
				defer h.cancel()
				s, err := h.stub.FullDuplexCall(h.ctx)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Send(message("one")); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Recv(); err != nil {
					t.Fatal(err)
				}
				if _, err := h.stub.FullDuplexCall(t.Context()); !errors.Is(err, policy.ErrFull) || status.Code(err) != codes.Unavailable {
					t.Errorf("while it is open: %v", err)
				}
				test.end(t, s, h)
				free(t, b)
				kept.want(t, policy.Shed, test.want)
				if len(around) > 0 {
					around[0].(*classes).want(t, policy.Shed, test.want)
				}
			})
		}
	}
}

// held is what a stream can be ended by.
type held struct {
	stub   pb.TestServiceClient
	conn   *grpc.ClientConn
	server *grpc.Server
	ctx    context.Context
	cancel context.CancelFunc
}

func hold(t *testing.T, policies []policy.Policy) *held {
	h := new(held)
	var address string
	address, h.server = serve(t, &service{duplex: echo})
	h.stub, h.conn = dial(t, address, mustClient(t, ClientConfig{Policies: policies}).DialOptions()...)
	h.ctx, h.cancel = context.WithCancel(t.Context())
	return h
}

func TestStreamsFlowBothWays(t *testing.T) {
	b := bulkhead(1)
	stub := client(t, &service{duplex: echo}, ClientConfig{Policies: []policy.Policy{patient(), b}})
	s, err := stub.FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Each message is answered before the next is sent: nothing is held back.
	for i := range 200 {
		text := fmt.Sprint(i)
		if err := s.Send(message(text)); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Recv(); err != nil || string(r.GetPayload().GetBody()) != text {
			t.Fatalf("got %v, %v", r, err)
		}
	}
	_ = s.CloseSend()
	if _, err := s.Recv(); err != io.EOF {
		t.Error(err)
	}
	free(t, b)
}

func TestUploadEndsWithItsOneReply(t *testing.T) {
	b, kept := bulkhead(1), new(classes)
	stub := client(t, &service{input: func(s grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error {
		n := 0
		for {
			r, err := s.Recv()
			if err == io.EOF {
				return s.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(n)})
			}
			if err != nil {
				return err
			}
			n += len(r.GetPayload().GetBody())
		}
	}}, ClientConfig{Repeatable: always, Policies: []policy.Policy{patient(), kept, b}})
	s, err := stub.StreamingInputCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		if err := s.Send(&pb.StreamingInputCallRequest{Payload: &pb.Payload{Body: make([]byte, 1<<20)}}); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := s.CloseAndRecv(); err != nil || r.GetAggregatedPayloadSize() != 64<<20 {
		t.Errorf("got %v, %v", r, err)
	}
	free(t, b)
	kept.want(t, policy.Success)
}

func TestStreamsOpenABreakerAndHealIt(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	b := must(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 2, OpenDuration: 50 * time.Millisecond, Probes: 1}))
	stub := client(t, &service{output: func(_ *pb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
		if err := s.Send(&pb.StreamingOutputCallResponse{}); err != nil || !down.Load() {
			return err
		}
		return status.Error(codes.Internal, "down") // only at its end
	}}, ClientConfig{Policies: []policy.Policy{b}})
	call := func() error { return read(stub.StreamingOutputCall(t.Context(), message(""))) }
	for range 2 {
		wantCode(t, call(), codes.Internal)
	}
	if err := call(); !errors.Is(err, policy.ErrOpen) {
		t.Fatalf("got %v, want an open breaker", err)
	}
	down.Store(false)
	eventually(t, "the breaker closes", func() bool { return call() == nil && b.Status().State == policy.BreakerClosed })
}

func TestTimeoutReachesIntoTheStreamAndSaysSo(t *testing.T) {
	b, kept := bulkhead(1), new(classes)
	stub, _ := dial(t, deaf(t), mustClient(t, ClientConfig{Policies: []policy.Policy{kept, b, timeout(50 * time.Millisecond)}}).DialOptions()...)
	s, err := stub.FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = s.Recv()
	}
	wantCode(t, err, codes.DeadlineExceeded)
	if !errors.Is(err, policy.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	free(t, b)
	kept.want(t, policy.Failure)
}

func TestStreamsPassByWhatIsForUnaryCalls(t *testing.T) {
	cache := must(policy.NewCache(policy.CacheConfig{TTL: time.Hour, Key: ByMethod}))
	shared := must(policy.NewSingleflight(policy.SingleflightConfig{Key: ByMethod}))
	hedge := must(policy.NewHedge(policy.HedgeConfig{Delay: time.Nanosecond, Budget: policy.BudgetConfig{Off: true}}))
	callee := &story{codes: []codes.Code{codes.Unavailable, codes.OK}}
	stub := client(t, callee.service(), ClientConfig{Repeatable: always, Policies: []policy.Policy{policy.FallbackValue(response("")), cache, shared, hedge}})
	for _, want := range []codes.Code{codes.Unavailable, codes.OK, codes.OK} {
		wantCode(t, read(stub.StreamingOutputCall(t.Context(), message(""))), want)
	}
	if n := callee.count(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestStreamThatAPolicyGivesUpIsCancelled(t *testing.T) {
	gone := make(chan struct{})
	discards := policyFunc(func(ctx context.Context, next policy.Next) policy.Result {
		next.Do(ctx).Discard()
		return policy.Result{Err: &policy.Rejected{Policy: "test", Reason: policy.ErrFull}, Class: policy.Shed}
	})
	for name, policies := range map[string][]policy.Policy{"of a try": {discards}, "around a retry": {discards, patient()}} {
		t.Run(name, func(t *testing.T) {
			b := bulkhead(1)
			stub := client(t, &service{duplex: func(s grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
				<-s.Context().Done()
				gone <- struct{}{}
				return nil
			}}, ClientConfig{Policies: append(policies, b)})
			_, err := stub.FullDuplexCall(t.Context())
			wantCode(t, err, codes.Unavailable)
			free(t, b)
			<-gone
		})
	}
}

func TestStreamTellsItsMetadataAndContext(t *testing.T) {
	callee := &story{codes: []codes.Code{codes.NotFound}, trailer: metadata.Pairs("by", "me")}
	stub := client(t, callee.service(), ClientConfig{Policies: []policy.Policy{patient()}})
	type key struct{}
	s, err := stub.StreamingOutputCall(context.WithValue(t.Context(), key{}, "mine"), message(""))
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, read(s, nil), codes.NotFound)
	if s.Trailer().Get("by")[0] != "me" || s.Context().Value(key{}) != "mine" {
		t.Errorf("trailer %v", s.Trailer())
	}
}

// handMade is a stream of a transport that is not grpc's own.
type handMade struct {
	grpc.ClientStream
	ctx context.Context
}

func (h handMade) RecvMsg(any) error  { <-h.ctx.Done(); return h.ctx.Err() }
func (handMade) Trailer() metadata.MD { return nil }

func TestStreamThatEndsWhileItIsOpenedHoldsNothing(t *testing.T) {
	for name, test := range map[string]struct {
		around []policy.Policy
		want   policy.Class
		err    error
	}{
		"well":                    {nil, policy.Success, nil},
		"with a failure":          {nil, policy.Failure, status.Error(codes.Internal, "oops")},
		"well, around a retry":    {[]policy.Policy{new(classes), patient()}, policy.Success, nil},
		"failing, around a retry": {[]policy.Policy{new(classes), patient()}, policy.Failure, status.Error(codes.Internal, "oops")},
	} {
		t.Run(name, func(t *testing.T) {
			b, kept := bulkhead(1), new(classes)
			var sent context.Context
			c := mustClient(t, ClientConfig{Policies: append(test.around, kept, b)})
			s, err := c.Stream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, nil, "/s/m",
				func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, options ...grpc.CallOption) (grpc.ClientStream, error) {
					for _, o := range options {
						if o, ok := o.(grpc.OnFinishCallOption); ok {
							o.OnFinish(test.err)
						}
					}
					sent = ctx
					return handMade{ctx: ctx}, nil
				})
			if err != nil || s == nil {
				t.Fatal(err)
			}
			free(t, b)
			<-sent.Done() // or it would stay with its caller's
			kept.want(t, test.want)
			if len(test.around) > 0 {
				test.around[0].(*classes).want(t, test.want)
			}
		})
	}
}

func TestStreamOfAnotherTransportEndsWithItsContext(t *testing.T) {
	for name, read := range map[string]bool{"read": true, "left": false} {
		t.Run(name, func(t *testing.T) {
			b, kept := bulkhead(1), new(classes)
			c := mustClient(t, ClientConfig{Policies: []policy.Policy{patient(), kept, b}})
			ctx, cancel := context.WithCancel(t.Context())
			s, err := c.Stream(ctx, &grpc.StreamDesc{ServerStreams: true}, nil, "/s/m",
				func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
					return handMade{ctx: ctx}, nil
				})
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			if read {
				wantCode(t, s.RecvMsg(nil), codes.Canceled)
			}
			free(t, b)
			kept.want(t, policy.Ignored)
		})
	}
}
