// Package policygrpc puts the policies of package policy around gRPC: a
// [Client] around the calls that a program makes, a [Server] around those that
// it serves.
//
// A call is classified once, by its status, and a stream is not over before
// its status has come: permits are held until then. Only calls that may be
// repeated are. The deadline, the number of the try and the priority travel
// with the call, so that a whole chain of services neither works for a caller
// who has gone nor multiplies its retries.
package policygrpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/afloat-dev/afloat/policy"
)

// ErrNotRepeatable is the error of a call that a policy other than
// [policy.Retry] and [policy.Hedge] tried to repeat, though it must not be.
var ErrNotRepeatable = errors.New("call cannot be repeated")

// errNoReply is the error of a policy that answers with nothing.
var errNoReply = errors.New("policygrpc: a policy gave neither a reply nor an error")

// ClientConfig configures a [Client]. Zero fields take the default beside them.
type ClientConfig struct {
	// Policies guard the calls; the first is outermost. The usual order is
	// that of [policy.Check]: Fallback, RateLimit, Timeout, Retry, Hedge,
	// Breaker, Bulkhead or Adaptive, Timeout. [policy.InOrder] puts them into
	// it. A Fallback, a Cache, a Singleflight and a Hedge are for unary calls:
	// streams pass them by. Default: none.
	Policies []policy.Policy
	// Classify says what the end of a try means. Default [Classify].
	Classify Classifier
	// Repeatable says whether a call may be sent more than once, unless
	// [WithRepeatable] did. Method is the full one, "/package.Service/Method".
	// Default [Idempotent].
	Repeatable func(ctx context.Context, method string) bool
	// AttemptHeader is the metadata key that stops nested retries. Default
	// [AttemptHeader]; [NoHeader]: none.
	AttemptHeader string
	// PriorityHeader is the metadata key that carries the priority of the
	// call's context, unless that is normal. Default [PriorityHeader];
	// [NoHeader]: none.
	PriorityHeader string
	// TimeoutMargin is how much sooner than the context the callee is told to
	// give up, but at most half of what is left. Default 5ms; negative: none.
	TimeoutMargin time.Duration
}

// Validate returns a [policy.FieldError] for each field that cannot be used,
// joined.
func (c ClientConfig) Validate() error {
	problems := []error{
		checkHeader("attemptHeader", c.AttemptHeader),
		checkHeader("priorityHeader", c.PriorityHeader),
	}
	if c.TimeoutMargin > time.Minute {
		problems = append(problems, &policy.FieldError{Field: "timeoutMargin", Problem: fmt.Sprintf("want at most 1m, got %v", c.TimeoutMargin)})
	}
	for i, p := range c.Policies {
		if _, ok := p.(*policy.Pipeline); ok {
			problems = append(problems, listThem(i, "so that those that repeat can leave out what must not be repeated"))
		}
	}
	return errors.Join(problems...)
}

// listThem is the problem of a Pipeline among policies.
func listThem(i int, why string) error {
	return &policy.FieldError{Field: fmt.Sprintf("policies[%d]", i), Problem: "is a Pipeline: list its policies themselves, " + why}
}

// WithDefaults returns the configuration with its defaults filled in.
func (c ClientConfig) WithDefaults() ClientConfig {
	if c.Classify == nil {
		c.Classify = Classify
	}
	if c.Repeatable == nil {
		c.Repeatable = func(_ context.Context, method string) bool { return Idempotent(method) }
	}
	if c.TimeoutMargin == 0 {
		c.TimeoutMargin = 5 * time.Millisecond
	}
	c.AttemptHeader = headerName(c.AttemptHeader, AttemptHeader)
	c.PriorityHeader = headerName(c.PriorityHeader, PriorityHeader)
	return c
}

// Client sends calls through policies. Its methods [Client.Unary] and
// [Client.Stream] are the interceptors. It is safe for concurrent use, and by
// several connections, which then share the policies' state; change the
// policies with their own Set.
//
// An error is a status: the callee's as it came, or a [StatusError] around one
// of package policy.
type Client struct {
	config  ClientConfig
	unary   *policy.Pipeline
	streams streamPolicies
	repeats bool // some policy does
	hedges  bool
	// spare is whether a try may write into the caller's reply only after
	// policies have had their say: one of them keeps replies, gives its own, or
	// leaves tries running.
	spare bool
	// outlived is whether a try may run on when the call has ended.
	outlived bool
}

// Check says where the policies leave the order that is safe by default; see
// [policy.Check]. Call it in a test, or as the program starts.
func (c *Client) Check() []policy.Warning { return policy.Check(c.config.Policies...) }

// NewClient returns a Client, or the problems of its Config.
func NewClient(c ClientConfig) (*Client, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	client := &Client{config: c.WithDefaults()}
	var steps, unhedged []policy.Policy
	for _, p := range c.Policies {
		switch p := p.(type) {
		case *policy.Hedge:
			steps = append(steps, hedging{p})
			client.repeats, client.hedges = true, true
			continue
		case *policy.Retry:
			steps = append(steps, retrying{p}, lastWord{})
			client.repeats = true
		case *policy.Fallback:
			steps = append(steps, p)
			client.spare = true
		default:
			steps = append(steps, p)
		}
		unhedged = append(unhedged, p)
	}
	client.outlived = !policy.Chain(unhedged...).Joins()
	client.spare = client.spare || client.outlived
	client.unary = policy.Chain(steps...).Classified(client.classify)
	client.streams = newStreamPolicies(client, c.Policies)
	return client, nil
}

// DialOptions are the two interceptors, for [grpc.NewClient]. They come after,
// that is within, interceptors of options before them.
func (c *Client) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(c.Unary), grpc.WithChainStreamInterceptor(c.Stream)}
}

func (c *Client) classify(ctx context.Context, value any, err error) (policy.Class, time.Duration) {
	if errors.Is(err, ErrNotRepeatable) {
		return policy.Ignored, 0
	}
	t, _ := value.(*try)
	return c.config.Classify(ctx, err, t.trailers())
}
