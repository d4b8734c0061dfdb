package policygrpc

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/afloat-dev/afloat/policy"
)

// Idempotent reports whether calls of a method may be sent more than once by
// what its definition says: its option idempotency_level is NO_SIDE_EFFECTS or
// IDEMPOTENT. Method is the full one, "/package.Service/Method". One whose
// definition is not linked into the program is not.
func Idempotent(method string) bool { return methods.idempotent(method) }

// methods is what is known of each method.
var methods = idempotency{known: map[string]bool{}}

// idempotency remembers what looking it up would cost about 300 ns for.
type idempotency struct {
	mu    sync.RWMutex
	known map[string]bool // guarded
}

// methodsMax bounds the methods that are remembered: a proxy may be asked for
// any name.
const methodsMax = 10_000

func (i *idempotency) idempotent(method string) bool {
	i.mu.RLock()
	is, known := i.known[method]
	i.mu.RUnlock()
	if known {
		return is
	}
	is, defined := lookUp(method)
	if !defined {
		return false // not yet: definitions may be registered later
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.known) < methodsMax {
		i.known[strings.Clone(method)] = is
	}
	return is
}

func lookUp(method string) (idempotent, defined bool) {
	service, name, ok := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if !ok {
		return false, false
	}
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	descriptor, ok := found.(protoreflect.MethodDescriptor)
	if err != nil || !ok {
		return false, false
	}
	options, _ := descriptor.Options().(*descriptorpb.MethodOptions)
	level := options.GetIdempotencyLevel()
	return level == descriptorpb.MethodOptions_NO_SIDE_EFFECTS || level == descriptorpb.MethodOptions_IDEMPOTENT, true
}

// WithRepeatable says for the calls made with the context whether they may be
// sent more than once, whatever their method. With false they are not even
// repeated where they certainly never reached a server. It is
// [policy.WithRepeatable].
func WithRepeatable(ctx context.Context, repeatable bool) context.Context {
	return policy.WithRepeatable(ctx, repeatable)
}

// retrying is a Retry that knows when lastWord has spoken.
type retrying struct{ *policy.Retry }

// Joins is true, as of the Retry.
func (retrying) Joins() bool { return true }

// Do makes the call, and reports one that failed for good.
func (p retrying) Do(ctx context.Context, next policy.Next) policy.Result {
	c, r := callOf(ctx), p.Retry.Do(ctx, next)
	if c.final.Load() && r.Class == policy.Ignored && ctx.Err() == nil {
		r.Class = policy.Failure // as it was before lastWord hid it
	}
	c.over(r.Class)
	return r
}

// over reports a call whose chances are used up.
func (c *call) over(class policy.Class) {
	if (class == policy.Failure || class == policy.Shed) && (c.may || c.final.Load() || c.before > 0) {
		c.report()
	}
}

// lastWord hides from the Retry before it that a try failed which must not be
// repeated: the policies further in have counted the failure already.
type lastWord struct{}

// Joins is true: it starts nothing.
func (lastWord) Joins() bool { return true }

// Do makes the try.
func (lastWord) Do(ctx context.Context, next policy.Next) policy.Result {
	r := next.Do(ctx)
	if r.Class != policy.Failure {
		return r
	}
	t, _ := r.Value.(*try)
	if c := callOf(ctx); c.lasting(t) {
		c.final.Store(true)
		r.Class = policy.Ignored
	}
	return r
}

// lasting reports whether a failure would be the same, or worse, if it were
// repeated: the call must not be sent again, or the callee has used up its own
// tries or wants none.
func (c *call) lasting(t *try) bool {
	trailer := t.trailers()
	_, never, _ := pushbackOf(trailer)
	return never || !c.repeatable() || len(trailer[c.client.config.AttemptHeader]) > 0
}

// hedging is a Hedge for those calls that may be repeated. The others pass it
// by.
type hedging struct{ *policy.Hedge }

// Do makes the call.
func (p hedging) Do(ctx context.Context, next policy.Next) policy.Result {
	if !callOf(ctx).may {
		return next.Do(ctx)
	}
	return p.Hedge.Do(ctx, next)
}
