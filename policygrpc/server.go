package policygrpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/afloat-dev/afloat/policy"
)

// ServerConfig configures a [Server]. Zero fields take the default beside them.
type ServerConfig struct {
	// Policies guard the handlers; the first is outermost. The usual order is
	// RateLimit, Breaker, Bulkhead or Adaptive, Timeout: [policy.InOrder] puts
	// them into it. A Retry and a Hedge cannot be among them: to repeat a call
	// is for who makes it. A Fallback, a Cache and a Singleflight are for unary
	// calls: streams pass them by. Default: none.
	Policies []policy.Policy
	// Classify says what the error that the handler returned means. Default
	// [Classify].
	Classify Classifier
	// Exempt says of which methods the policies know nothing. Default
	// [HealthChecks].
	Exempt func(method string) bool
	// Refuse makes the status of a call that a policy refused or ended of the
	// one that it would have and the policy's error. Default: as it would be,
	// which does not tell which policy said no.
	Refuse func(ctx context.Context, s *status.Status, err error) *status.Status
	// AttemptHeader is the metadata key that stops nested retries. Default
	// [AttemptHeader]; [NoHeader]: none.
	AttemptHeader string
	// PriorityHeader is the metadata key that carries a call's priority.
	// Default [PriorityHeader]; [NoHeader]: none.
	PriorityHeader string
	// TrustPriority lets that key raise a call to critical, too. Without it a
	// caller can only lower its own: set it where every caller is one of your
	// own services. Default false.
	TrustPriority bool
}

// Validate returns a [policy.FieldError] for each field that cannot be used,
// joined.
func (c ServerConfig) Validate() error {
	problems := []error{
		checkHeader("attemptHeader", c.AttemptHeader),
		checkHeader("priorityHeader", c.PriorityHeader),
	}
	for i, p := range c.Policies {
		switch p.(type) {
		case *policy.Pipeline:
			problems = append(problems, listThem(i, "so that streams can pass by those that are for unary calls"))
		case *policy.Retry, *policy.Hedge:
			problems = append(problems, &policy.FieldError{Field: fmt.Sprintf("policies[%d]", i),
				Problem: "repeats calls, and to repeat a call is for who makes it: put it in a Client"})
		}
	}
	return errors.Join(problems...)
}

// WithDefaults returns the configuration with its defaults filled in.
func (c ServerConfig) WithDefaults() ServerConfig {
	if c.Classify == nil {
		c.Classify = Classify
	}
	if c.Exempt == nil {
		c.Exempt = HealthChecks
	}
	if c.Refuse == nil {
		c.Refuse = func(_ context.Context, s *status.Status, _ error) *status.Status { return s }
	}
	c.AttemptHeader = headerName(c.AttemptHeader, AttemptHeader)
	c.PriorityHeader = headerName(c.PriorityHeader, PriorityHeader)
	return c
}

// HealthChecks reports whether a method is of grpc.health.v1.Health: to restart
// a server because it is full helps nobody, and a watch never ends.
func HealthChecks(method string) bool {
	return strings.HasPrefix(method, "/grpc.health.v1.Health/")
}

// Server serves calls through policies, which see the status that the handler
// answered with. Its methods [Server.Unary] and [Server.Stream] are the
// interceptors. It is safe for concurrent use; change the policies with their
// own Set. Permits are held until the handler returns.
type Server struct {
	config  ServerConfig
	unary   *policy.Pipeline
	streams *policy.Pipeline
}

// Check says where the policies leave the order that is safe by default; see
// [policy.Check]. Call it in a test, or as the program starts.
func (s *Server) Check() []policy.Warning { return policy.Check(s.config.Policies...) }

// NewServer returns a Server, or the problems of its Config.
func NewServer(c ServerConfig) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Server{config: c.WithDefaults()}
	s.unary = policy.Chain(c.Policies...).Classified(s.classify)
	s.streams = policy.Chain(slices.DeleteFunc(slices.Clone(c.Policies), func(p policy.Policy) bool {
		switch p.(type) {
		case *policy.Fallback, *policy.Cache, *policy.Singleflight:
			return true
		}
		return false
	})...).Classified(s.classify)
	return s, nil
}

// Options are the two interceptors, for [grpc.NewServer]. They come after, that
// is within, interceptors of options before them.
func (s *Server) Options() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(s.Unary), grpc.ChainStreamInterceptor(s.Stream)}
}

// Unary is the [grpc.UnaryServerInterceptor]. A panic of the handler counts as
// a failure and goes on.
func (s *Server) Unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if s.config.Exempt(info.FullMethod) {
		return handle(ctx, request)
	}
	x := s.newExchange(ctx, info.FullMethod, request)
	reply, err := policy.Do(x.context(), s.unary, func(ctx context.Context) (any, error) { return handle(ctx, request) })
	if err == nil && reply == nil {
		err = errNoReply
	}
	if err != nil {
		err = x.answer(err, func(md metadata.MD) { _ = grpc.SetTrailer(x, md) }) // the caller may have gone
	}
	return reply, err
}

// Stream is the [grpc.StreamServerInterceptor]. A panic of the handler counts
// as a failure and goes on.
func (s *Server) Stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if s.config.Exempt(info.FullMethod) {
		return handle(service, stream)
	}
	x := s.newExchange(stream.Context(), info.FullMethod, nil)
	turn := make(chan struct{}, 1)
	over := false // guarded by whose turn it is
	served, err := policy.Do(x.context(), s.streams, func(ctx context.Context) (*exchange, error) {
		turn <- struct{}{}
		defer func() { <-turn }()
		if over {
			return x, context.Canceled
		}
		return x, handle(service, &serverStream{stream, ctx})
	})
	// A detached Timeout gives up a handler that still runs, but the stream is
	// the server's again as soon as this returns.
	turn <- struct{}{}
	over = true
	<-turn
	if err == nil && served != x {
		err = errNoReply
	}
	if err != nil {
		err = x.answer(err, stream.SetTrailer)
	}
	return err
}

// classify says what a served call means. That its caller went, or gave it
// less time than the server does, is not the handler's failure: otherwise a
// caller could open a breaker at will.
func (s *Server) classify(ctx context.Context, _ any, err error) (policy.Class, time.Duration) {
	if ctx.Err() != nil && exchangeOf(ctx).Context.Err() != nil { // a Cache may go on without its caller
		return policy.Ignored, 0
	}
	return s.config.Classify(ctx, err, nil)
}
