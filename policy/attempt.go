package policy

import (
	"context"
	"time"
)

// Attempt is the number of the try that the context belongs to: 1 for the first
// and for a call under no [Retry], 2 for its first repeat. Under nested retries
// it is the innermost one's.
func Attempt(ctx context.Context) int {
	if a, ok := ctx.Value(attemptOfCall{}).(attempt); ok {
		return a.number
	}
	return 1
}

// AttemptWait is how long a [Retry] waited before the try that the context
// belongs to; zero for the first.
func AttemptWait(ctx context.Context) time.Duration {
	a, _ := ctx.Value(attemptOfCall{}).(attempt)
	return a.waited
}

// HedgeTry is how many tries a [Hedge] had started before the one that the
// context belongs to: zero for the call itself.
func HedgeTry(ctx context.Context) int {
	n, _ := ctx.Value(hedgeTry{}).(int)
	return n
}

// WithAttempt returns a context of try number n, which came after a wait, for
// those who repeat calls by [Tries] themselves.
func WithAttempt(ctx context.Context, n int, waited time.Duration) context.Context {
	return context.WithValue(ctx, attemptOfCall{}, attempt{n, waited})
}

type (
	attempt struct {
		number int
		waited time.Duration
	}
	attemptOfCall struct{}
	hedgeTry      struct{}
)

// firstAttempt is the context of a first try. It costs nothing unless the
// context is of another retry's repeat.
func firstAttempt(ctx context.Context) context.Context {
	if Attempt(ctx) == 1 {
		return ctx
	}
	return WithAttempt(ctx, 1, 0)
}
