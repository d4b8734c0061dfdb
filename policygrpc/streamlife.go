package policygrpc

import (
	"context"
	"io"

	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"

	"github.com/afloat-dev/afloat/policy"
)

// watch ends the stream with its caller's context.
func (s *clientStream) watch() {
	if s.call.Context.Done() == nil {
		return
	}
	stop := context.AfterFunc(s.call.Context, func() {
		class, _, _ := s.now().judge(s.call.Context.Err(), nil)
		s.finish(class)
	})
	s.mu.Lock()
	s.stop = stop
	s.mu.Unlock()
	if s.ends.come() {
		stop()
	}
}

func (s *clientStream) now() *streamTry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// commit says that the caller has seen something of the stream: from here on
// it is not repeated.
func (s *clientStream) commit() *streamTry {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled, s.request = true, nil
	return s.current
}

// mayRepeat reports whether the end of a try need not be the stream's.
func (s *clientStream) mayRepeat() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	closed := s.conn != nil && s.conn.GetState() == connectivity.Shutdown
	return s.repeats && !s.settled && !closed && !s.ends.come()
}

// finish ends the stream for all policies.
func (s *clientStream) finish(class policy.Class) {
	s.mu.Lock()
	t, stop := s.current, s.stop
	s.mu.Unlock()
	if t != nil { // else it has ended while it was opened
		t.end(class)
	}
	s.ends.end(class)
	if stop != nil {
		stop()
	}
}

// SendMsg sends a message.
func (s *clientStream) SendMsg(m any) error {
	s.mu.Lock()
	t := s.current
	if s.repeats && !s.settled {
		s.request = m // which nobody may change any more: so says grpc.ClientStream
	}
	s.mu.Unlock()
	err := t.stream().SendMsg(m)
	if err == nil || err == io.EOF {
		return err
	}
	class, _, err := t.judge(err, t.stream().Trailer())
	s.finish(class)
	return withStatus(err)
}

// RecvMsg receives a message. Where none has come yet, it is what repeats a
// stream that failed.
func (s *clientStream) RecvMsg(m any) error {
	for {
		t := s.now()
		err := t.stream().RecvMsg(m)
		switch {
		case err == nil && s.desc.ServerStreams:
			s.commit()
			return nil
		case err == nil, err == io.EOF:
			class, _, _ := t.judge(nil, nil)
			s.finish(class)
			return err
		}
		class, after, err := t.judge(err, t.stream().Trailer())
		t.end(class)
		if !s.mayRepeat() {
			s.finish(class)
			return withStatus(err)
		}
		if err := s.repeat(t, policy.Result{Class: class, RetryAfter: after}, err); err != nil {
			s.finish(s.verdict.Class)
			return withStatus(err)
		}
	}
}

// repeat opens the stream anew and sends what was sent.
func (s *clientStream) repeat(t *streamTry, r policy.Result, err error) error {
	s.verdict = r
	if err := s.again(r, t, err); err != nil {
		return err
	}
	if err := s.reach(); err != nil {
		return err
	}
	s.mu.Lock()
	t, request := s.current, s.request
	s.mu.Unlock()
	if request != nil {
		_ = t.stream().SendMsg(request) // RecvMsg tells what came of it
		_ = t.stream().CloseSend()
	}
	return nil
}

// CloseSend says that no more messages will be sent.
func (s *clientStream) CloseSend() error { return s.now().stream().CloseSend() }

// Header waits for the callee's metadata.
func (s *clientStream) Header() (metadata.MD, error) { return s.commit().stream().Header() }

// Trailer is the metadata that came with the status.
func (s *clientStream) Trailer() metadata.MD { return s.now().stream().Trailer() }

// Context is that of the stream.
func (s *clientStream) Context() context.Context { return s.commit().stream().Context() }
