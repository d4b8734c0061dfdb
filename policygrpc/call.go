package policygrpc

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/afloat-dev/afloat/policy"
)

// call is one call with all its tries. It is the context that the policies
// get, so that the steps of a Client find it.
type call struct {
	context.Context // the caller's

	client  *Client
	method  string
	request any // nil for a stream
	conn    *grpc.ClientConn
	inbound *inbound // nil outside a Server
	before  int      // tries before the first of this call, by those whom it serves
	may     bool     // be sent more than once
	never   bool     // be repeated, even if it was not sent
	tries   atomic.Int32
	sent    atomic.Int32  // tries that may have reached a server
	final   atomic.Bool   // a failure was not to be repeated
	stream  *clientStream // nil for a unary call
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// Value makes the call known to those who get its context.
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func (c *call) begin(ctx context.Context, client *Client, method string, request any, conn *grpc.ClientConn) {
	c.Context, c.client, c.method, c.request, c.conn = ctx, client, method, request, conn
	c.inbound = inboundOf(ctx)
	if c.inbound != nil && client.config.AttemptHeader != NoHeader {
		c.before = c.inbound.attempt - 1
	}
	if !client.repeats {
		return
	}
	told, ok := policy.Repeatable(ctx)
	c.never = c.before > 0 || ok && !told
	c.may = !c.never && (told || client.config.Repeatable(ctx, method))
}

// repeatable reports whether the call may be sent now, if it was sent before.
func (c *call) repeatable() bool { return !c.never && (c.may || c.sent.Load() == 0) }

// outgoing is the context that a try is sent with.
func (c *call) outgoing(ctx context.Context, n int) context.Context {
	config := &c.client.config
	if attempt := c.before + n; attempt > 1 && config.AttemptHeader != NoHeader {
		ctx = metadata.AppendToOutgoingContext(ctx, config.AttemptHeader, strconv.Itoa(attempt))
	}
	if config.PriorityHeader != NoHeader {
		ctx = withPriority(ctx, config.PriorityHeader, c.inbound != nil)
	}
	if deadline, ok := ctx.Deadline(); ok && config.TimeoutMargin > 0 {
		left := time.Until(deadline)
		return &within{ctx, deadline.Add(-min(config.TimeoutMargin, max(left/2, 0)))}
	}
	return ctx
}

// within is a context whose deadline, of which grpc tells the callee, is sooner
// than the one at which it ends.
type within struct {
	context.Context
	deadline time.Time
}

// Deadline returns the sooner one.
func (w *within) Deadline() (time.Time, bool) { return w.deadline, true }

// report tells the Server that is being served that a call has failed whose
// chances are used up: to repeat the whole would only multiply them.
func (c *call) report() {
	if c.inbound != nil {
		c.inbound.tried.Store(c.tries.Load())
	}
}

// try is one time that a call is sent, and what came back beside the reply.
type try struct {
	call    *call
	reply   any
	header  metadata.MD
	trailer metadata.MD
	peer    peer.Peer
	ended   atomic.Bool // by grpc itself

	room [8]grpc.CallOption
}

func (t *try) trailers() metadata.MD {
	if t == nil {
		return nil
	}
	return t.trailer
}

// watched are the caller's options with those that tell whether the call was
// sent. A try that was not has no peer; and grpc has ended it, or else somebody
// on the way may have made a call without these options.
func (t *try) watched(options []grpc.CallOption) []grpc.CallOption {
	if c := t.call; c.client.repeats && !c.may && !c.never {
		return append(options, grpc.Peer(&t.peer), grpc.OnFinish(func(error) { t.ended.Store(true) }))
	}
	return options
}

// settle counts a try that has ended. One that was certainly never sent does
// not count as sent.
func (t *try) settle(err error) {
	if err != nil && t.ended.Load() && t.peer.Addr == nil {
		t.call.sent.Add(-1)
	}
}
