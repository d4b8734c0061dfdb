package policy

import (
	"cmp"
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
// [Priority], then what the user with the most waiting sends, then whoever has
// waited longest or could not be answered before its deadline.
//
// Learning is the affair of an [AdaptiveEstimator], and enforcing that of a
// gate.
type Adaptive struct {
	config  atomic.Pointer[AdaptiveConfig]
	gate    gate
	refused refusals
	service atomic.Int64 // how long a call takes, by the last estimate

	mu        sync.Mutex
	estimator AdaptiveEstimator // guarded
	course    course            // guarded
}

// NewAdaptive returns an Adaptive, or the problems of its Config.
func NewAdaptive(c AdaptiveConfig) (*Adaptive, error) {
	a := new(Adaptive)
	a.gate.order = &freshest{config: &a.config, limit: &a.gate.limit}
	a.refused.begin("adaptive", c.Name, c.Observer, ErrOverloaded, func(Event) string { return a.Status().Why })
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
		a.course.told = float64(c.Initial)
	case c.Estimator != nil && old.Estimator != nil: // goes on
	case (c.Estimator == nil) != (old.Estimator == nil), old.Algorithm != c.Algorithm, old.LatencyMax != c.LatencyMax:
		a.estimator = c.estimator(a.estimator.Estimate().Limit)
	}
	a.config.Store(&c)
	a.estimator.Bound(c.Min, c.Max)
	a.gate.resize(a.bounded(a.estimator.Estimate().Limit))
	return nil
}

// AdaptivePermit is one running call. The zero permit is inert. Do not copy one:
// the Done of each copy gives back a place.
type AdaptivePermit struct {
	adaptive    *Adaptive
	start, took time.Duration
	left        int // how many were inside when it gave its place back; 0: it has it
}

// Acquire takes a place for one call, and waits for it a little while. The
// context's deadline, [Priority] and key count as the call's. The error is a
// [Rejected] for [ErrOverloaded], or the context's: also where there is a place,
// but the deadline has passed.
func (a *Adaptive) Acquire(ctx context.Context) (AdaptivePermit, error) {
	if c := a.config.Load(); c.Disabled {
		return AdaptivePermit{}, nil
	}
	if a.gate.enter() {
		t := now()
		if deadline, ok := ctx.Deadline(); ok && deadline.Sub(epoch) <= t {
			return a.tooLate(ctx)
		}
		return AdaptivePermit{adaptive: a, start: t}, nil
	}
	return a.acquireInLine(ctx, a.callerOf(ctx), timeLeft(ctx))
}

// tooLate gives back the place of a call that nobody waits for any more.
func (a *Adaptive) tooLate(ctx context.Context) (AdaptivePermit, error) {
	a.gate.leave()
	return AdaptivePermit{}, cmp.Or(ctx.Err(), context.DeadlineExceeded)
}

// AcquireWithin is Acquire for a call whose deadline is not the context's:
// left is the time until then; zero means none, and less that it has passed: such
// a call is turned away. One that has to wait is turned away before its start
// once it could no longer be served in time.
func (a *Adaptive) AcquireWithin(ctx context.Context, left time.Duration) (AdaptivePermit, error) {
	if c := a.config.Load(); c.Disabled {
		return AdaptivePermit{}, nil
	}
	if left >= 0 && a.gate.enter() {
		return AdaptivePermit{adaptive: a, start: now()}, nil
	}
	return a.acquireInLine(ctx, a.callerOf(ctx), left)
}

// AcquireAs is AcquireWithin for a call whose caller is not in the context.
func (a *Adaptive) AcquireAs(ctx context.Context, by Caller, left time.Duration) (AdaptivePermit, error) {
	if c := a.config.Load(); c.Disabled {
		return AdaptivePermit{}, nil
	}
	if left >= 0 && a.gate.enter() {
		return AdaptivePermit{adaptive: a, start: now()}, nil
	}
	return a.acquireInLine(ctx, by, left)
}

func (a *Adaptive) acquireInLine(ctx context.Context, by Caller, left time.Duration) (AdaptivePermit, error) {
	if err := ctx.Err(); err != nil {
		return AdaptivePermit{}, err
	}
	c, t := a.config.Load(), now()
	w, patience := newWaiter(), c.WaitMax
	w.since, w.rank, w.key = t, by.Priority.rank(), by.Key
	if left != 0 {
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
	return a.refused.reject(max(time.Second, 2*time.Duration(a.service.Load())))
}

// Answered ends the time that counts as the callee's, and keeps the place: for
// a call whose answer is then streamed at the pace of whoever reads it.
func (p *AdaptivePermit) Answered() {
	if p.adaptive != nil && p.took == 0 {
		p.took = max(now()-p.start, 1)
	}
}

// Leave gives the place back while the call goes on: for one that has become a
// stream, or waits for whoever made it, and keeps the callee from no other work
// meanwhile. Done then only learns.
func (p *AdaptivePermit) Leave() {
	if p.adaptive != nil && p.left == 0 {
		p.left = p.adaptive.gate.leave()
	}
}

// Return takes a place again after Leave, whether one is free or not: the callee
// has the call already, and others are to wait for it.
func (p *AdaptivePermit) Return() {
	if p.adaptive != nil && p.left > 0 {
		p.left = 0
		p.adaptive.gate.word.Add(1)
	}
}

// Done gives the place back, unless Leave did, and learns from the call. Only the
// first Done of a permit counts.
func (p *AdaptivePermit) Done(class Class) {
	if a := p.adaptive; a != nil {
		p.adaptive = nil
		a.done(p, class)
	}
}

func (a *Adaptive) done(p *AdaptivePermit, class Class) {
	s := AdaptiveSample{Start: p.start, End: p.start + p.took, Class: class, InFlight: p.left}
	if p.took == 0 {
		s.End = now()
	}
	if s.InFlight == 0 {
		s.InFlight = a.gate.leave() // before Lag, which may panic
	}
	if c := a.config.Load(); c.Lag != nil {
		s.Start = min(s.Start+max(c.Lag(), 0), s.End-1)
	}
	if class != Shed && a.mu.TryLock() { // a sample is not worth waiting for
		a.learn(s)
	}
}

// learn takes a sample in and unlocks mu, which the caller has locked.
func (a *Adaptive) learn(s AdaptiveSample) {
	told := false
	defer func() {
		a.mu.Unlock()
		if told {
			a.refused.events.flush()
		}
	}()
	if a.estimator.Observe(s) {
		e := a.estimator.Estimate()
		a.adopt(e)
		told = !e.Passing && a.course.follow(&a.refused.events, s.End, float64(a.gate.limit.Load()), e.Why)
	}
}

// adopt enforces a new estimate. The caller holds mu.
func (a *Adaptive) adopt(e AdaptiveEstimate) {
	a.service.Store(int64(e.Baseline))
	limit := a.bounded(e.Limit)
	if int64(limit) != a.gate.limit.Load() {
		a.gate.resize(limit)
	}
}

// bounded is a limit within Min and Max, whatever the estimator makes of them.
func (a *Adaptive) bounded(limit int) int {
	c := a.config.Load()
	return min(max(limit, c.Min), c.Max)
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
	e := a.estimate()
	s := AdaptiveStatus{Limit: a.bounded(e.Limit), Baseline: e.Baseline, RTT: e.RTT, Shed: a.refused.total.Load()}
	s.InFlight, s.Queued = a.gate.counts()
	s.Why = fmt.Sprintf("at most %d at once: %s; calls took %v of late and %v at best",
		s.Limit, e.Why, e.RTT.Round(time.Microsecond), e.Baseline.Round(time.Microsecond))
	if a.config.Load().Disabled {
		s.Why = "disabled"
	}
	return s
}

// Counts is the part of Status that costs nothing: calls that run, calls that
// wait, and how many may run.
func (a *Adaptive) Counts() (inFlight, queued, limit int) {
	inFlight, queued = a.gate.counts()
	return inFlight, queued, int(a.gate.limit.Load())
}

func (a *Adaptive) estimate() AdaptiveEstimate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.estimator.Estimate()
}

// Do makes the call once there is a place for it. A panic teaches nothing.
func (a *Adaptive) Do(ctx context.Context, next Next) Result { return alone(ctx, a, next) }

func (a *Adaptive) run(ctx context.Context, next Next, r *Result) {
	p, err := a.Acquire(ctx)
	if err != nil {
		*r = rejection(ctx, err)
		return
	}
	defer p.Done(Ignored) // a panic or runtime.Goexit; else p is spent by then
	next.run(ctx, r)
	if r.ending != nil {
		p.Answered()
		held := p
		p.adaptive = nil
		r.AtEnd(held.Done)
		return
	}
	p.Done(r.Class)
}
