package policy

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
)

// A Pipeline is a chain of policies, compiled once and safe for concurrent
// use. It is a Policy itself; Chain flattens it into a longer chain.
type Pipeline struct {
	steps    []Policy
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
		if j, ok := step.(joiner); !ok || !j.joins() {
			p.reuse = false
		}
	}
	return p
}

// Classified returns a copy of the pipeline that classifies results with c.
func (p *Pipeline) Classified(c Classifier) *Pipeline {
	return &Pipeline{steps: slices.Clone(p.steps), classify: c, reuse: p.reuse}
}

// Do runs next through the pipeline. Most programs call the function [Do].
func (p *Pipeline) Do(ctx context.Context, next Next) Result {
	return Next{&call{steps: p.steps, tail: next}, 0}.Do(ctx)
}

// A joiner knows whether its Do returns only after everything it started.
type joiner interface{ joins() bool }

// Next is the rest of a chain. It is a value: handing it on costs nothing.
type Next struct {
	call *call
	step int
}

// NextFunc makes a Next of a function, to run or test a policy alone.
func NextFunc(f func(context.Context) Result) Next {
	return Next{&call{fn: f}, 0}
}

// Do runs the rest of the chain. It may be called several times, and by
// several goroutines.
func (n Next) Do(ctx context.Context) Result {
	c := n.call
	if n.step < len(c.steps) {
		return c.steps[n.step].Do(ctx, Next{c, n.step + 1})
	}
	return c.end(ctx)
}

// call is one run through a chain: the only thing that a call may allocate.
type call struct {
	steps    []Policy
	classify Classifier // nil for Classify
	// One of these is what the chain runs at its end.
	target target
	fn     func(context.Context) Result
	tail   Next

	single [1]Policy // room for a chain of one
}

// A target is the user's function, with its type hidden from the chain.
type target interface {
	invoke(ctx context.Context) (any, error)
	// open returns the ending of a call that has just succeeded, nil when it
	// is over already.
	open() *Ending
}

func (c *call) end(ctx context.Context) Result {
	switch {
	case c.fn != nil:
		return c.fn(ctx)
	case c.target == nil:
		return c.tail.Do(ctx)
	}
	value, err := c.target.invoke(ctx)
	classify := c.classify
	if classify == nil {
		classify = Classify
	}
	class, after := classify(ctx, value, err)
	r := Result{Value: value, Err: err, Class: class, RetryAfter: after}
	if err == nil {
		r.ending = c.target.open()
	}
	return r
}

// prepare points the call at the policy's chain.
func (c *call) prepare(p Policy, t target) {
	c.target = t
	if pipeline, ok := p.(*Pipeline); ok {
		c.steps, c.classify = pipeline.steps, pipeline.classify
		return
	}
	c.single[0] = p
	c.steps = c.single[:]
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
	r := Next{&c.call, 0}.Do(ctx)
	if pipeline != nil && pipeline.reuse { // after a panic it is left to the collector
		c.fn = nil
		pipeline.pool.Put(c)
	}
	return valueOf[T](r)
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

func valueOf[T any](r Result) (T, error) {
	v, ok := r.Value.(T) // a rejected call has no value: T's zero
	if !ok && r.Value != nil && r.Err == nil {
		return v, fmt.Errorf("policy: a stand-in or shared answer is a %T, and the caller wants a %v", r.Value, reflect.TypeFor[T]())
	}
	return v, r.Err
}
