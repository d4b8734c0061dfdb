package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// ErrThrottled is why a Throttle rejects a call: its callee would most likely
// refuse it.
var ErrThrottled = errors.New("callee refuses too many calls")

// ThrottleConfig configures a [Throttle]. Zero fields take the default beside
// them.
type ThrottleConfig struct {
	// Name is what events call the throttle.
	Name string `yaml:"-"`
	// K is how many calls are sent for each that the callee accepts. A smaller
	// one spares the callee more; a larger one notices sooner that it has
	// recovered. Default 2.
	K float64 `yaml:"k"`
	// Window is the time over which calls are counted. Default 10s, which
	// heals in half a minute; the source's is 2m.
	Window time.Duration `yaml:"window"`
	// MinimumCalls is how many calls Window must hold before any is rejected.
	// Default 10.
	MinimumCalls int `yaml:"minimumCalls"`
	// MinPerSecond is how many calls a second are let through whatever the
	// odds, so that a callee that refused everything is soon found to have
	// recovered. Default 1; negative: none.
	MinPerSecond float64 `yaml:"minPerSecond"`
	// Observer is told that calls are rejected.
	Observer Observer `yaml:"-"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c ThrottleConfig) Validate() error {
	var p problems
	p.unless(c.K == 0 || c.K >= 1 && c.K <= 1000, "k", "want 1 to 1000, got %v", c.K)
	p.unless(usableWindow(c.Window), "window", "want 10ms to 1h, got %v", c.Window)
	p.unless(c.MinimumCalls >= 0, "minimumCalls", "want 0 or more, got %d", c.MinimumCalls)
	p.unless(c.MinPerSecond <= minPerSecondMax, "minPerSecond", "want at most %v, got %v", float64(minPerSecondMax), c.MinPerSecond)
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c ThrottleConfig) WithDefaults() ThrottleConfig {
	setDefault(&c.K, 2)
	setDefault(&c.Window, 10*time.Second)
	setDefault(&c.MinimumCalls, 10)
	setDefault(&c.MinPerSecond, 1)
	return c
}

// Throttle rejects calls that the callee would most likely refuse, so that it
// need not spend on refusing them what it lacks for the others. It is the
// client-side adaptive throttling of B. Beyer et al., "Site Reliability
// Engineering", 2016, chapter 21: a call is rejected with the probability
//
//	max(0, (requests - K x accepts) / (requests + 1))
//
// A call counts as accepted when it succeeds, and as a request once it has
// ended, so that neither a burst nor a slow callee looks like refusals. A call
// that its own caller gave up counts as neither.
//
// A [Breaker] stops a callee that is broken; a Throttle spares one that is
// overloaded, and never stops it entirely.
type Throttle struct {
	setting atomic.Pointer[throttleSetting]
	refused refusals
	sparing atomic.Int64 // when the next call is let through whatever the odds
}

// throttleSetting is a config with what is counted under it.
type throttleSetting struct {
	ThrottleConfig
	requests, accepts *window
	every             time.Duration // between calls let through whatever the odds; 0: none
}

// NewThrottle returns a Throttle, or the problems of its Config.
func NewThrottle(c ThrottleConfig) (*Throttle, error) {
	t := new(Throttle)
	t.refused.begin("throttle", c.Name, c.Observer, ErrThrottled, func(Event) string { return t.Status().Why })
	if err := t.Set(c); err != nil {
		return nil, err
	}
	return t, nil
}

// Set changes the configuration and keeps the counts, except that another
// Window begins to count anew. Name and Observer stay as they were.
func (t *Throttle) Set(c ThrottleConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	s := &throttleSetting{ThrottleConfig: c.WithDefaults()}
	if s.MinPerSecond > 0 {
		s.every = time.Duration(min(float64(time.Second)/s.MinPerSecond, float64(depthMax)))
	}
	if old := t.setting.Load(); old != nil && old.Window == s.Window {
		s.requests, s.accepts = old.requests, old.accepts
	} else {
		s.requests, s.accepts = newWindow(s.Window), newWindow(s.Window)
	}
	t.setting.Store(s)
	return nil
}

// ThrottlePermit lets one call through a Throttle. The zero permit is inert. Do
// not copy one: the Done of each copy counts a call.
type ThrottlePermit struct{ setting *throttleSetting }

// Allow asks to make one call. The error is a [Rejected] for [ErrThrottled].
// The permit's Done must be called once the call is over.
func (t *Throttle) Allow() (ThrottlePermit, error) {
	s, at := t.setting.Load(), now()
	if odds := s.odds(at); odds > 0 && rand.Float64() < odds && !t.spare(s, at) {
		s.requests.add(at, false, false)
		return ThrottlePermit{}, t.refused.reject(0)
	}
	return ThrottlePermit{s}, nil
}

// odds is the probability with which a call is rejected.
func (s *throttleSetting) odds(t time.Duration) float64 {
	requests := s.requests.sum(t).calls
	if requests < s.MinimumCalls {
		return 0
	}
	return max(0, (float64(requests)-s.K*float64(s.accepts.sum(t).calls))/float64(requests+1))
}

// spare lets a call through that drew its rejection, every so often.
func (t *Throttle) spare(s *throttleSetting, at time.Duration) bool {
	next := t.sparing.Load()
	return s.every > 0 && int64(at) >= next && t.sparing.CompareAndSwap(next, int64(at+s.every))
}

// Done says how the call went. Only the first Done of a permit counts.
func (p *ThrottlePermit) Done(class Class) {
	s := p.setting
	p.setting = nil
	if s == nil || class == Ignored {
		return
	}
	at := now()
	s.requests.add(at, false, false)
	if class == Success {
		s.accepts.add(at, false, false)
	}
}

// ThrottleStatus is a Throttle's state at one moment, for people.
type ThrottleStatus struct {
	// Requests and Accepts are the calls within the window.
	Requests, Accepts int
	// Odds is the share of calls that is rejected now.
	Odds Ratio
	// Rejected is how many calls were rejected so far.
	Rejected uint64
	// Why says what led to the odds.
	Why string
}

// Status reports the throttle's state. It changes nothing.
func (t *Throttle) Status() ThrottleStatus {
	s, at := t.setting.Load(), now()
	status := ThrottleStatus{Requests: s.requests.sum(at).calls, Accepts: s.accepts.sum(at).calls,
		Odds: Ratio(s.odds(at)), Rejected: t.refused.total.Load()}
	status.Why = fmt.Sprintf("the callee accepted %d of %d calls within %v, so %v are rejected",
		status.Accepts, status.Requests, s.Window, status.Odds)
	return status
}

// Do makes the call unless the odds are against it. A panic counts as refused.
func (t *Throttle) Do(ctx context.Context, next Next) Result { return alone(ctx, t, next) }

func (t *Throttle) run(ctx context.Context, next Next, r *Result) {
	p, err := t.Allow()
	if err != nil {
		*r = rejection(ctx, err)
		return
	}
	defer p.Done(Failure) // a panic or runtime.Goexit; else p is spent by then
	next.run(ctx, r)
	if r.ending != nil {
		held := p
		p.setting = nil
		r.AtEnd(held.Done)
		return
	}
	p.Done(r.Class)
}
