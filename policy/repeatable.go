package policy

import "context"

type repeatableKey struct{}

// WithRepeatable says for the calls made with the context whether they may be
// made more than once. With false a [Retry] leaves their failures as they are
// and a [Hedge] makes one try; with true, or where nothing is said, a call is
// repeated as the policies say. The innermost counts. The adapters decide by
// the method of HTTP or gRPC where nothing is said.
func WithRepeatable(ctx context.Context, repeatable bool) context.Context {
	return context.WithValue(ctx, repeatableKey{}, repeatable)
}

// Repeatable is what [WithRepeatable] said; said is false where it did not.
func Repeatable(ctx context.Context) (repeatable, said bool) {
	repeatable, said = ctx.Value(repeatableKey{}).(bool)
	return repeatable, said
}

// once reports whether a call must not be made more than once.
func once(ctx context.Context) bool {
	repeatable, said := Repeatable(ctx)
	return said && !repeatable
}
