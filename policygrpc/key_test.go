package policygrpc

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/afloat-dev/afloat/policy"
)

func TestKeysAreFoundInTheCall(t *testing.T) {
	var got [2]map[string]string // of the client, of the server
	look := func(i int) policy.Policy {
		return policyFunc(func(ctx context.Context, next policy.Next) policy.Result {
			text := ""
			if r, ok := Request(ctx).(*pb.SimpleRequest); ok {
				text = string(r.GetPayload().GetBody())
			}
			got[i] = map[string]string{"method": ByMethod(ctx), "peer": ByPeer(ctx), "user": ByMetadata("X-User")(ctx), "none": ByMetadata("none")(ctx), "request": text}
			return next.Do(ctx)
		})
	}
	address, _ := serve(t, (&story{codes: []codes.Code{codes.OK}}).service(), mustServer(t, ServerConfig{Policies: []policy.Policy{look(1)}}).Options()...)
	stub, _ := dial(t, address, mustClient(t, ClientConfig{Policies: []policy.Policy{look(0)}}).DialOptions()...)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-user", "ada")
	check := func(method, text string) {
		t.Helper()
		for i, peer := range []string{"passthrough:///" + address, "127.0.0.1"} {
			for key, want := range map[string]string{"method": method, "peer": peer, "user": "ada", "none": "", "request": text} {
				if got[i][key] != want {
					t.Errorf("side %d: %s is %q, want %q", i, key, got[i][key], want)
				}
			}
		}
	}
	if _, err := stub.UnaryCall(ctx, request("order")); err != nil {
		t.Fatal(err)
	}
	check(pb.TestService_UnaryCall_FullMethodName, "order")
	s, err := stub.StreamingOutputCall(ctx, message("order"))
	if err == nil {
		_, err = s.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	check(pb.TestService_StreamingOutputCall_FullMethodName, "")
	if ByMethod(t.Context()) != "" || ByPeer(t.Context()) != "" || ByMetadata("x-user")(t.Context()) != "" || Request(t.Context()) != nil {
		t.Error("a key is found where there is no call")
	}
}

func TestClientsAreKnownByTheirNetwork(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:51000":              "192.0.2.7",
		"[::ffff:192.0.2.7]:51000":     "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:51000": "2001:db8:1:2::",
		"[2001:db8:1:2::9%eth0]:51000": "2001:db8:1:2::",
		"@":                            "@",
		"bufconn":                      "bufconn",
		"some.name:1":                  "some.name",
	} {
		if got := clientOf(remote); got != want {
			t.Errorf("%s is %q, want %q", remote, got, want)
		}
	}
}

func TestBreakerForEachMethodSparesTheOthers(t *testing.T) {
	breakers := must(policy.NewKeyedBreaker(policy.KeyedBreakerConfig{Key: ByMethod, Breaker: policy.BreakerConfig{ConsecutiveFailures: 2}}))
	stub := client(t, &service{
		unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			return nil, status.Error(codes.Internal, "down")
		},
		duplex: echo,
	}, ClientConfig{Policies: []policy.Policy{breakers}})
	for range 2 {
		_, err := stub.UnaryCall(t.Context(), request(""))
		wantCode(t, err, codes.Internal)
	}
	if _, err := stub.UnaryCall(t.Context(), request("")); !errors.Is(err, policy.ErrOpen) {
		t.Errorf("got %v", err)
	}
	s, err := stub.FullDuplexCall(t.Context())
	if err == nil {
		err = s.Send(message("one"))
	}
	if err == nil {
		_, err = s.Recv()
	}
	if err != nil {
		t.Errorf("another method: %v", err)
	}
}
