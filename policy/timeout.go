package policy

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

var (
	// ErrTimeout is what a [TimeoutError] is.
	ErrTimeout = errors.New("timeout")
	// ErrAbandoned is why a detached Timeout rejects a call: too many earlier
	// ones still run beyond their time.
	ErrAbandoned = errors.New("too many calls outlive their timeout")
	// ErrRunning is why a detached Timeout rejects a call: too many others run.
	ErrRunning = errors.New("too many detached calls run")
)

// TimeoutConfig configures a [Timeout]. Zero fields take the default beside
// them.
type TimeoutConfig struct {
	// Timeout is how long a call may take; an open call, until its end.
	// Default 10s.
	Timeout time.Duration `yaml:"timeout"`
	// Detached returns at the deadline even when the function ignores its
	// context, at the price of a goroutine a call. The function goes on without
	// a caller, and what it returns is discarded. It cannot be Set later.
	Detached bool `yaml:"detached"`
	// AbandonedMax is how many such functions may go on before calls are
	// rejected, until some have returned. Calls that are under way by then may
	// add to them. Default 1000.
	AbandonedMax int `yaml:"abandonedMax"`
	// RunningMax is how many detached functions may run at once, with and
	// without a caller; beyond, calls are rejected. So never more than that go
	// on. Default 10000, or AbandonedMax if that is more.
	RunningMax int `yaml:"runningMax"`
	// Name is what events call the timeout.
	Name string `yaml:"-"`
	// Observer is told of calls that took too long, and of panics that come too
	// late to reach their caller.
	Observer Observer `yaml:"-"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c TimeoutConfig) Validate() error {
	var p problems
	p.unless(usableDuration(c.Timeout), "timeout", "want 0 to %v, got %v", durationMax, c.Timeout)
	p.unless(c.AbandonedMax >= 0, "abandonedMax", "want 0 or more, got %d", c.AbandonedMax)
	p.unless(c.RunningMax >= 0, "runningMax", "want 0 or more, got %d", c.RunningMax)
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c TimeoutConfig) WithDefaults() TimeoutConfig {
	setDefault(&c.Timeout, 10*time.Second)
	setDefault(&c.AbandonedMax, 1000)
	setDefault(&c.RunningMax, max(10_000, c.AbandonedMax))
	return c
}

// Timeout bounds how long a call may take, by the deadline of its context. A
// caller's own deadline that is sooner stands, and then Timeout costs nothing.
type Timeout struct {
	setting    atomic.Pointer[timeoutSetting]
	detached   bool
	stragglers stragglers
	running    atomic.Int64 // detached functions, with a caller or without

	expired, abandoned, refused, crowded digest
}

// timeoutSetting is a config with the cause that its contexts end with, made
// once for all calls.
type timeoutSetting struct {
	TimeoutConfig
	cause *TimeoutError
	late  *digest // of the Timeout
}

// NewTimeout returns a Timeout, or the problems of its Config.
func NewTimeout(c TimeoutConfig) (*Timeout, error) {
	t := &Timeout{detached: c.Detached}
	t.begin(c)
	if err := t.Set(c); err != nil {
		return nil, err
	}
	return t, nil
}

// Set changes the configuration for calls to come. Detached, Name and Observer
// stay as they were; another Detached is a [FieldError].
func (t *Timeout) Set(c TimeoutConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if c.Detached != t.detached {
		return &FieldError{"detached", "cannot change while calls run; make a new Timeout"}
	}
	c = c.WithDefaults()
	t.setting.Store(&timeoutSetting{c, &TimeoutError{After: c.Timeout}, &t.expired})
	return nil
}

// TimeoutError is the error of a call that took too long. It is [ErrTimeout]
// and [context.DeadlineExceeded] to errors.Is.
type TimeoutError struct {
	// After is how long the call was given.
	After time.Duration
	// Err is what the function returned in the end; nil when nobody waited.
	Err error
}

func (e *TimeoutError) Error() string {
	text := fmt.Sprintf("timeout: no result within %v", e.After)
	if e.Err != nil && !errors.Is(e.Err, context.DeadlineExceeded) {
		text += ": " + e.Err.Error()
	}
	return text
}

// Is reports whether the error is target besides what it wraps.
func (e *TimeoutError) Is(target error) bool {
	return target == ErrTimeout || target == context.DeadlineExceeded
}

// Unwrap returns Err.
func (e *TimeoutError) Unwrap() error { return e.Err }

// Timeout is true, as of a net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// Do makes the call with a context that ends in time.
func (t *Timeout) Do(ctx context.Context, next Next) Result { return alone(ctx, t, next) }

func (t *Timeout) run(ctx context.Context, next Next, r *Result) {
	s := t.setting.Load()
	if t.detached {
		*r = t.detach(ctx, next, s)
		return
	}
	deadline := time.Now().Add(s.Timeout)
	if own, ok := ctx.Deadline(); ok && !own.After(deadline) {
		next.run(ctx, r)
		return
	}
	within := &deadlineContext{parent: ctx, deadline: deadline, cause: s.cause}
	open := false
	defer func() {
		if !open {
			within.cancel()
		}
	}()
	next.run(within, r)
	if open = r.ending != nil; open {
		r.AtEnd(func(class Class) { s.judgeEnd(within, class); within.cancel() })
	}
	s.judge(within, r)
}

// detach makes the call on another goroutine and waits for it until its time is
// up.
func (t *Timeout) detach(ctx context.Context, next Next, s *timeoutSetting) (r Result) {
	within, cancel := context.WithTimeoutCause(ctx, s.Timeout, s.cause)
	defer func() {
		if r.ending == nil {
			cancel()
			return
		}
		r.AtEnd(func(class Class) { s.judgeEnd(within, class); cancel() })
	}()
	r = t.await(ctx, within, next, s)
	s.judge(within, &r)
	return r
}

func (t *Timeout) await(ctx, within context.Context, next Next, s *timeoutSetting) Result {
	if t.stragglers.count.Load() >= int64(s.AbandonedMax) {
		return t.reject(ctx, &t.refused, ErrAbandoned)
	}
	if t.running.Add(1) > int64(s.RunningMax) {
		t.running.Add(-1)
		return t.reject(ctx, &t.crowded, ErrRunning)
	}
	d := newDetached(&t.stragglers, 1)
	d.counted = &t.running
	d.start(within, next, 0)
	select {
	case o := <-d.ends:
		o.raise()
		return o.result
	case <-within.Done():
		d.leave()
	}
	if err := ctx.Err(); err != nil { // the caller's own end, not this timeout's
		class, _ := Classify(ctx, nil, err)
		return Result{Err: err, Class: class}
	}
	t.abandoned.happened(ctx, Event{Err: s.cause, Class: Failure})
	return Result{Err: s.cause, Class: Failure}
}

func (t *Timeout) reject(ctx context.Context, d *digest, why error) Result {
	d.count(Event{Class: Shed})
	return rejection(ctx, &Rejected{Policy: "timeout", Name: t.stragglers.events.name, Reason: why})
}

// judge makes an error that came of this timeout's deadline say so.
func (s *timeoutSetting) judge(within context.Context, r *Result) {
	if r.Err == nil || r.Class == Success || r.Class == Shed || !s.expired(within) {
		return
	}
	r.Class = Failure
	if r.Err != error(s.cause) {
		r.Err = &TimeoutError{After: s.Timeout, Err: r.Err}
	}
	s.late.happened(within, Event{Err: r.Err, Class: Failure})
}

// judgeEnd tells of an open call that broke as its time was up.
func (s *timeoutSetting) judgeEnd(within context.Context, class Class) {
	if class == Failure && s.expired(within) {
		s.late.happened(within, Event{Err: s.cause, Class: class})
	}
}

// expired reports whether the time that the setting gives is up. I/O that has
// the same deadline may notice a moment before the context does.
func (s *timeoutSetting) expired(within context.Context) bool {
	if within.Err() != nil {
		return context.Cause(within) == error(s.cause)
	}
	deadline, _ := within.Deadline()
	return time.Until(deadline) <= 0
}
