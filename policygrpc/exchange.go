package policygrpc

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/afloat-dev/afloat/policy"
)

// exchange is one call that is being served. It is the context that the
// policies and the handler get.
type exchange struct {
	context.Context // the call's

	server  *Server
	method  string
	request any // nil for a stream
	inbound inbound
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

func (s *Server) newExchange(ctx context.Context, method string, request any) *exchange {
	x := &exchange{Context: ctx, server: s, method: method, request: request}
	x.inbound.attempt = 1
	if name := s.config.AttemptHeader; name != NoHeader {
		x.inbound.attempt = attemptOf(ctx, name)
	}
	return x
}

// context is the exchange with the priority of its caller, as far as that is
// believed.
func (x *exchange) context() context.Context {
	config := &x.server.config
	if config.PriorityHeader == NoHeader {
		return x
	}
	values := metadata.ValueFromIncomingContext(x.Context, config.PriorityHeader)
	if len(values) == 0 {
		return x
	}
	nearest := values[len(values)-1] // a proxy may hand on another's before its own
	return policy.WithReceivedPriority(x, policy.Priority(nearest), config.TrustPriority)
}

// Value makes the call known to policies and to Clients.
func (x *exchange) Value(key any) any {
	switch key.(type) {
	case exchangeKey:
		return x
	case inboundKey:
		return &x.inbound
	case callKey:
		return nil // of a Client in the same process that has called this Server
	}
	return x.Context.Value(key)
}

// answer is the error that a call is answered with. What a policy says becomes
// a status that tells when to come back; a handler's own stays as it is.
func (x *exchange) answer(err error, trailer func(metadata.MD)) error {
	s := statusOf(err)
	if name := x.server.config.AttemptHeader; name != NoHeader {
		class, _ := ClassifyStatus(s, nil)
		if n := x.inbound.tried.Load(); n > 0 && class != policy.Success {
			trailer(metadata.Pairs(name, strconv.Itoa(int(n))))
		}
	}
	return x.refuse(s, err, trailer)
}

// refuse is a policy's error with the status to send for it.
func (x *exchange) refuse(s *status.Status, err error, trailer func(metadata.MD)) error {
	if _, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return err
	}
	rejected, refused := errors.AsType[*policy.Rejected](err)
	_, aborted := errors.AsType[*policy.AbortError](err)
	if !refused && !aborted && !errors.Is(err, policy.ErrTimeout) && !errors.Is(err, errNoReply) {
		return err
	}
	if refused {
		// Without it, an UNAVAILABLE would look like a failure, which is repeated.
		trailer(metadata.Pairs(pushback, pushbackText(rejected.RetryAfter)))
	}
	p := s.Proto() // a copy
	p.Message = messages[s.Code()]
	return &StatusError{Err: err, status: x.server.config.Refuse(x, status.FromProto(p), err)}
}

// messages do not tell which policy said no: that is nobody's business who
// could use it. Others have none.
var messages = map[codes.Code]string{
	codes.ResourceExhausted: "too many calls",
	codes.Unavailable:       "service unavailable",
	codes.DeadlineExceeded:  "deadline exceeded",
}

// serverStream is a stream whose handler gets the policies' context.
type serverStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context is the policies'.
func (s *serverStream) Context() context.Context { return s.ctx }
