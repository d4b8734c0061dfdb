package policy

import (
	"context"
	"io"
	"sync"
)

// Open runs fn under p for a result that lives on after fn returned, such as a
// response whose body is still to be read. Permits are held until the caller
// ends the call through the returned Ending, which is never nil and may be
// ended more than once. A result that a policy gives up, as a retry or a hedge
// does, is closed with closer; nil closes a value that is an io.Closer.
func Open[T any](ctx context.Context, p Policy, fn func(context.Context) (T, error), closer func(T)) (T, *Ending, error) {
	s := &stream[T]{closer: closer}
	s.function.fn = fn
	s.prepare(p, s)
	r := &s.result
	Next{&s.call, 0}.run(ctx, r)
	v, err := valueOf[T](r)
	if r.ending == nil {
		return v, &Ending{over: true, ended: r.Class}, err
	}
	r.ending.result = r.Class
	return v, r.ending, err
}

// stream is a call that stays open.
type stream[T any] struct {
	function[T]
	closer func(T)
}

func (s *stream[T]) open() *Ending { return &Ending{close: s.close} }

func (s *stream[T]) close(value any) {
	v, ok := value.(T)
	switch closer, isCloser := value.(io.Closer); {
	case ok && s.closer != nil:
		s.closer(v)
	case isCloser:
		_ = closer.Close() // nobody is left to be told
	}
}

// An Ending is the end of an open call, still to come.
type Ending struct {
	result Class // for End(nil); set before anybody else has the Ending

	mu    sync.Mutex
	hooks []func(Class)
	over  bool
	ended Class
	close func(any)
}

// End tells every policy that the call is over: err is nil when the stream
// came to its end, and otherwise what broke it. Only the first End counts, of
// whatever kind.
func (e *Ending) End(err error) {
	if err != nil {
		e.finish(Failure)
		return
	}
	e.finish(e.result)
}

// EndAs tells every policy that the call is over and what its end says about
// the callee, where that is known only now: a gRPC stream's status comes last.
func (e *Ending) EndAs(class Class) { e.finish(class) }

// Abandon ends a call that its own caller gave up: the callee is not blamed.
func (e *Ending) Abandon() { e.finish(Ignored) }

func (e *Ending) finish(class Class) {
	e.mu.Lock()
	if e.over {
		e.mu.Unlock()
		return
	}
	hooks := e.hooks
	e.hooks, e.over, e.ended, e.close = nil, true, class, nil
	e.mu.Unlock()
	run(hooks, class)
}

// run runs the hooks, innermost first, as functions return. One that panics
// does not keep the others from giving their permits back.
func run(hooks []func(Class), class Class) {
	done := 0
	defer func() {
		if done < len(hooks) {
			run(hooks[done:], class)
		}
	}()
	for done < len(hooks) {
		f := hooks[done]
		done++
		f(class)
	}
}

func (e *Ending) add(f func(Class)) {
	e.mu.Lock()
	if over, class := e.over, e.ended; over {
		e.mu.Unlock()
		f(class)
		return
	}
	e.hooks = append(e.hooks, f)
	e.mu.Unlock()
}

// discard closes the value of a call that is not over yet, then ends the call,
// even when the closer panics.
func (e *Ending) discard(r Result) {
	e.mu.Lock()
	closer := e.close
	e.close = nil
	e.mu.Unlock()
	defer e.finish(r.Class)
	if closer != nil {
		closer(r.Value)
	}
}
