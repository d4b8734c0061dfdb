package policygrpc

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/afloat-dev/afloat/policy"
)

// left is a service that answers with the time that its context has.
func left(got *atomic.Int64) *service {
	note := func(ctx context.Context) {
		got.Store(0)
		if deadline, ok := ctx.Deadline(); ok {
			got.Store(int64(time.Until(deadline)))
		}
	}
	return &service{
		unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			note(ctx)
			return response(""), nil
		},
		output: func(_ *pb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
			note(s.Context())
			return nil
		},
	}
}

func TestDeadlineTravelsMinusAMargin(t *testing.T) {
	tests := []struct {
		name            string
		caller, timeout time.Duration
		margin          time.Duration
		least, most     time.Duration
	}{
		{"of the caller", time.Hour, 0, time.Minute, 58 * time.Minute, 59 * time.Minute},
		{"of a policy", time.Hour, 30 * time.Minute, time.Minute, 28 * time.Minute, 29 * time.Minute},
		{"of a caller who is sooner", 30 * time.Minute, time.Hour, time.Minute, 28 * time.Minute, 29 * time.Minute},
		{"of which half is left", time.Minute, 0, time.Minute, 20 * time.Second, 30 * time.Second},
		{"without a margin", time.Hour, 0, -1, 59 * time.Minute, time.Hour},
		{"that is not there", 0, 0, 0, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got atomic.Int64
			c := ClientConfig{TimeoutMargin: test.margin}
			if test.timeout > 0 {
				c.Policies = append(c.Policies, timeout(test.timeout))
			}
			stub, ctx := client(t, left(&got), c), t.Context()
			if test.caller > 0 {
				within, cancel := context.WithTimeout(ctx, test.caller)
				defer cancel()
				ctx = within
			}
			check := func(err error) {
				t.Helper()
				if d := time.Duration(got.Load()); err != nil || d < test.least || d > test.most {
					t.Errorf("the callee has %v, %v", d, err)
				}
			}
			_, err := stub.UnaryCall(ctx, request(""))
			check(err)
			s, err := stub.StreamingOutputCall(ctx, message(""))
			if err == nil {
				_, _ = s.Recv()
			}
			check(err)
		})
	}
}

func TestPriorityTravels(t *testing.T) {
	const critical, normal, low, sheddable = policy.PriorityCritical, policy.PriorityNormal, policy.PriorityLow, policy.PrioritySheddable
	tests := []struct {
		name   string
		client string // its PriorityHeader
		server ServerConfig
		say    policy.Priority
		sent   string
		want   policy.Priority
	}{
		{"critical", "", ServerConfig{TrustPriority: true}, critical, "critical", critical},
		{"critical, of a stranger", "", ServerConfig{}, critical, "critical", normal},
		{"low", "", ServerConfig{}, low, "low", low},
		{"sheddable", "", ServerConfig{}, sheddable, "sheddable", sheddable},
		{"normal need not be said", "", ServerConfig{}, normal, "", normal},
		{"unknown counts as normal", "", ServerConfig{TrustPriority: true}, "urgent", "", normal},
		{"by another name", "X-Class", ServerConfig{PriorityHeader: "x-class"}, low, "", low},
		{"not sent", NoHeader, ServerConfig{}, low, "", normal},
		{"not read", "", ServerConfig{PriorityHeader: NoHeader, TrustPriority: true}, low, "low", normal},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got policy.Priority
			callee := &story{codes: []codes.Code{codes.OK}}
			test.server.Policies = []policy.Policy{policyFunc(func(ctx context.Context, next policy.Next) policy.Result {
				got = policy.PriorityOf(ctx)
				return next.Do(ctx)
			})}
			address, _ := serve(t, callee.service(), mustServer(t, test.server).Options()...)
			stub, _ := dial(t, address, mustClient(t, ClientConfig{PriorityHeader: test.client}).DialOptions()...)
			ctx := policy.WithPriority(t.Context(), test.say)
			if _, err := stub.UnaryCall(ctx, request("")); err != nil || got != test.want {
				t.Errorf("the server takes it for %q, %v", got, err)
			}
			got = ""
			if err := read(stub.StreamingOutputCall(ctx, message(""))); err != nil || got != test.want {
				t.Errorf("the server takes a stream for %q, %v", got, err)
			}
			if diff := cmp.Diff([]string{test.sent, test.sent}, callee.values(PriorityHeader)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestClaimedPriorityIsNotHandedOn(t *testing.T) {
	tests := []struct {
		name    string
		trusted bool
		claimed []string
		want    string // as all values that the last service gets
	}{
		{"by a stranger, up", false, []string{"critical"}, ""},
		{"by a stranger, down", false, []string{"low"}, "lowlow"}, // the last one counts
		{"by one's own", true, []string{"critical"}, "criticalcritical"},
		{"nonsense", true, []string{"CRITICAL"}, ""},
		{"by the nearest of several", true, []string{"critical", "low"}, "criticallowlow"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			last := &story{codes: []codes.Code{codes.OK}}
			address, _ := serve(t, last.service())
			onward, _ := dial(t, address, mustClient(t, ClientConfig{}).DialOptions()...)
			proxy := &service{unary: func(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				came, _ := metadata.FromIncomingContext(ctx)
				return onward.UnaryCall(metadata.NewOutgoingContext(ctx, came), r)
			}}
			stub := guarded(t, proxy, ServerConfig{TrustPriority: test.trusted})
			ctx := t.Context()
			for _, p := range test.claimed {
				ctx = metadata.AppendToOutgoingContext(ctx, PriorityHeader, p, "x-kept", "1")
			}
			if _, err := stub.UnaryCall(ctx, request("")); err != nil {
				t.Fatal(err)
			}
			if got := last.values(PriorityHeader)[0]; got != test.want || last.values("x-kept")[0] == "" {
				t.Errorf("the last service gets %q", got)
			}
		})
	}
}

func TestAttemptHeaderCanBeRenamedAndSwitchedOff(t *testing.T) {
	for name, want := range map[string][]string{"X-Try": {"", "2"}, NoHeader: {"", ""}} {
		callee := &story{codes: []codes.Code{codes.Unavailable, codes.OK}}
		stub := client(t, callee.service(), ClientConfig{Repeatable: always, AttemptHeader: name, Policies: []policy.Policy{patient()}})
		if _, err := stub.UnaryCall(t.Context(), request("")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, callee.values("x-try")); diff != "" || slices.Contains(callee.values(AttemptHeader), "2") {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestNumbersOfTriesAreReadAndBounded(t *testing.T) {
	tests := []struct {
		name string
		sent metadata.MD
		want int
	}{
		{"none", nil, 1},
		{"a repeat", metadata.Pairs(AttemptHeader, "3"), 3},
		{"a repeat of a repeat", metadata.Pairs(AttemptHeader, "2", AttemptHeader, "3"), 3},
		{"one of grpc itself", metadata.Pairs(previousAttempts, "1"), 2},
		{"too many", metadata.Pairs(AttemptHeader, "60000"), attemptMax},
		{"more than a number holds", metadata.Pairs(AttemptHeader, "99999999999999999999"), 1},
		{"less than nothing", metadata.Pairs(AttemptHeader, "-2"), 1},
		{"words", metadata.Pairs(AttemptHeader, "two"), 1},
	}
	for _, test := range tests {
		if got := attemptOf(metadata.NewIncomingContext(t.Context(), test.sent), AttemptHeader); got != test.want {
			t.Errorf("%s: try %d, want %d", test.name, got, test.want)
		}
	}
}

// hops is a chain of services, each of which calls the next for every call and
// repeats what fails. It returns the first and counts what reaches the last,
// which always fails.
func hops(t *testing.T, n int, header string, budget policy.BudgetConfig, streams bool) (call func() error, reached *atomic.Int64) {
	reached = new(atomic.Int64)
	down := status.Error(codes.Unavailable, "down")
	next := &service{
		unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			reached.Add(1)
			return nil, down
		},
		output: func(*pb.StreamingOutputCallRequest, grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
			reached.Add(1)
			return down
		},
	}
	for i := range n {
		address, _ := serve(t, next, mustServer(t, ServerConfig{AttemptHeader: header}).Options()...)
		c := mustClient(t, ClientConfig{AttemptHeader: header, Repeatable: always,
			Policies: []policy.Policy{retry(policy.RetryConfig{Delay: time.Millisecond, Budget: budget})}})
		stub, _ := dial(t, address, c.DialOptions()...)
		unary := func(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			return stub.UnaryCall(ctx, r)
		}
		output := func(ctx context.Context) error {
			s, err := stub.StreamingOutputCall(ctx, message(""))
			if err == nil {
				_, err = s.Recv()
			}
			return err
		}
		next = &service{unary: unary, output: func(_ *pb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
			return output(s.Context())
		}}
		if i < n-1 {
			continue
		}
		call = func() error { _, err := unary(t.Context(), request("")); return err }
		if streams {
			call = func() error { return output(t.Context()) }
		}
	}
	return call, reached
}

func TestRetriesDoNotMultiplyOverFiveHops(t *testing.T) {
	tests := []struct {
		name   string
		header string
		budget policy.BudgetConfig
		calls  int
		most   float64 // times the calls
	}{
		// Each of five hops sends up to three times: the storm that the rest is for.
		{"nothing is done about it", NoHeader, policy.BudgetConfig{Off: true}, 1, 3 * 3 * 3 * 3 * 3},
		{"the header alone", "", policy.BudgetConfig{Off: true}, 1, 3},
		{"the header and the default share", "", policy.BudgetConfig{MinPerSecond: -1}, 200, 1.25},
	}
	for _, test := range tests {
		for _, streams := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, streams %v", test.name, streams), func(t *testing.T) {
				call, reached := hops(t, 5, test.header, test.budget, streams)
				for range test.calls {
					wantCode(t, call(), codes.Unavailable)
				}
				times := float64(reached.Load()) / float64(test.calls)
				t.Logf("%d calls became %d", test.calls, reached.Load())
				if times > test.most || times <= 1 {
					t.Errorf("%v times the calls reached the last service, want at most %v", times, test.most)
				}
				if test.header == NoHeader && times != test.most {
					t.Errorf("without the header they multiply %v times: the test shows nothing", times)
				}
			})
		}
	}
}

func TestServerTellsTheClientOfARepeat(t *testing.T) {
	for _, repeat := range []metadata.MD{nil, metadata.Pairs(AttemptHeader, "2"), metadata.Pairs(previousAttempts, "1")} {
		callee := &story{codes: []codes.Code{codes.Unavailable}}
		onward := client(t, callee.service(), ClientConfig{Repeatable: always, Policies: []policy.Policy{patient()}})
		stub := guarded(t, &service{
			unary: func(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
				return onward.UnaryCall(ctx, r)
			},
			output: func(r *pb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
				return read(onward.StreamingOutputCall(s.Context(), r))
			},
		}, ServerConfig{})
		want := 5
		if repeat != nil {
			want = 1
		}
		ctx := metadata.NewOutgoingContext(t.Context(), repeat)
		var trailer metadata.MD
		_, err := stub.UnaryCall(ctx, request(""), grpc.Trailer(&trailer))
		wantCode(t, err, codes.Unavailable)
		if n := callee.count(); n != want || len(trailer[AttemptHeader]) == 0 {
			t.Errorf("%v: %d tries further in, want %d; trailer %v", repeat, n, want, trailer)
		}
		wantCode(t, read(stub.StreamingOutputCall(ctx, message(""))), codes.Unavailable)
		if n := callee.count(); n != 2*want {
			t.Errorf("%v: %d tries of both further in, want %d", repeat, n, 2*want)
		}
	}
}

func TestDeadlineAndPriorityReachTheThirdService(t *testing.T) {
	var got atomic.Int64
	var priority atomic.Value
	last := left(&got)
	inner := last.unary
	last.unary = func(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		priority.Store(policy.PriorityOf(ctx))
		return inner(ctx, r)
	}
	trusting := mustServer(t, ServerConfig{})
	c := mustClient(t, ClientConfig{TimeoutMargin: time.Minute})
	address, _ := serve(t, last, trusting.Options()...)
	second, _ := dial(t, address, c.DialOptions()...)
	address, _ = serve(t, &service{unary: func(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		return second.UnaryCall(ctx, r)
	}}, trusting.Options()...)
	first, _ := dial(t, address, c.DialOptions()...)
	ctx, cancel := context.WithTimeout(policy.WithPriority(t.Context(), policy.PriorityLow), time.Hour)
	defer cancel()
	if _, err := first.UnaryCall(ctx, request("")); err != nil {
		t.Fatal(err)
	}
	if d := time.Duration(got.Load()); d > 58*time.Minute || d < 57*time.Minute || priority.Load() != policy.PriorityLow {
		t.Errorf("the last service has %v, with priority %v", d, priority.Load())
	}
}
