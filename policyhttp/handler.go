package policyhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// HandlerConfig configures a [Handler]. Zero fields take the default beside
// them.
type HandlerConfig struct {
	// Policies guard the handler; the first is outermost. The usual order is
	// RateLimit, Breaker, Bulkhead or Adaptive, Timeout: [policy.InOrder] puts
	// them into it. Those that repeat calls or replace results, as a Retry or a
	// Cache does, cannot be among them: a handler's result is what it has
	// written. Default: none.
	Policies []policy.Policy
	// Classify says what the status that the handler answered with means.
	// Default [ClassifyStatus].
	Classify func(status int, header http.Header) (class policy.Class, retryAfter time.Duration)
	// Refuse answers a request that a policy refused, or that timed out before
	// the handler wrote anything. Its header says already when to come back.
	// Default: a problem of RFC 9457 as JSON.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, err error)
	// Advertise sends the RateLimit fields with every response, and not only
	// with those that say no.
	Advertise bool
	// AttemptHeader is the header that stops nested retries. Default
	// [AttemptHeader]; [NoHeader]: none.
	AttemptHeader string
	// TimeoutHeader is the header that carries the caller's deadline. It can
	// only shorten what the server gives. Default [TimeoutHeader]; [NoHeader]:
	// none.
	TimeoutHeader string
	// PriorityHeader is the header that carries a request's priority. Default
	// [PriorityHeader]; [NoHeader]: none.
	PriorityHeader string
	// TrustPriority lets that header raise a request to critical, too. Without
	// it a client can only lower its own: set it where every client is one of
	// your own services. Default false.
	TrustPriority bool
}

// Validate returns a [policy.FieldError] for each field that cannot be used,
// joined.
func (c HandlerConfig) Validate() error {
	problems := []error{
		checkHeader("attemptHeader", c.AttemptHeader),
		checkHeader("timeoutHeader", c.TimeoutHeader),
		checkHeader("priorityHeader", c.PriorityHeader),
	}
	for i, p := range c.Policies {
		switch p.(type) {
		case *policy.Pipeline:
			problems = append(problems, listThem(i, "so that its limits can be told to clients"))
		case *policy.Retry, *policy.Hedge, *policy.Fallback, *policy.Cache, *policy.Singleflight:
			problems = append(problems, &policy.FieldError{Field: fmt.Sprintf("policies[%d]", i),
				Problem: "repeats calls or replaces results, and a handler's result is what it has written: put it in a Transport, or within the handler"})
		}
	}
	return errors.Join(problems...)
}

// WithDefaults returns the configuration with its defaults filled in.
func (c HandlerConfig) WithDefaults() HandlerConfig {
	if c.Classify == nil {
		c.Classify = ClassifyStatus
	}
	if c.Refuse == nil {
		c.Refuse = writeProblem
	}
	c.AttemptHeader = headerName(c.AttemptHeader, AttemptHeader)
	c.TimeoutHeader = headerName(c.TimeoutHeader, TimeoutHeader)
	c.PriorityHeader = headerName(c.PriorityHeader, PriorityHeader)
	return c
}

// Handler is an [http.Handler] that serves requests through policies, which
// see what the handler answered. It is safe for concurrent use; change the
// policies with their own Set. Permits are held until the handler returns.
type Handler struct {
	config   HandlerConfig
	next     http.Handler
	pipeline *policy.Pipeline
	limits   []limit
}

// Check says where the policies leave the order that is safe by default; see
// [policy.Check]. Call it in a test, or as the program starts.
func (h *Handler) Check() []policy.Warning { return policy.Check(h.config.Policies...) }

// NewHandler returns a Handler around next, or the problems of its Config.
func NewHandler(next http.Handler, c HandlerConfig) (*Handler, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	h := &Handler{config: c.WithDefaults(), next: next}
	h.limits = limitsOf(c.Policies)
	h.pipeline = policy.Chain(c.Policies...).Classified(h.classify)
	return h, nil
}

// errCallerDeadline is the cause of a context that ends when the caller said
// it would stop waiting.
var errCallerDeadline = errors.New("policyhttp: the caller's deadline is over")

// ServeHTTP serves the request, or refuses it. A panic of the handler counts as
// a failure and goes on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(h, w, r)
	ctx := context.Context(x)
	if h.config.TimeoutHeader != NoHeader {
		if left, ok := timeoutOf(r.Header, h.config.TimeoutHeader); ok {
			within, cancel := context.WithTimeoutCause(ctx, left, errCallerDeadline)
			defer cancel()
			ctx = within
		}
	}
	if h.config.PriorityHeader != NoHeader {
		if text := first(r.Header, h.config.PriorityHeader); text != "" {
			ctx = policy.WithReceivedPriority(ctx, policy.Priority(text), h.config.TrustPriority)
		}
	}
	if h.config.Advertise {
		advertise(ctx, w.Header(), h.limits)
	}
	served, err := policy.Do(ctx, h.pipeline, x.serve)
	aborted := x.takeBack()
	switch {
	case aborted, errors.Is(err, http.ErrAbortHandler): // the latter also of a Fault
		panic(http.ErrAbortHandler)
	case x.response.begun():
	case err != nil:
		h.refuse(ctx, w, r, err)
	case served != x: // else net/http would say 200 for a handler that did not run
		h.refuse(ctx, w, r, errNoResponse)
	}
}

// classify says what a served request means. That its client went, or gave it
// less time than the server does, is not the handler's failure: otherwise a
// client could open a breaker at will.
func (h *Handler) classify(ctx context.Context, value any, err error) (policy.Class, time.Duration) {
	x, _ := value.(*exchange)
	if err == nil && x != nil && x.response.hijacked {
		return policy.Success, 0 // it ends as its two sides like
	}
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); errors.Is(ctx.Err(), context.Canceled) || cause == errCallerDeadline {
			return policy.Ignored, 0
		}
	}
	if err != nil || x == nil {
		return policy.Classify(ctx, nil, err)
	}
	return x.class, x.after
}
