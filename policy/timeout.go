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
	// AbandonedMax is how many such functions may go on at once; beyond, calls
	// are rejected until some have returned. Default 1000.
	AbandonedMax int `yaml:"abandonedMax"`
	// Name is what events call the timeout.
	Name string `yaml:"-"`
	// Observer is told of panics that come too late to reach their caller.
	Observer Observer `yaml:"-"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c TimeoutConfig) Validate() error {
	var p problems
	p.unless(usableDuration(c.Timeout), "timeout", "want 0 to %v, got %v", durationMax, c.Timeout)
	p.unless(c.AbandonedMax >= 0, "abandonedMax", "want 0 or more, got %d", c.AbandonedMax)
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c TimeoutConfig) WithDefaults() TimeoutConfig {
	setDefault(&c.Timeout, 10*time.Second)
	setDefault(&c.AbandonedMax, 1000)
	return c
}

// Timeout bounds how long a call may take, by the deadline of its context. A
// caller's own deadline that is sooner stands, and then Timeout costs nothing.
type Timeout struct {
	setting    atomic.Pointer[timeoutSetting]
	detached   bool
	stragglers stragglers
}

// timeoutSetting is a config with the cause that its contexts end with, made
// once for all calls.
type timeoutSetting struct {
	TimeoutConfig
	cause *TimeoutError
}

// NewTimeout returns a Timeout, or the problems of its Config.
func NewTimeout(c TimeoutConfig) (*Timeout, error) {
	t := &Timeout{detached: c.Detached}
	t.stragglers.policy, t.stragglers.name = "timeout", c.Name
	t.stragglers.events.observer = c.Observer
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
	t.setting.Store(&timeoutSetting{c, &TimeoutError{After: c.Timeout}})
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
func (t *Timeout) Do(ctx context.Context, next Next) Result {
	s := t.setting.Load()
	if deadline, ok := ctx.Deadline(); ok && !t.detached && time.Until(deadline) <= s.Timeout {
		return next.Do(ctx)
	}
	within, cancel := context.WithTimeoutCause(ctx, s.Timeout, s.cause)
	open := false
	defer func() {
		if !open {
			cancel()
		}
	}()
	var r Result
	if t.detached {
		r = t.detach(ctx, within, next, s)
	} else {
		r = next.Do(within)
	}
	if open = r.Open(); open {
		r.AtEnd(func(Class) { cancel() })
	}
	return s.judge(within, r)
}

// detach makes the call on another goroutine and waits for it until within
// ends.
func (t *Timeout) detach(ctx, within context.Context, next Next, s *timeoutSetting) Result {
	if t.stragglers.count.Load() >= int64(s.AbandonedMax) {
		return rejection(ctx, &Rejected{Policy: "timeout", Reason: ErrAbandoned})
	}
	d := newDetached(&t.stragglers, 1)
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
	return Result{Err: s.cause, Class: Failure}
}

func (t *Timeout) joins() bool { return !t.detached }

// judge makes an error that came of this timeout's deadline say so.
func (s *timeoutSetting) judge(within context.Context, r Result) Result {
	if r.Err == nil || r.Class == Success || r.Class == Shed || !s.expired(within) {
		return r
	}
	r.Class = Failure
	if r.Err != error(s.cause) {
		r.Err = &TimeoutError{After: s.Timeout, Err: r.Err}
	}
	return r
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
