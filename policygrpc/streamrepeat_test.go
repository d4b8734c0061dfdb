package policygrpc

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/afloat-dev/afloat/internal/freeport"
	"github.com/afloat-dev/afloat/policy"
)

func TestStreamIsRepeatedBeforeItsFirstMessage(t *testing.T) {
	callee, b, kept, around := &story{codes: []codes.Code{codes.Unavailable, codes.Internal, codes.OK}}, bulkhead(1), new(classes), new(classes)
	var tries []int
	count := policyFunc(func(ctx context.Context, next policy.Next) policy.Result {
		tries = append(tries, policy.Attempt(ctx))
		return next.Do(ctx)
	})
	stub := client(t, callee.service(), ClientConfig{Repeatable: always, Policies: []policy.Policy{around, patient(), count, kept, b}})
	s, err := stub.StreamingOutputCall(t.Context(), message("order"))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.Recv(); err != nil || string(r.GetPayload().GetBody()) != "answer" {
		t.Fatalf("got %v, %v", r, err)
	}
	if _, err := s.Recv(); err != io.EOF {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"order", "order", "order"}, callee.asked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"", "2", "3"}, callee.values(AttemptHeader)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{1, 2, 3}, tries); diff != "" {
		t.Error(diff)
	}
	free(t, b)
	kept.want(t, policy.Failure, policy.Failure, policy.Success)
	around.want(t, policy.Success)
}

func TestStreamThatFailsForGoodTellsAllItsTries(t *testing.T) {
	callee, around := &story{codes: []codes.Code{codes.Unavailable}}, new(classes)
	stub := client(t, callee.service(), ClientConfig{Repeatable: always, Policies: []policy.Policy{around, patient()}})
	s, err := stub.StreamingOutputCall(t.Context(), message("order"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Recv()
	wantCode(t, err, codes.Unavailable)
	tries, ok := errors.AsType[*policy.RetryError](err)
	if !ok || len(tries.Errs) != 5 || callee.count() != 5 {
		t.Errorf("got %v after %d tries", err, callee.count())
	}
	around.want(t, policy.Failure)
	_, err = s.Recv()
	if _, ok := errors.AsType[*policy.RetryError](err); ok || status.Code(err) != codes.Unavailable || callee.count() != 5 {
		t.Errorf("read on, it gives %v after %d tries: it is over", err, callee.count())
	}
}

func TestStreamIsNotRepeated(t *testing.T) {
	breaks := func(after int) *service {
		return &service{output: func(_ *pb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
			_ = s.SetHeader(metadata.Pairs("by", "me"))
			for range after {
				_ = s.Send(&pb.StreamingOutputCallResponse{})
			}
			return status.Error(codes.Unavailable, "broken")
		}}
	}
	tests := []struct {
		name       string
		after      int
		repeatable bool
		look       bool // at the header
	}{
		{"after its first message", 1, true, false},
		{"that must not be", 0, false, false},
		{"whose header was looked at", 0, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			kept := new(classes)
			stub := client(t, breaks(test.after), ClientConfig{Policies: []policy.Policy{patient(), kept}})
			s, err := stub.StreamingOutputCall(WithRepeatable(t.Context(), test.repeatable), message(""))
			if err != nil {
				t.Fatal(err)
			}
			if test.look {
				_, _ = s.Header()
			}
			wantCode(t, read(s, nil), codes.Unavailable)
			kept.want(t, policy.Failure)
		})
	}
	t.Run("of many messages to the callee", func(t *testing.T) {
		kept := new(classes)
		stub := client(t, &service{duplex: func(grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
			return status.Error(codes.Unavailable, "broken")
		}}, ClientConfig{Repeatable: always, Policies: []policy.Policy{patient(), kept}})
		s, err := stub.FullDuplexCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Recv()
		wantCode(t, err, codes.Unavailable)
		kept.want(t, policy.Failure)
	})
}

func TestStreamThatCannotBeOpenedIsRepeatedForAnyMethod(t *testing.T) {
	address := freeport.Address(t)
	kept := new(classes)
	c := mustClient(t, ClientConfig{Policies: []policy.Policy{
		retry(policy.RetryConfig{Attempts: 100, Delay: 20 * time.Millisecond, Backoff: policy.BackoffConstant, Budget: policy.BudgetConfig{Off: true}}), kept}})
	stub, conn := dial(t, address, c.DialOptions()...)
	done := make(chan error, 1)
	go func() {
		s, err := stub.FullDuplexCall(t.Context())
		if err == nil {
			_ = s.CloseSend()
			_, err = s.Recv()
		}
		done <- err
	}()
	eventually(t, "it is tried again", func() bool { return kept.count() >= 2 })
	serveAt(t, address, &service{duplex: echo})
	conn.ResetConnectBackoff()
	if err := <-done; err != io.EOF {
		t.Errorf("got %v", err)
	}
}

func TestStreamThatWaitsToBeRepeatedEndsWithItsCaller(t *testing.T) {
	tests := []struct {
		name  string
		delay time.Duration
		end   time.Duration // of the caller's patience; zero when it cancels
		is    error
		want  policy.Class
	}{
		{"who cancels", time.Minute, 0, context.Canceled, policy.Ignored},
		{"whose deadline comes before the next try", time.Hour, time.Minute, policy.ErrDeadline, policy.Failure},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			callee, b, kept := &story{codes: []codes.Code{codes.Unavailable}}, bulkhead(1), new(classes)
			stub := client(t, callee.service(), ClientConfig{Repeatable: always, Policies: []policy.Policy{b,
				retry(policy.RetryConfig{Delay: test.delay, DelayMax: test.delay, Jitter: policy.JitterNone, Budget: policy.BudgetConfig{Off: true}}), kept}})
			ctx, cancel := context.WithTimeout(t.Context(), max(test.end, time.Hour/2))
			if test.end > 0 {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), test.end)
			}
			defer cancel()
			if test.end == 0 {
				go func() {
					eventually(t, "the first try has failed", func() bool { return kept.count() == 1 })
					cancel()
				}()
			}
			if err := read(stub.StreamingOutputCall(ctx, message(""))); !errors.Is(err, test.is) {
				t.Errorf("got %v", err)
			}
			free(t, b)
			if callee.count() != 1 {
				t.Errorf("asked %d times", callee.count())
			}
		})
	}
}

func TestStreamLeftBeforeItsFirstMessageEndsWithItsConnection(t *testing.T) {
	b, around := bulkhead(1), new(classes)
	address, _ := serve(t, &service{output: func(_ *pb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
		<-s.Context().Done()
		return nil
	}})
	c := mustClient(t, ClientConfig{Repeatable: always, Policies: []policy.Policy{around, patient(), b}})
	stub, conn := dial(t, address, c.DialOptions()...)
	if _, err := stub.StreamingOutputCall(context.Background(), message("")); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	free(t, b)
	around.want(t, policy.Ignored)
}

func TestStreamOfAnotherTransportIsRepeated(t *testing.T) {
	b, kept, opened := bulkhead(1), new(classes), 0
	c := mustClient(t, ClientConfig{Repeatable: always, Policies: []policy.Policy{patient(), kept, b}})
	s, err := c.Stream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, nil, "/s/m",
		func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			opened++
			return scripted{[]error{status.Error(codes.Internal, "oops"), nil}[opened-1]}, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RecvMsg(nil); err != nil {
		t.Error(err)
	}
	kept.want(t, policy.Failure)
	if n := b.Status().InFlight; n != 1 {
		t.Errorf("%d permits are held", n)
	}
}

// scripted is a stream that knows how its first message comes.
type scripted struct{ first error }

func (s scripted) RecvMsg(any) error          { return s.first }
func (scripted) SendMsg(any) error            { return nil }
func (scripted) CloseSend() error             { return nil }
func (scripted) Header() (metadata.MD, error) { return nil, nil }
func (scripted) Trailer() metadata.MD         { return nil }
func (scripted) Context() context.Context     { return context.Background() }
