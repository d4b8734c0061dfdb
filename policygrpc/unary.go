package policygrpc

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/afloat-dev/afloat/policy"
)

// Unary is the [grpc.UnaryClientInterceptor].
func (c *Client) Unary(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	u := &unaryCall{reply: reply, invoke: invoke, options: options}
	u.begin(ctx, c, method, request, conn)
	if c.spare || c.hedges && u.may {
		m := messageOf(reply)
		if m == nil {
			return &StatusError{Err: fmt.Errorf("%w: a %T is no protobuf message, and policies that keep or give replies, or leave tries running, need a second one", errNoReply, reply)}
		}
		u.spare = m.ProtoReflect().Type()
	}
	if c.outlived || c.hedges && u.may {
		if m := messageOf(request); m != nil {
			u.request = proto.Clone(m) // a try that is left running may still read it when it is the caller's again
		}
	}
	value, err := policy.Do(&u.call, c.unary, u.send)
	if u.spare != nil {
		err = u.take(value, err)
	}
	return withStatus(err)
}

// unaryCall is a call of one message for one message.
type unaryCall struct {
	call
	reply   any // the caller's
	invoke  grpc.UnaryInvoker
	options []grpc.CallOption
	// spare is the type of the replies that tries get each; nil where they use
	// the caller's, one after another.
	spare protoreflect.MessageType

	first try // the only one at a time, where there is no spare

	mu    sync.Mutex
	spent []*try // guarded: those that brought one of their own
}

// send makes one try. Its value is the reply, or the try that brought none.
func (u *unaryCall) send(ctx context.Context) (any, error) {
	n := int(u.tries.Add(1))
	if n > 1 && !u.repeatable() {
		return nil, ErrNotRepeatable
	}
	t := u.newTry()
	u.sent.Add(1)
	err := u.invoke(u.outgoing(ctx, n), u.method, u.request, t.reply, u.conn, t.options(u)...)
	t.settle(err)
	if err != nil {
		return t, err
	}
	if u.spare != nil {
		u.mu.Lock()
		u.spent = append(u.spent, t)
		u.mu.Unlock()
	}
	return t.reply, nil
}

func (u *unaryCall) newTry() *try {
	if u.spare != nil {
		return &try{call: &u.call, reply: u.another()}
	}
	t := &u.first
	t.call, t.reply, t.trailer, t.peer.Addr = &u.call, u.reply, nil, nil
	t.ended.Store(false)
	return t
}

// options are the caller's with those by which the try sees what came back.
func (t *try) options(u *unaryCall) []grpc.CallOption {
	options := append(t.room[:0], u.options...)
	if u.spare != nil { // the caller's places are for the try that is taken
		for i, option := range options {
			switch option.(type) {
			case grpc.HeaderCallOption:
				options[i] = grpc.Header(&t.header)
			case grpc.PeerCallOption:
				options[i] = grpc.Peer(&t.peer)
			case grpc.TrailerCallOption:
				options[i] = grpc.EmptyCallOption{}
			}
		}
	}
	return t.watched(append(options, grpc.Trailer(&t.trailer)))
}

// take gives the caller what the policies have chosen.
func (u *unaryCall) take(value any, err error) error {
	t, _ := value.(*try)
	if err == nil {
		if err = copyReply(u.reply, value); err != nil {
			return err
		}
		t = u.tryOf(value)
	}
	if t == nil {
		return err // a policy's own
	}
	for _, option := range u.options {
		switch o := option.(type) {
		case grpc.HeaderCallOption:
			*o.HeaderAddr = t.header
		case grpc.TrailerCallOption:
			*o.TrailerAddr = t.trailer
		case grpc.PeerCallOption:
			*o.PeerAddr = t.peer
		}
	}
	return err
}

// tryOf is the try that brought a reply; nil if another call did, or a policy
// made it.
func (u *unaryCall) tryOf(reply any) *try {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, t := range u.spent {
		if t.reply == reply {
			return t
		}
	}
	return nil
}

// messageOf is a message as protobuf knows it, also one of its first version;
// nil if it is of another codec.
func messageOf(message any) proto.Message {
	switch m := message.(type) {
	case proto.Message:
		return m
	case protoadapt.MessageV1:
		return protoadapt.MessageV2Of(m)
	}
	return nil
}

// another is an empty reply. It does not look at the caller's, which may be
// its own again.
func (u *unaryCall) another() any {
	fresh := u.spare.New().Interface()
	if _, ok := u.reply.(proto.Message); ok {
		return fresh
	}
	return protoadapt.MessageV1Of(fresh)
}

// copyReply copies a reply that others may have, too.
func copyReply(to, from any) error {
	target, source := messageOf(to), messageOf(from)
	if from == nil {
		return errNoReply
	}
	if source == nil || target.ProtoReflect().Descriptor() != source.ProtoReflect().Descriptor() {
		return fmt.Errorf("%w: a stand-in is a %T, and the caller wants a %T", errNoReply, from, to)
	}
	proto.Reset(target)
	proto.Merge(target, source)
	return nil
}
