package policygrpc

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/afloat-dev/afloat/policy"
)

// Stream is the [grpc.StreamClientInterceptor]. The policies' permits are held
// until the stream is over: its status has come, a message could not be sent,
// its context has ended, or its connection was closed.
//
// A stream that could not be opened is repeated like a unary call. One that was
// opened is repeated only if the client sends one message and no message has
// come back; others would need what was sent to be kept.
func (c *Client) Stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, start grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	s := &clientStream{desc: desc, start: start, options: options}
	s.begin(ctx, c, method, nil, conn)
	s.stream = s
	s.repeats = c.streams.retry != nil && s.may && !desc.ClientStreams
	if err := s.open(); err != nil {
		return nil, withStatus(err)
	}
	s.watch()
	return s, nil
}

// clientStream is a stream with all its tries.
type clientStream struct {
	call
	desc    *grpc.StreamDesc
	start   grpc.Streamer
	options []grpc.CallOption
	repeats bool // though it was opened

	within  context.Context // of every try
	series  policy.Tries
	waited  time.Duration // before the present try
	errs    []error       // of the tries that were repeated
	verdict policy.Result

	mu      sync.Mutex
	current *streamTry  // guarded: nil until it was opened
	request any         // guarded: to be sent again; nil when it need not be
	settled bool        // guarded: the caller has seen something of this try
	ends    ends        // guarded by itself: of the policies around the Retry
	stop    func() bool // guarded
}

// open runs the policies up to the point where the stream is there.
func (s *clientStream) open() error {
	outer := s.client.streams.outer
	if outer == nil {
		return s.first(&s.call)
	}
	_, ending, err := policy.Open(&s.call, outer, func(ctx context.Context) (*clientStream, error) {
		return s, s.first(ctx)
	}, func(s *clientStream) { s.now().cancel() })
	switch {
	case err != nil:
		return err
	case s.now() == nil:
		return errNoReply
	}
	s.ends.hold(ending)
	return nil
}

func (s *clientStream) first(ctx context.Context) error {
	s.within = ctx
	if retry := s.client.streams.retry; retry != nil {
		s.series = retry.Begin()
	}
	return s.reach()
}

// reach opens the stream, and repeats that while it fails and may.
func (s *clientStream) reach() error {
	for {
		err := s.try()
		if err == nil {
			return nil
		}
		t, _ := s.verdict.Value.(*streamTry)
		if err := s.again(s.verdict, t, err); err != nil {
			return err
		}
	}
}

func (s *clientStream) try() error {
	ctx := s.within
	if n := s.series.Count(); n > 1 {
		ctx = policy.WithAttempt(ctx, n, s.waited)
	}
	t, ending, err := policy.Open(ctx, s.client.streams.inner, s.send, func(t *streamTry) { t.cancel() })
	switch {
	case err != nil:
		return err
	case t == nil:
		return errNoReply
	}
	t.ends.hold(ending)
	s.mu.Lock()
	s.current = t
	s.mu.Unlock()
	return nil
}

// send opens the stream once. Its value is there for a failure, too.
func (s *clientStream) send(ctx context.Context) (*streamTry, error) {
	n := int(s.tries.Add(1))
	if n > 1 && !s.repeatable() {
		return nil, ErrNotRepeatable
	}
	within, cancel := context.WithCancel(ctx)
	t := &streamTry{owner: s, ctx: ctx, cancel: cancel}
	t.call = &s.call
	options := append(t.room[:0], s.options...)
	options = append(options, grpc.OnFinish(t.finished))
	if !s.may {
		options = append(options, grpc.Peer(&t.peer))
	}
	s.sent.Add(1)
	stream, err := s.start(s.outgoing(within, n), s.desc, s.conn, s.method, options...)
	if err != nil {
		cancel()
		t.settle(err)
		return t, err
	}
	t.opened(stream)
	return t, nil
}

// again waits before the stream is repeated, or returns the error to end with.
func (s *clientStream) again(r policy.Result, t *streamTry, err error) error {
	if s.client.streams.retry == nil {
		return err
	}
	var wait time.Duration
	var why error
	ok := false
	switch {
	case r.Class != policy.Failure:
	case s.lasting(t.inner()):
		s.final.Store(true)
	default:
		wait, ok, why = s.series.Again(r.Class, r.RetryAfter, timeLeft(s.within))
	}
	if !ok {
		s.over(r.Class)
		return s.ended(err, why)
	}
	s.errs, s.waited = append(s.errs, err), wait
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.within.Done():
		s.verdict.Class = policy.Ignored
		return s.ended(s.within.Err(), nil)
	}
}

// ended is the last error, with those of the tries before it.
func (s *clientStream) ended(err, why error) error {
	if len(s.errs) == 0 && (why == nil || why == policy.ErrAttempts) {
		return err
	}
	return &policy.RetryError{Stopped: why, Errs: append(s.errs, err)}
}

// timeLeft is the time until the context's deadline; zero when it has none.
func timeLeft(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(deadline), 1)
}
