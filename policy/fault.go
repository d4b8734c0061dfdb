package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	// Name is what events call the fault.
	Name string `yaml:"-"`
	// Delay holds back a share of the calls. Default: none.
	Delay FaultDelay `yaml:"delay"`
	// Abort fails a share of the calls instead of making them. Default: none.
	Abort FaultAbort `yaml:"abort"`
	// Observer is told of calls that are delayed or aborted.
	Observer Observer `yaml:"-"`
	// For ends the fault so long after it was set: after that every call is
	// simply made, until it is set anew. A fault that is forgotten is an
	// outage. Default: it does not end.
	For time.Duration `yaml:"for"`
	// Key says on whose behalf a call is made, for Keys and PerKey. Default
	// [Key].
	Key KeyFunc `yaml:"-"`
	// Keys are those whose calls are hit; others pass. Default: all.
	Keys []string `yaml:"-"`
	// PerKey hits a share of the keys instead of one of the calls: the same key
	// is always hit or never, in every process, and a share that grows hits
	// those before and others. Calls of the empty key are drawn one by one.
	// Default false.
	PerKey bool `yaml:"-"`
}

// FaultDelay is the delay of a share of the calls.
type FaultDelay struct {
	// Share of the calls that are delayed. Default 0%.
	Share Ratio `yaml:"share"`
	// Duration is how long. Required when there is a share.
	Duration time.Duration `yaml:"duration"`
	// Spread is how much a delay may differ from Duration either way: with 20%
	// one of 5s is between 4s and 6s. Default 0%.
	Spread Ratio `yaml:"spread"`
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
	p.unless(usableDuration(c.Delay.Duration), "delay.duration", "want 0 to %v, got %v", durationMax, c.Delay.Duration)
	p.unless(c.Delay.Duration != 0 || c.Delay.Share <= 0, "delay.duration", "is missing: how long are %v of the calls delayed?", c.Delay.Share)
	p.unless(c.Delay.Spread >= 0 && c.Delay.Spread <= 1, "delay.spread", "want 0%% to 100%%, got %v", c.Delay.Spread)
	p.unless(c.Abort.Share >= 0 && c.Abort.Share <= 1, "abort.share", "want 0%% to 100%%, got %v", c.Abort.Share)
	p.unless(c.Abort.Status == 0 || c.Abort.Status >= 200 && c.Abort.Status <= 599, "abort.status", "want 200 to 599, got %d", c.Abort.Status)
	p.unless(usableDuration(c.For), "for", "want 0 to %v, got %v", durationMax, c.For)
	p.unless(len(c.Keys) <= faultKeysMax, "keys", "want at most %d, got %d", faultKeysMax, len(c.Keys))
	p.unless(!slices.Contains(c.Keys, ""), "keys", "want keys, got an empty one, which is that of calls without")
	return p.join()
}

// faultKeysMax bounds the keys that a fault knows.
const faultKeysMax = 10_000

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
	plan             atomic.Pointer[faultPlan]
	events           events
	delayed, aborted digest
}

// NewFault returns a Fault, or the problems of its Config. It begins now.
func NewFault(c FaultConfig) (*Fault, error) {
	f := new(Fault)
	f.events.begin("fault", c.Name, c.Observer)
	onPurpose := func(Event) string { return "on purpose" }
	f.delayed.begin(&f.events, EventDelayed, nil, onPurpose)
	f.aborted.begin(&f.events, EventAborted, nil, onPurpose)
	if err := f.Set(c); err != nil {
		return nil, err
	}
	return f, nil
}

// Set changes the configuration from the next call on, and begins the time of
// its For anew. Name and Observer stay as they were.
func (f *Fault) Set(c FaultConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	f.plan.Store(newFaultPlan(c.WithDefaults()))
	return nil
}

// Decide draws the fault of one call that has no key: how long to delay it,
// and whether to abort it after that. It counts both.
func (f *Fault) Decide() (delay time.Duration, abort bool) {
	delay, err := f.decide(context.Background(), f.plan.Load(), "")
	return delay, err != nil
}

func (f *Fault) decide(ctx context.Context, p *faultPlan, key string) (delay time.Duration, abort error) {
	if p.over() || p.keys != nil && !p.keys[key] {
		return 0, nil
	}
	if p.draw(p.Delay.Share, key, "delay") {
		delay = p.delay()
		f.delayed.happened(ctx, Event{Key: key, Wait: delay})
	}
	if p.draw(p.Abort.Share, key, "abort") {
		abort = p.Abort.Err
		f.aborted.happened(ctx, Event{Key: key, Class: Failure, Err: abort})
	}
	return delay, abort
}

// AbortStatus is the HTTP status of an aborted call.
func (f *Fault) AbortStatus() int { return f.plan.Load().Abort.Status }

// FaultStatus is what a Fault has done, for people.
type FaultStatus struct {
	Delayed, Aborted uint64
	// Over is set when the time of its For is up.
	Over bool
}

// Status reports the counts. It changes nothing.
func (f *Fault) Status() FaultStatus {
	return FaultStatus{Delayed: f.delayed.total.Load(), Aborted: f.aborted.total.Load(), Over: f.plan.Load().over()}
}

// Do delays the call, or fails it, or simply makes it.
func (f *Fault) Do(ctx context.Context, next Next) Result {
	p := f.plan.Load()
	delay, abort := f.decide(ctx, p, p.keyOf(ctx))
	if err := sleep(ctx, delay); err != nil && delay > 0 {
		class, _ := Classify(ctx, nil, err)
		return Result{Err: err, Class: class}
	}
	if abort != nil {
		return Result{Err: abort, Class: Failure}
	}
	return next.Do(ctx)
}
