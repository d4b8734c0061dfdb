package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// ErrInjected is the cause of every failure that a Fault makes up.
var ErrInjected = errors.New("fault injected")

// AbortError is a made-up failure that stands for an HTTP status.
type AbortError struct{ Status int }

func (e *AbortError) Error() string { return fmt.Sprintf("%v: status %d", ErrInjected, e.Status) }

// Unwrap returns [ErrInjected].
func (e *AbortError) Unwrap() error { return ErrInjected }

// FaultConfig configures a [Fault]. Delay and Abort are drawn independently,
// as in Istio's HTTPFaultInjection; a call may be delayed and then aborted.
type FaultConfig struct {
	// Delay holds back a share of the calls. Default: none.
	Delay FaultDelay `yaml:"delay"`
	// Abort fails a share of the calls instead of making them. Default: none.
	Abort FaultAbort `yaml:"abort"`
}

// FaultDelay is the delay of a share of the calls.
type FaultDelay struct {
	// Share of the calls that are delayed. Default 0%.
	Share Ratio `yaml:"share"`
	// Duration is how long. Required when there is a share.
	Duration time.Duration `yaml:"duration"`
}

// FaultAbort is the failure of a share of the calls.
type FaultAbort struct {
	// Share of the calls that are aborted. Default 0%.
	Share Ratio `yaml:"share"`
	// Status is the HTTP status that they get. Default 503.
	Status int `yaml:"status"`
	// Err is what they fail with in a Go program. Default an [AbortError] of
	// Status.
	Err error `yaml:"-"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c FaultConfig) Validate() error {
	var p problems
	p.unless(c.Delay.Share >= 0 && c.Delay.Share <= 1, "delay.share", "want 0%% to 100%%, got %v", c.Delay.Share)
	p.unless(c.Delay.Duration >= 0, "delay.duration", "want 0 or more, got %v", c.Delay.Duration)
	p.unless(c.Delay.Duration != 0 || c.Delay.Share <= 0, "delay.duration", "is missing: how long are %v of the calls delayed?", c.Delay.Share)
	p.unless(c.Abort.Share >= 0 && c.Abort.Share <= 1, "abort.share", "want 0%% to 100%%, got %v", c.Abort.Share)
	p.unless(c.Abort.Status == 0 || c.Abort.Status >= 200 && c.Abort.Status <= 599, "abort.status", "want 200 to 599, got %d", c.Abort.Status)
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c FaultConfig) WithDefaults() FaultConfig {
	setDefault(&c.Abort.Status, 503)
	if c.Abort.Err == nil {
		c.Abort.Err = &AbortError{c.Abort.Status}
	}
	return c
}

// Fault delays and fails a share of the calls on purpose, to see what becomes
// of a system when they do.
type Fault struct {
	config           atomic.Pointer[FaultConfig]
	delayed, aborted atomic.Uint64
}

// NewFault returns a Fault, or the problems of its Config.
func NewFault(c FaultConfig) (*Fault, error) {
	f := new(Fault)
	if err := f.Set(c); err != nil {
		return nil, err
	}
	return f, nil
}

// Set changes the configuration from the next call on.
func (f *Fault) Set(c FaultConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	f.config.Store(&c)
	return nil
}

// Decide draws the fault of one call: how long to delay it, and whether to
// abort it after that. It counts both.
func (f *Fault) Decide() (delay time.Duration, abort bool) {
	delay, err := f.decide()
	return delay, err != nil
}

func (f *Fault) decide() (delay time.Duration, abort error) {
	c := f.config.Load()
	if c.Delay.Share > 0 && rand.Float64() < float64(c.Delay.Share) {
		delay = c.Delay.Duration
		f.delayed.Add(1)
	}
	if c.Abort.Share > 0 && rand.Float64() < float64(c.Abort.Share) {
		abort = c.Abort.Err
		f.aborted.Add(1)
	}
	return delay, abort
}

// AbortStatus is the HTTP status of an aborted call.
func (f *Fault) AbortStatus() int { return f.config.Load().Abort.Status }

// FaultStatus counts what a Fault has done, for people.
type FaultStatus struct {
	Delayed, Aborted uint64
}

// Status reports the counts. It changes nothing.
func (f *Fault) Status() FaultStatus {
	return FaultStatus{Delayed: f.delayed.Load(), Aborted: f.aborted.Load()}
}

// Do delays the call, or fails it, or simply makes it.
func (f *Fault) Do(ctx context.Context, next Next) Result {
	delay, abort := f.decide()
	if err := sleep(ctx, delay); err != nil && delay > 0 {
		class, _ := Classify(ctx, nil, err)
		return Result{Err: err, Class: class}
	}
	if abort != nil {
		return Result{Err: abort, Class: Failure}
	}
	return next.Do(ctx)
}

func (f *Fault) joins() bool { return true }
