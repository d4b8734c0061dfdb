package policy

import (
	"context"
	"sync/atomic"
)

// Fallback replaces the result of a call that failed or was refused by another
// one: a cached value, a default, a simpler service's answer. It never
// replaces an ignored result, because nobody waits for it any more.
type Fallback struct {
	replace  func(context.Context, Result) Result
	remember func(context.Context, Result) // of each success; nil for nothing
	on       [Shed + 1]bool
	used     atomic.Uint64
	failed   atomic.Uint64
}

// NewFallback returns a Fallback that calls replace with how the call ended.
// The value of that call is discarded before, so its Result has none. The
// Result of replace is a [Success] unless it says otherwise; it may return what
// it was given to leave the call as it ended.
func NewFallback(replace func(context.Context, Result) Result) *Fallback {
	return &Fallback{replace: replace, on: [...]bool{Failure: true, Shed: true}}
}

// FallbackValue returns a Fallback that answers with a fixed value.
func FallbackValue(value any) *Fallback {
	return NewFallback(func(context.Context, Result) Result { return Result{Value: value} })
}

// On returns a Fallback that replaces results of these classes only; without
// On they are Failure and Shed. Ignored is never replaced.
func (f *Fallback) On(classes ...Class) *Fallback {
	g := &Fallback{replace: f.replace, remember: f.remember}
	for _, c := range classes {
		g.on[c] = c != Ignored
	}
	return g
}

// Do makes the call and replaces its result if need be. A result that was
// replaced has Fallback set.
func (f *Fallback) Do(ctx context.Context, next Next) Result {
	r := next.Do(ctx)
	if f.remember != nil && r.Class == Success {
		f.remember(ctx, r)
	}
	if !f.on[r.Class] {
		return r
	}
	r.Discard()
	replaced := f.replace(ctx, Result{Err: r.Err, Class: r.Class, RetryAfter: r.RetryAfter})
	f.used.Add(1)
	if replaced.Class != Success {
		f.failed.Add(1)
	}
	replaced.Fallback = true
	return replaced
}

// FallbackStatus counts what a Fallback has done, for people.
type FallbackStatus struct {
	// Used is how many results were replaced, and Failed how many of the
	// replacements were no success either.
	Used, Failed uint64
}

// Status reports the counts. It changes nothing.
func (f *Fallback) Status() FallbackStatus {
	return FallbackStatus{Used: f.used.Load(), Failed: f.failed.Load()}
}

func (f *Fallback) joins() bool { return true }
