package policy

import "context"

// A KeyFunc says what a call asks for, or on whose behalf. Calls of one key
// share what a policy keeps by key: a running call, an answer, a breaker. The
// empty key shares nothing.
type KeyFunc func(ctx context.Context) string

// WithKey returns a context whose calls have the given key for every policy
// that was not given a KeyFunc of its own.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyOfCall{}, key)
}

// Key returns the key that [WithKey] gave the context; empty without one. It
// is the KeyFunc that policies use by default.
func Key(ctx context.Context) string {
	key, _ := ctx.Value(keyOfCall{}).(string)
	return key
}

type keyOfCall struct{}

// orKey is the KeyFunc to use where f may be nil.
func orKey(f KeyFunc) KeyFunc {
	if f == nil {
		return Key
	}
	return f
}
