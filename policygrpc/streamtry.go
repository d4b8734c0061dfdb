package policygrpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/afloat-dev/afloat/policy"
)

// streamTry is one time that a stream was opened.
type streamTry struct {
	try
	owner  *clientStream
	ctx    context.Context // that the policies gave
	cancel context.CancelFunc
	ends   ends

	mu     sync.Mutex
	wire   grpc.ClientStream // guarded: nil until it was opened
	early  func()            // guarded: it has ended before
	judged *judgement        // guarded
}

// judgement is what the end of a try means. It is made once, since to end the
// try ends its context, which would look as if the caller had gone.
type judgement struct {
	class policy.Class
	after time.Duration
	err   error
}

func (t *streamTry) stream() grpc.ClientStream {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wire
}

// inner is the try as those take it who know unary calls as well.
func (t *streamTry) inner() *try {
	if t == nil {
		return nil
	}
	return &t.try
}

// opened says that the stream is there. It may be over already.
func (t *streamTry) opened(stream grpc.ClientStream) {
	t.mu.Lock()
	t.wire = stream
	early := t.early
	t.mu.Unlock()
	if early != nil {
		early()
	}
}

// finished is called by grpc when the stream is over, for whatever reason.
func (t *streamTry) finished(err error) {
	t.ended.Store(true)
	t.mu.Lock()
	if t.wire == nil {
		t.early = func() { t.over(err) }
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	t.over(err)
}

func (t *streamTry) over(err error) {
	class, _, _ := t.judge(err, t.stream().Trailer())
	t.end(class)
	if !t.owner.mayRepeat() {
		t.owner.finish(class)
	}
}

// judge says what the end of the stream means, and names a timeout by whose
// deadline it came. A nil error is the status OK. The first judgement counts.
func (t *streamTry) judge(err error, trailer metadata.MD) (policy.Class, time.Duration, error) {
	if cause, ok := errors.AsType[*policy.TimeoutError](context.Cause(t.ctx)); ok && err != nil && t.owner.call.Context.Err() == nil {
		err = &policy.TimeoutError{After: cause.After, Err: err}
	}
	class, after := t.owner.client.config.Classify(t.ctx, err, trailer)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.judged == nil {
		t.trailer, t.judged = trailer, &judgement{class, after, err}
	}
	return t.judged.class, t.judged.after, t.judged.err
}

// end ends the try for its policies.
func (t *streamTry) end(class policy.Class) {
	t.ends.end(class)
	t.cancel()
}

// ends is the end of a call that may come before those who are to be told of
// it have said so.
type ends struct {
	mu     sync.Mutex
	ending *policy.Ending // guarded
	ended  bool           // guarded
	class  policy.Class   // guarded
}

// hold takes on an ending.
func (e *ends) hold(ending *policy.Ending) {
	e.mu.Lock()
	e.ending = ending
	ended, class := e.ended, e.class
	e.mu.Unlock()
	if ended {
		ending.EndAs(class)
	}
}

// end ends the call; only the first one counts.
func (e *ends) end(class policy.Class) {
	e.mu.Lock()
	if e.ended {
		e.mu.Unlock()
		return
	}
	e.ended, e.class = true, class
	ending := e.ending
	e.mu.Unlock()
	if ending != nil {
		ending.EndAs(class)
	}
}

// come reports whether the end has come.
func (e *ends) come() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ended
}
