package policy

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"
)

// A Pipeline is a chain of policies, compiled once and safe for concurrent
// use. It is a Policy itself; Chain flattens it into a longer chain.
type Pipeline struct {
	steps    []Policy
	compiled []step     // the steps, then the call's end
	classify Classifier // nil for Classify
	// reuse is whether calls may be pooled: every step is known to return
	// only after each function that it started has returned.
	reuse bool
	pool  sync.Pool
}

// Chain compiles policies into a Pipeline. The first is the outermost. A
// Pipeline among them is flattened; of several Classifiers, which
// [Pipeline.Classified] set, the innermost counts.
func Chain(policies ...Policy) *Pipeline {
	p := &Pipeline{reuse: true}
	for _, step := range policies {
		switch s := step.(type) {
		case nil:
			continue
		case *Pipeline:
			p.steps = append(p.steps, s.steps...)
			if s.classify != nil {
				p.classify = s.classify
			}
		default:
			p.steps = append(p.steps, s)
		}
	}
	for _, step := range p.steps {
		if !joins(step) {
			p.reuse = false
		}
		p.compiled = append(p.compiled, stepOf(step))
	}
	p.compiled = append(p.compiled, &end{})
	return p
}

// Classified returns a copy of the pipeline that classifies results with c.
func (p *Pipeline) Classified(c Classifier) *Pipeline {
	return &Pipeline{steps: p.steps, compiled: p.compiled, classify: c, reuse: p.reuse}
}

// Joins reports whether a call is over when it returns. A Hedge, a Cache, a
// Singleflight, a detached Timeout, and for all one knows a policy of another
// package, may leave a function running that nobody waits for any longer: it
// must not write where the caller reads.
func (p *Pipeline) Joins() bool { return p.reuse }

// Do runs next through the pipeline. Most programs call the function [Do].
func (p *Pipeline) Do(ctx context.Context, next Next) Result {
	return Next{&call{steps: p.compiled, tail: next}, 0}.Do(ctx)
}

// A step is a policy in a chain. It puts its Result where the caller wants it:
// a Result is eight words, and to return it would copy it through memory at
// each step, twice. Other policies' Do is as good, only slower.
type step interface {
	run(ctx context.Context, next Next, r *Result)
}

// stepOf goes by the type and not by the method, which a type that embeds a
// policy to replace its Do has too.
func stepOf(p Policy) step {
	switch p.(type) {
	case *Timeout, *Retry, *Breaker, *KeyedBreaker, *Bulkhead, *Adaptive, *Throttle, *RateLimit, *KeyedRateLimit, Limit, Limits:
		return p.(step)
	}
	return &outside{p}
}

// joins reports whether a policy's Do is known to return only after all that it
// started. It goes by the type, as stepOf does.
func joins(p Policy) bool {
	switch p := p.(type) {
	case *Timeout:
		return !p.detached
	case *Retry, *Breaker, *KeyedBreaker, *Bulkhead, *Adaptive, *Throttle, *RateLimit, *KeyedRateLimit, Limit, Limits, *Fallback, *Fault:
		return true
	case Joiner:
		return p.Joins()
	}
	return false
}

// outside is the step of a policy that only has a Do.
type outside struct{ policy Policy }

func (o *outside) run(ctx context.Context, next Next, r *Result) { *r = o.policy.Do(ctx, next) }

// alone is the Do of a policy that is a step.
func alone(ctx context.Context, s step, next Next) Result {
	p := results.Get().(*Result)
	s.run(ctx, next, p)
	r := *p
	*p = Result{}
	results.Put(p) // after a panic it is left to the collector
	return r
}

// results are for those who have no place of their own for one.
var results = sync.Pool{New: func() any { return new(Result) }}

// Next is the rest of a chain. It is a value: handing it on costs nothing.
type Next struct {
	call *call
	step int
}

// NextFunc makes a Next of a function, to run or test a policy alone.
func NextFunc(f func(context.Context) Result) Next {
	c := &call{fn: f}
	c.room[0] = &end{}
	c.steps = c.room[:1]
	return Next{c, 0}
}

// Do runs the rest of the chain. It may be called several times, and by
// several goroutines.
func (n Next) Do(ctx context.Context) Result {
	return alone(ctx, n.call.steps[n.step], Next{n.call, n.step + 1})
}

// run is Do for a step that has a place for the Result.
func (n Next) run(ctx context.Context, r *Result) {
	n.call.steps[n.step].run(ctx, Next{n.call, n.step + 1}, r)
}

// call is one run through a chain: the only thing that a call may allocate.
type call struct {
	steps    []step
	classify Classifier // nil for Classify
	// One of these is what the chain runs at its end.
	target target
	fn     func(context.Context) Result
	tail   Next

	result Result
	single outside // room for a chain of one
	room   [2]step
}

// A target is the user's function, with its type hidden from the chain.
type target interface {
	invoke(ctx context.Context) (any, error)
	// open returns the ending of a call that has just succeeded, nil when it
	// is over already.
	open() *Ending
}

// end is the last step of a chain: it makes the call.
type end struct{}

func (*end) run(ctx context.Context, n Next, r *Result) {
	c := n.call
	switch {
	case c.fn != nil:
		*r = c.fn(ctx)
		return
	case c.target == nil:
		c.tail.run(ctx, r)
		return
	}
	value, err := c.target.invoke(ctx)
	class, after := Success, time.Duration(0)
	if c.classify != nil {
		class, after = c.classify(ctx, value, err)
	} else if err != nil {
		class, after = Classify(ctx, value, err)
	}
	var ending *Ending
	if err == nil {
		ending = c.target.open()
	}
	// One by one, since a literal would be built elsewhere and copied.
	r.Value, r.Err, r.Class, r.RetryAfter, r.Fallback, r.ending = value, err, class, after, false, ending
}

// prepare points the call at the policy's chain.
func (c *call) prepare(p Policy, t target) {
	c.target = t
	if pipeline, ok := p.(*Pipeline); ok {
		c.steps, c.classify = pipeline.compiled, pipeline.classify
		return
	}
	c.single.policy = p
	c.room = [2]step{&c.single, &end{}}
	c.steps = c.room[:]
}

// Do runs fn under p. The error is fn's own, or a policy's: see [Rejected].
func Do[T any](ctx context.Context, p Policy, fn func(context.Context) (T, error)) (T, error) {
	pipeline, _ := p.(*Pipeline)
	var c *function[T]
	if pipeline != nil && pipeline.reuse {
		c, _ = pipeline.pool.Get().(*function[T])
	}
	if c == nil {
		c = new(function[T])
		c.prepare(p, c)
	}
	c.fn = fn
	Next{&c.call, 0}.run(ctx, &c.result)
	v, err := valueOf[T](&c.result)
	if pipeline != nil && pipeline.reuse { // after a panic it is left to the collector
		c.fn, c.result = nil, Result{}
		pipeline.pool.Put(c)
	}
	return v, err
}

// function is a call whose end is a func.
type function[T any] struct {
	call
	fn func(context.Context) (T, error)
}

func (f *function[T]) invoke(ctx context.Context) (any, error) {
	v, err := f.fn(ctx)
	return v, err
}

func (f *function[T]) open() *Ending { return nil }

func valueOf[T any](r *Result) (T, error) {
	v, ok := r.Value.(T) // a rejected call has no value: T's zero
	if !ok && r.Value != nil && r.Err == nil {
		return v, fmt.Errorf("policy: a stand-in or shared answer is a %T, and the caller wants a %v", r.Value, reflect.TypeFor[T]())
	}
	return v, r.Err
}
