// Package policyhttp puts the policies of package policy around HTTP: a
// [Transport] around the requests that a program sends, a [Handler] around
// those that it serves.
//
// A response is classified once, by its status, and is not over before its
// body is: permits are held until the body was read or closed. Only requests
// that may be repeated are. A deadline, and the number of the try, travel with
// the request, so that a whole chain of services neither works for a caller who
// has gone nor multiplies its retries.
package policyhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// ErrNotRepeatable is the error of a request that a policy other than
// [policy.Retry] and [policy.Hedge] tried to repeat, though it must not be.
var ErrNotRepeatable = errors.New("request cannot be repeated")

// errNoResponse is the error of a policy that answers with nothing.
var errNoResponse = errors.New("policyhttp: a policy gave neither a response nor an error")

// TransportConfig configures a [Transport]. Zero fields take the default
// beside them.
type TransportConfig struct {
	// Base sends each try. Default [http.DefaultTransport]. Its bodies must
	// bear being closed while they are read, as those of net/http do.
	Base http.RoundTripper
	// Policies guard the requests; the first is outermost. The usual order is
	// that of [policy.Check]: Fallback, RateLimit, Timeout, Retry, Hedge,
	// Breaker, Bulkhead or Adaptive, Timeout. [policy.InOrder] puts them into
	// it. Default: none.
	Policies []policy.Policy
	// Classify says what a response or an error means. Default [Classify].
	Classify Classifier
	// Repeatable says whether a request may be sent more than once, unless
	// [WithRepeatable] did. Default [Idempotent].
	Repeatable func(*http.Request) bool
	// IdempotencyKeys gives each request whose method is not idempotent, and
	// that has no Idempotency-Key, a fresh one that all its tries share. With
	// it, it is Idempotent: only for callees that keep to it, as a Handler of
	// package idempotency does. Default false.
	IdempotencyKeys bool
	// BodyMax is how many bytes are kept of a body that has no GetBody, as
	// they are sent, to send them again. A longer one is sent once. Default
	// 64 KiB; negative: none is kept.
	BodyMax int
	// AttemptHeader is the header that stops nested retries. Default
	// [AttemptHeader]; [NoHeader]: none.
	AttemptHeader string
	// TimeoutHeader is the header that carries the deadline of the request's
	// context. Default [TimeoutHeader]; [NoHeader]: none.
	TimeoutHeader string
	// PriorityHeader is the header that carries the priority of the request's
	// context, unless that is normal. Default [PriorityHeader]; [NoHeader]:
	// none.
	PriorityHeader string
	// TimeoutMargin is how much sooner the callee is told to give up.
	// Default 5ms; negative: none.
	TimeoutMargin time.Duration
}

// Validate returns a [policy.FieldError] for each field that cannot be used,
// joined.
func (c TransportConfig) Validate() error {
	problems := []error{
		checkHeader("attemptHeader", c.AttemptHeader),
		checkHeader("timeoutHeader", c.TimeoutHeader),
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
func (c TransportConfig) WithDefaults() TransportConfig {
	if c.Base == nil {
		c.Base = http.DefaultTransport
	}
	if c.Classify == nil {
		c.Classify = Classify
	}
	if c.Repeatable == nil {
		c.Repeatable = Idempotent
	}
	if c.BodyMax == 0 {
		c.BodyMax = 64 << 10
	}
	if c.TimeoutMargin == 0 {
		c.TimeoutMargin = 5 * time.Millisecond
	}
	c.AttemptHeader = headerName(c.AttemptHeader, AttemptHeader)
	c.TimeoutHeader = headerName(c.TimeoutHeader, TimeoutHeader)
	c.PriorityHeader = headerName(c.PriorityHeader, PriorityHeader)
	return c
}

// Transport is an [http.RoundTripper] that sends requests through policies. It
// is safe for concurrent use; change the policies with their own Set.
//
// A response that is a failure is still a response: when the tries are used
// up, the caller gets the last one. An error is the base's, a
// [policy.Rejected] or another of package policy.
type Transport struct {
	config   TransportConfig
	pipeline *policy.Pipeline
	repeats  bool // some policy does
}

// Check says where the policies leave the order that is safe by default; see
// [policy.Check]. Call it in a test, or as the program starts.
func (t *Transport) Check() []policy.Warning { return policy.Check(t.config.Policies...) }

// NewTransport returns a Transport, or the problems of its Config.
func NewTransport(c TransportConfig) (*Transport, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t := &Transport{config: c.WithDefaults()}
	var steps []policy.Policy
	for _, p := range c.Policies {
		switch p := p.(type) {
		case *policy.Retry:
			steps = append(steps, retrying{p}, lastWord{})
			t.repeats = true
		case *policy.Hedge:
			steps = append(steps, hedging{p})
			t.repeats = true
		default:
			steps = append(steps, p)
		}
	}
	t.pipeline = policy.Chain(steps...).Classified(t.classify)
	return t, nil
}

func (t *Transport) classify(ctx context.Context, value any, err error) (policy.Class, time.Duration) {
	if errors.Is(err, ErrNotRepeatable) {
		return policy.Ignored, 0
	}
	response, _ := value.(*http.Response)
	classified := false
	defer func() {
		if !classified { // it panicked, and nobody else has the response
			discard(response)
		}
	}()
	class, after := t.config.Classify(ctx, response, err)
	classified = true
	return class, after
}

// RoundTrip sends the request through the policies. Their permits are held
// until the response's body was read to its end or closed; closing it early
// does not change what the response says about the callee, but giving it up,
// by cancelling the request or closing it during a Read, is not blamed on it.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	c := t.newCall(request)
	defer c.finish()
	response, ending, err := policy.Open(c, t.pipeline, c.send, discard)
	switch {
	case err != nil:
		discard(response)
		return nil, err
	case response == nil:
		return nil, errNoResponse
	}
	c.hold(response, ending)
	return response, nil
}

// CloseIdleConnections closes the base's, if it can; [http.Client] calls it.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.config.Base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}
