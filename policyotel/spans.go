// Package policyotel shows what policies do to OpenTelemetry: [Spans] traces
// calls and their tries with what the policies decided for them, and [Metrics]
// reads the policies' own counts and states when they are collected.
//
// It uses OpenTelemetry's interfaces alone: the program chooses the SDK. A
// trace that came from elsewhere goes on by the caller's context.
package policyotel

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/afloat-dev/afloat/policy"
)

// scope is the name of the instrumentation.
const scope = "github.com/afloat-dev/afloat/policyotel"

// SpansConfig configures [Spans]. Zero fields take the default beside them;
// Name has none.
type SpansConfig struct {
	// Name is what spans of calls are called, such as the callee's; those of
	// tries have " try" behind it. Required.
	Name string
	// Provider makes the spans. Default: OpenTelemetry's global one.
	Provider trace.TracerProvider
	// Attributes are those of every span. Default: none.
	Attributes []attribute.KeyValue
	// Breaker is the one whose state each try's span has, as the try begins.
	// Default: none.
	Breaker *policy.Breaker
	// Breakers are those of which the one of the call's key takes its place.
	// Default: none.
	Breakers *policy.KeyedBreaker
}

// Validate returns a [policy.FieldError] for each field that cannot be used,
// joined.
func (c SpansConfig) Validate() error {
	if c.Name == "" {
		return &policy.FieldError{Field: "name", Problem: "is missing: what are the spans called?"}
	}
	return nil
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c SpansConfig) WithDefaults() SpansConfig {
	if c.Provider == nil {
		c.Provider = otel.GetTracerProvider()
	}
	return c
}

// Spans makes a span of each call and one of each of its tries.
//
// What the policies between decide is an event of the span around them: a
// repeat or a hedge of the call's span, a refusal or a timeout of the try's.
type Spans struct {
	config SpansConfig
	tracer trace.Tracer
}

// NewSpans returns Spans, or the problems of its Config.
func NewSpans(c SpansConfig) (*Spans, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.WithDefaults()
	return &Spans{c, c.Provider.Tracer(scope)}, nil
}

// Call returns the policy that makes a span of each call. Put it outermost.
func (s *Spans) Call() policy.Policy { return callSpan{s} }

// Try returns the policy that makes a span of each try. Put it right inside
// the Retry and the Hedge.
func (s *Spans) Try() policy.Policy { return trySpan{s} }

type callSpan struct{ *Spans }

// Do makes the call within a span.
func (s callSpan) Do(ctx context.Context, next policy.Next) policy.Result {
	ctx, span := s.tracer.Start(ctx, s.config.Name, trace.WithAttributes(s.config.Attributes...))
	return within(ctx, span, next)
}

type trySpan struct{ *Spans }

// Do makes the try within a span.
func (s trySpan) Do(ctx context.Context, next policy.Next) policy.Result {
	ctx, span := s.tracer.Start(ctx, s.config.Name+" try", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(s.config.Attributes...))
	if span.IsRecording() {
		s.begin(ctx, span)
	}
	return within(ctx, span, next)
}

// begin says which try it is.
func (s *Spans) begin(ctx context.Context, span trace.Span) {
	span.SetAttributes(attribute.Int("afloat.attempt", policy.Attempt(ctx)))
	if wait := policy.AttemptWait(ctx); wait > 0 {
		span.SetAttributes(attribute.Float64("afloat.wait", wait.Seconds()))
	}
	if n := policy.HedgeTry(ctx); n > 0 {
		span.SetAttributes(attribute.Int("afloat.hedge", n))
	}
	b := s.config.Breaker
	if s.config.Breakers != nil {
		b = s.config.Breakers.OfCall(ctx)
	}
	if b != nil {
		span.SetAttributes(attribute.String("afloat.breaker.state", b.State().String()))
	}
}

// Joins is part of [policy.Joiner].
func (*Spans) Joins() bool { return true }

// callersObserver is the key of who was told before there was a span.
type callersObserver struct{}

// within makes the call within a span, which lasts until the call is over.
func within(ctx context.Context, span trace.Span, next policy.Next) policy.Result {
	if !span.IsRecording() {
		defer span.End()
		return next.Do(ctx)
	}
	returned := false
	defer func() {
		if !returned { // a panic or runtime.Goexit
			span.SetStatus(codes.Error, "panic")
			span.End()
		}
	}()
	// What happens within a try is told to its own span and to the caller's
	// observer, not to the span of the call around it.
	callers, known := ctx.Value(callersObserver{}).(policy.Observer)
	if !known {
		callers = policy.ObserverOf(ctx)
		ctx = context.WithValue(ctx, callersObserver{}, callers)
	}
	r := next.Do(policy.WithObserver(ctx, policy.Observers(func(e policy.Event) { decided(span, e) }, callers)))
	returned = true
	answered(span, r)
	if r.Open() {
		r.AtEnd(func(class policy.Class) {
			if class == policy.Failure && r.Class != class {
				span.SetStatus(codes.Error, "broken off")
			}
			end(span, class)
		})
		return r
	}
	end(span, r.Class)
	return r
}

// decided makes an event of what a policy decided, and of what sums it up an
// attribute.
func decided(span trace.Span, e policy.Event) {
	attributes := []attribute.KeyValue{attribute.String("afloat.policy", e.Policy), attribute.String("afloat.why", e.Why)}
	if e.Name != "" {
		attributes = append(attributes, attribute.String("afloat.name", e.Name))
	}
	if e.Attempt > 0 {
		attributes = append(attributes, attribute.Int("afloat.attempt", e.Attempt))
	}
	if e.Wait > 0 {
		attributes = append(attributes, attribute.Float64("afloat.wait", e.Wait.Seconds()))
	}
	span.AddEvent(e.Kind, trace.WithAttributes(attributes...), trace.WithTimestamp(e.At))
	switch e.Kind {
	case policy.EventRetry:
		span.SetAttributes(attribute.Int("afloat.attempts", e.Attempt))
	case policy.EventHedge:
		span.SetAttributes(attribute.Bool("afloat.hedged", true))
	case policy.EventStopped:
		span.SetAttributes(attribute.String("afloat.stopped", fmt.Sprint(e.Err)))
	}
}

// answered says what the function, or a policy in its place, returned.
func answered(span trace.Span, r policy.Result) {
	if r.Fallback {
		span.SetAttributes(attribute.Bool("afloat.fallback", true))
	}
	rejected, refused := errors.AsType[*policy.Rejected](r.Err)
	if refused {
		span.SetAttributes(attribute.String("afloat.rejected.policy", rejected.Policy), attribute.String("afloat.rejected.reason", rejected.Reason.Error()))
	}
	if r.Err != nil && r.Class != policy.Success {
		span.SetAttributes(attribute.String("error.type", fmt.Sprintf("%T", r.Err)))
		if r.Class != policy.Ignored {
			span.SetStatus(codes.Error, r.Err.Error())
		}
	}
}

// end ends the span with the class of the call.
func end(span trace.Span, class policy.Class) {
	span.SetAttributes(attribute.String("afloat.class", class.String()))
	span.End()
}
