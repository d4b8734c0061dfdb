package policy

import "context"

// Attempt is the number of the try that the context belongs to: 1 for the first
// and for a call under no [Retry], 2 for its first repeat. Under nested retries
// it is the innermost one's.
func Attempt(ctx context.Context) int {
	if n, ok := ctx.Value(attempt{}).(int); ok {
		return n
	}
	return 1
}

type attempt struct{}

func withAttempt(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, attempt{}, n)
}

// firstAttempt is the context of a first try. It costs nothing unless the
// context is of another retry's repeat.
func firstAttempt(ctx context.Context) context.Context {
	if Attempt(ctx) == 1 {
		return ctx
	}
	return withAttempt(ctx, 1)
}
