// Package policy holds Afloat's fault-tolerance policies: circuit breaker,
// retry, timeout, rate limit, bulkhead, adaptive concurrency, throttle, hedge,
// cache, singleflight, fallback and fault injection.
//
// There are two layers. Below are permits: a [Breaker], a [Bulkhead] or a
// limiter hands out a permit, and the permit is told once how the work ended.
// A proxy that streams uses this layer, because its calls outlive any one
// function. Above is composition: every policy is a [Policy], [Chain] compiles
// several into a [Pipeline], and [Do] or [Open] runs a function through it.
//
// A call's result is classified once, at the bottom of the chain, into a
// [Class]. Policies see the class only, so one breaker serves every result
// type, a configuration file and the gateway alike.
package policy

import (
	"context"
	"errors"
	"io"
	"time"
)

// A Policy decides whether, when and how often a call runs.
//
// Do calls next zero or more times and answers with one Result. It must hand
// on a Result that it does not want with [Result.Discard], and it must release
// what it holds when next panics or ends its goroutine.
type Policy interface {
	Do(ctx context.Context, next Next) Result
}

// A Joiner is a policy of another package that may promise, by true, that its
// Do returns only after all that it started has ended. A chain of policies that
// do so costs no allocation. A type that embeds one and replaces its Do must
// answer for itself.
type Joiner interface{ Joins() bool }

// Class is what a result says about the callee. A result is classified once.
type Class uint8

const (
	// Success: the callee did its work.
	Success Class = iota
	// Failure: the callee failed; a breaker counts it and a retry may repeat it.
	Failure
	// Ignored says nothing about the callee, such as a call that its own
	// caller cancelled. It is neither counted nor repeated.
	Ignored
	// Shed: the callee, or a policy before it, refused the call to protect
	// itself. It is not a failure of the callee and is never repeated, since
	// repeating it would add load where there is too much already.
	Shed
)

// String returns the class as it appears in metrics and logs.
func (c Class) String() string {
	switch c {
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Ignored:
		return "ignored"
	case Shed:
		return "shed"
	}
	return "unknown"
}

// Result is how a call ended.
type Result struct {
	Value any
	Err   error
	Class Class
	// RetryAfter is how long the callee asked to be left alone; zero when it
	// did not ask.
	RetryAfter time.Duration
	// Fallback is set when the result is a [Fallback]'s.
	Fallback bool

	ending *Ending // nil when the call was over as its function returned
}

// Open reports whether the call goes on after its function returned, as a
// streamed response does.
func (r Result) Open() bool { return r.ending != nil }

// AtEnd runs f when the call is really over: at once, or for an open call when
// its [Ending] is ended. The class that f gets is the result's own unless the
// stream broke later.
func (r Result) AtEnd(f func(Class)) {
	if r.ending == nil {
		f(r.Class)
		return
	}
	r.ending.add(f)
}

// Discard closes a result that nobody will use: a retry's failed try, a
// hedge's loser. An open call is ended, so that its permits return.
func (r Result) Discard() {
	if r.ending != nil {
		r.ending.discard(r)
		return
	}
	if c, ok := r.Value.(io.Closer); ok && r.Err == nil {
		_ = c.Close() // nobody is left to be told
	}
}

// Rejected is the error of a call that a policy refused to run. Calls that were
// refused at about the same time may have the same one: it must not be changed.
type Rejected struct {
	// Policy names the kind of policy, such as "breaker", and Name is the one
	// given in its Config.
	Policy, Name string
	// Reason is the policy's sentinel, such as [ErrOpen].
	Reason error
	// RetryAfter is when trying again may help; zero when unknown. It may be a
	// millisecond longer than need be, or a hundredth if that is less.
	RetryAfter time.Duration
}

func (r *Rejected) Error() string { return r.Policy + ": " + r.Reason.Error() }

// Unwrap returns the sentinel, so that errors.Is finds it.
func (r *Rejected) Unwrap() error { return r.Reason }

// rejection is the Result of a call that was refused with err, a *Rejected or
// the context's own error.
func rejection(ctx context.Context, err error) Result {
	r := Result{Err: err, Class: Shed}
	if rejected, ok := errors.AsType[*Rejected](err); ok {
		r.RetryAfter = rejected.RetryAfter
		tellRejected(ctx, rejected)
	} else if ctx.Err() != nil {
		r.Class = Ignored
	}
	return r
}

// A Classifier says what a function's return values mean, and how long the
// callee asked to be left alone. It runs once per try and must not block.
type Classifier func(ctx context.Context, value any, err error) (class Class, retryAfter time.Duration)

// Classify is the default Classifier: no error is a Success, a call whose own
// caller cancelled it is Ignored, a [Rejected] is Shed, and every other error
// is a Failure.
func Classify(ctx context.Context, _ any, err error) (Class, time.Duration) {
	if err == nil {
		return Success, 0
	}
	if rejected, ok := errors.AsType[*Rejected](err); ok {
		return Shed, rejected.RetryAfter
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return Ignored, 0
	}
	return Failure, 0
}
