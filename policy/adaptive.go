package policy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrOverloaded is why an Adaptive rejects a call: its callee is as busy as it
// can be without getting slower.
var ErrOverloaded = errors.New("callee is overloaded")

// Adaptive bounds how many calls run at once by a limit that it learns from
// how long they take, and sheds what is too much: first what has the lowest
// [Priority], then whoever has waited longest or could not be answered before
// its deadline.
//
// Learning is the affair of an estimator, and enforcing that of a gate.
type Adaptive struct {
	config  atomic.Pointer[AdaptiveConfig]
	gate    gate
	refused refusals
	service atomic.Int64 // how long a call takes, by the last estimate

	mu        sync.Mutex
	estimator estimator // guarded
}

// An estimator learns from finished calls how many a callee can serve at once.
// It reads no clock and does no I/O.
type estimator interface {
	// observe takes one sample in and reports whether the estimate is new.
	observe(sample) bool
	estimate() estimate
	// bound changes the range of the limit.
	bound(least, most int)
}

// sample is one finished call.
type sample struct {
	start, end time.Duration
	inFlight   int // calls, with this one, as it ended
	class      Class
}

// estimate is what an estimator has learned.
type estimate struct {
	limit int
	// baseline is how long a call takes when the callee is not busy, and rtt
	// how long it took of late; zero when not known yet.
	baseline, rtt time.Duration
	why           string
}

// NewAdaptive returns an Adaptive, or the problems of its Config.
func NewAdaptive(c AdaptiveConfig) (*Adaptive, error) {
	a := new(Adaptive)
	a.gate.order = &freshest{config: &a.config}
	a.refused.policy, a.refused.name = "adaptive", c.Name
	a.refused.events.observer = c.Observer
	if err := a.Set(c); err != nil {
		return nil, err
	}
	return a, nil
}

// Set changes the configuration and keeps what has been learned, within the
// new Min and Max; another Algorithm or LatencyMax begins with the limit as it
// is. Initial, Name and Observer stay as they were.
func (a *Adaptive) Set(c AdaptiveConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch old := a.config.Load(); {
	case old == nil:
		a.estimator = c.estimator(c.Initial)
	case old.Algorithm != c.Algorithm || old.LatencyMax != c.LatencyMax:
		a.estimator = c.estimator(a.estimator.estimate().limit)
	}
	a.config.Store(&c)
	a.estimator.bound(c.Min, c.Max)
	a.gate.resize(a.estimator.estimate().limit)
	return nil
}

// AdaptivePermit is one running call. The zero permit is inert.
type AdaptivePermit struct {
	adaptive    *Adaptive
	start, took time.Duration
}

// Acquire takes a place for one call, and waits for it a little while. The
// context's deadline counts as the call's. The error is a [Rejected] for
// [ErrOverloaded], or the context's.
func (a *Adaptive) Acquire(ctx context.Context) (AdaptivePermit, error) {
	if c := a.config.Load(); c.Disabled {
		return AdaptivePermit{}, nil
	}
	if a.gate.enter() {
		return AdaptivePermit{adaptive: a, start: now()}, nil
	}
	return a.acquireInLine(ctx, PriorityOf(ctx), timeLeft(ctx))
}

// AcquireWithin is Acquire for a call whose deadline is not the context's:
// left is the time until then, and zero means none. A call that has to wait is
// turned away before its start once it could no longer be served in time.
func (a *Adaptive) AcquireWithin(ctx context.Context, left time.Duration) (AdaptivePermit, error) {
	return a.AcquireAs(ctx, PriorityOf(ctx), left)
}

// AcquireAs is AcquireWithin for a call whose priority is not the context's.
func (a *Adaptive) AcquireAs(ctx context.Context, p Priority, left time.Duration) (AdaptivePermit, error) {
	if c := a.config.Load(); c.Disabled {
		return AdaptivePermit{}, nil
	}
	if a.gate.enter() {
		return AdaptivePermit{adaptive: a, start: now()}, nil
	}
	return a.acquireInLine(ctx, p, left)
}

func (a *Adaptive) acquireInLine(ctx context.Context, p Priority, left time.Duration) (AdaptivePermit, error) {
	if err := ctx.Err(); err != nil {
		return AdaptivePermit{}, err
	}
	c, t := a.config.Load(), now()
	w, patience := newWaiter(), c.WaitMax
	w.since, w.rank = t, p.rank()
	if left > 0 {
		left -= time.Duration(a.service.Load())
		w.until, patience = t+left, min(patience, left)
	}
	if patience <= 0 {
		return AdaptivePermit{}, a.shed(t)
	}
	entered, joined := a.gate.join(w, max(c.QueueMax, 0))
	if joined {
		var err error
		if entered, err = a.gate.wait(ctx, w, patience); err != nil {
			return AdaptivePermit{}, err
		}
		t = now()
	}
	if !entered {
		return AdaptivePermit{}, a.shed(t)
	}
	return AdaptivePermit{adaptive: a, start: t}, nil
}

// shed is the error of a call that is refused. A second is the least that
// Retry-After can say, and longer than an overload takes to drain.
func (a *Adaptive) shed(t time.Duration) error {
	a.refused.add(t, func() string { return a.Status().Why })
	return &Rejected{Policy: "adaptive", Reason: ErrOverloaded,
		RetryAfter: max(time.Second, 2*time.Duration(a.service.Load()))}
}

// Answered ends the time that counts as the callee's, and keeps the place: for
// a call whose answer is then streamed at the pace of whoever reads it.
func (p *AdaptivePermit) Answered() {
	if p.adaptive != nil && p.took == 0 {
		p.took = max(now()-p.start, 1)
	}
}

// Done gives the place back and learns from the call. Only the first Done of a
// permit counts.
func (p *AdaptivePermit) Done(class Class) {
	a := p.adaptive
	if a == nil {
		return
	}
	p.adaptive = nil
	s := sample{start: p.start, end: p.start + p.took, class: class}
	if p.took == 0 {
		s.end = now()
	}
	if c := a.config.Load(); c.Lag != nil {
		s.start = min(s.start+max(c.Lag(), 0), s.end-1)
	}
	s.inFlight = a.gate.leave()
	if class != Shed && a.mu.TryLock() { // a sample is not worth waiting for
		if a.estimator.observe(s) {
			a.adopt(a.estimator.estimate())
		}
		a.mu.Unlock()
	}
}

// adopt enforces a new estimate. The caller holds mu.
func (a *Adaptive) adopt(e estimate) {
	a.service.Store(int64(e.baseline))
	if int64(e.limit) != a.gate.limit.Load() {
		a.gate.resize(e.limit)
	}
}

// AdaptiveStatus is an Adaptive's state at one moment, for people.
type AdaptiveStatus struct {
	// InFlight calls run, Queued ones wait, and Limit may run.
	InFlight, Queued, Limit int
	// Baseline is how long a call takes when the callee is not busy, and RTT
	// how long it took of late; zero when not known yet.
	Baseline, RTT time.Duration
	// Shed is how many calls were refused so far.
	Shed uint64
	// Why says what led to the limit.
	Why string
}

// Status reports the limit's state. It changes nothing.
func (a *Adaptive) Status() AdaptiveStatus {
	a.mu.Lock()
	e := a.estimator.estimate()
	a.mu.Unlock()
	s := AdaptiveStatus{Limit: e.limit, Baseline: e.baseline, RTT: e.rtt, Shed: a.refused.total.Load()}
	s.InFlight, s.Queued = a.gate.counts()
	s.Why = fmt.Sprintf("at most %d at once: %s; calls took %v of late and %v at best",
		e.limit, e.why, e.rtt.Round(time.Microsecond), e.baseline.Round(time.Microsecond))
	if a.config.Load().Disabled {
		s.Why = "disabled"
	}
	return s
}

// Do makes the call once there is a place for it. A panic teaches nothing.
func (a *Adaptive) Do(ctx context.Context, next Next) Result {
	p, err := a.Acquire(ctx)
	if err != nil {
		return rejection(ctx, err)
	}
	defer p.Done(Ignored) // a panic or runtime.Goexit; else p is spent by then
	r := next.Do(ctx)
	if r.Open() {
		p.Answered()
		held := p
		p.adaptive = nil
		r.AtEnd(held.Done)
		return r
	}
	p.Done(r.Class)
	return r
}

func (a *Adaptive) joins() bool { return true }
