package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrOpen is why a Breaker rejects a call: its callee is failing.
	ErrOpen = errors.New("circuit breaker is open")
	// ErrIsolated is why it rejects one while an operator isolates the callee.
	// It is an ErrOpen to errors.Is.
	ErrIsolated = fmt.Errorf("%w: its callee is isolated", ErrOpen)
)

// BreakerState is the state of a [Breaker].
//
//	         too many failures              OpenDuration passed
//	closed ───────────────────────▶ open ───────────────────────▶ halfOpen
//	  ▲                              ▲        probes failed           │
//	  │                              └────────────────────────────────┤
//	  └──────────── rampingUp ◀───────────── probes succeeded ────────┘
type BreakerState uint8

const (
	// BreakerClosed lets every call through and counts.
	BreakerClosed BreakerState = iota
	// BreakerOpen rejects every call.
	BreakerOpen
	// BreakerHalfOpen lets a few probes through and rejects the rest.
	BreakerHalfOpen
	// BreakerRampingUp lets a growing share through, counting as when closed.
	BreakerRampingUp
)

// String returns the state as it appears in metrics, events and status.
func (s BreakerState) String() string {
	return [...]string{"closed", "open", "half-open", "ramping-up"}[s]
}

// Breaker stops calling a callee that fails, and tries it again carefully.
//
// The pattern is from M. Nygard, "Release It!"; probe leases, ramp-up and
// growing open periods are added so that neither a hung probe nor a recovering
// callee is a trap.
type Breaker struct {
	config atomic.Pointer[BreakerConfig]
	era    atomic.Pointer[era]
	*breakerNews
	key  string // of a KeyedBreaker's
	last lastRejected

	mu      sync.Mutex    // guards changes of era and what is marked below
	reopens int           // guarded: how often it opened again before it was calm
	period  time.Duration // guarded: of the last open era
}

// era is one stay in one state. A permit belongs to an era, and a result that
// comes after its era has ended is dropped: it says nothing about the present.
type era struct {
	breaker     *Breaker
	state       BreakerState
	began       time.Duration
	ends        time.Duration // of open and rampingUp
	calm        time.Duration // of closed and rampingUp: from when on earlier eras are forgotten
	forced      bool          // by an operator: ends only by Auto
	isolated    bool          // forced open, and the rejections say so
	why         string
	consecutive atomic.Int64
	outcomes    atomic.Pointer[outcomes] // nil where nothing is counted

	probes    []probe // guarded by the breaker's mu
	succeeded int     // guarded
	failed    int     // guarded
}

// NewBreaker returns a closed Breaker, or the problems of its Config.
func NewBreaker(c BreakerConfig) (*Breaker, error) {
	b := &Breaker{breakerNews: newBreakerNews(c)}
	if err := b.Set(c); err != nil {
		return nil, err
	}
	return b, nil
}

// Set changes the configuration and keeps the state and its counts, except
// that another Window or WindowCalls begins to count anew. Name and Observer
// stay as they were.
func (b *Breaker) Set(c BreakerConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	b.adopt(c.WithDefaults())
	return nil
}

// adopt is Set for a config that is valid and has its defaults.
func (b *Breaker) adopt(c BreakerConfig) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.config.Swap(&c)
	if old == nil {
		b.era.Store((&era{breaker: b, began: now()}).counting(c.outcomes()))
	} else if e := b.era.Load(); (old.Window != c.Window || old.WindowCalls != c.WindowCalls) && e.outcomes.Load() != nil {
		e.counting(c.outcomes())
	}
}

// counting makes the era count its calls in o.
func (e *era) counting(o outcomes) *era {
	e.outcomes.Store(&o)
	return e
}

// BreakerPermit lets one call through a Breaker. The zero permit is inert. Do not
// copy one: the Done of each copy counts a call.
//
// Its size matters: the compiler keeps a struct of up to four words and four
// fields in registers, and copies a larger one through memory at each return.
type BreakerPermit struct {
	era          *era // nil once it is spent
	start        time.Duration
	place, taken uint32 // of a probe
}

// Allow asks to make one call. The error is a [Rejected] for [ErrOpen]. The
// permit's Done must be called once the call is over.
func (b *Breaker) Allow() (BreakerPermit, error) {
	if e := b.era.Load(); e.state == BreakerClosed && b.config.Load().SlowCallDuration <= 0 {
		return BreakerPermit{era: e}, nil
	}
	return b.allow()
}

// allow is Allow for all but the common case, which is small enough to be
// compiled into its callers.
func (b *Breaker) allow() (BreakerPermit, error) {
	switch e := b.era.Load(); e.state {
	case BreakerClosed:
		return BreakerPermit{era: e, start: now()}, nil
	case BreakerOpen:
		// In an outage most calls end here: they must not queue for the lock.
		if after := e.ends - now(); e.forced || after > 0 {
			err := b.rejectOpen(e, after)
			b.events.flush()
			return BreakerPermit{}, err
		}
	}
	return b.allowGuarded()
}

// allowGuarded is Allow for the states that are not closed.
func (b *Breaker) allowGuarded() (BreakerPermit, error) {
	defer b.events.flush()
	b.mu.Lock()
	defer b.mu.Unlock()
	t, c := now(), b.config.Load()
	e := b.era.Load()
	switch {
	case e.forced:
	case e.state == BreakerHalfOpen:
		e = b.expire(e, t)
	case e.state == BreakerOpen && t >= e.ends:
		e = b.enter(&era{state: BreakerHalfOpen, began: t, probes: make([]probe, c.Probes)}, "the open period is over")
	case e.state == BreakerRampingUp && t >= e.ends:
		next := (&era{state: BreakerClosed, began: t, calm: e.calm}).counting(*e.outcomes.Load())
		next.consecutive.Store(e.consecutive.Load())
		e = b.enter(next, "the ramp-up is over")
	}
	switch e.state {
	case BreakerOpen:
		return BreakerPermit{}, b.rejectOpen(e, e.ends-t)
	case BreakerHalfOpen:
		return b.probe(e, t)
	case BreakerRampingUp:
		if share := 0.1 + 0.9*float64(t-e.began)/float64(e.ends-e.began); rand.Float64() > share {
			return BreakerPermit{}, b.rejectOpen(e, 0)
		}
	}
	return BreakerPermit{era: e, start: t}, nil
}

// rejectOpen refuses a call of the era e. When it may help to try again is
// known only while the breaker is open and judges for itself.
func (b *Breaker) rejectOpen(e *era, after time.Duration) error {
	if e.forced {
		after = 0
	}
	d := &b.refused
	if e.isolated {
		d = &b.refusedIsolated
	}
	return b.last.refuse(d, max(after, 0), b.key, e.why)
}

// Done says how the call went. Only the first Done of a permit counts, and
// none counts that comes after the breaker's state has changed.
func (p *BreakerPermit) Done(class Class) {
	if e := p.era; e != nil {
		p.era = nil
		e.done(p, class)
	}
}

func (e *era) done(p *BreakerPermit, class Class) {
	switch b := e.breaker; {
	case b.era.Load() != e:
	case e.state == BreakerHalfOpen:
		b.probed(e, p, class)
	case class == Success || class == Failure:
		b.count(e, p.start, class == Failure)
	}
}

// count records a result of a closed or ramping era. The clock is read only
// where it counts.
func (b *Breaker) count(e *era, start time.Duration, failed bool) {
	c := b.config.Load()
	if !failed && e.consecutive.Load() != 0 {
		e.consecutive.Store(0)
	}
	var t time.Duration
	slow := false
	if c.FailureRate > 0 || c.SlowCallDuration > 0 {
		if c.WindowCalls == 0 || c.SlowCallDuration > 0 {
			t = now()
			slow = start > 0 && c.SlowCallDuration > 0 && t-start >= c.SlowCallDuration
		}
		(*e.outcomes.Load()).add(t, failed, slow)
	}
	if failed || slow {
		b.convict(e, c, t, failed)
	}
}

// convict opens the breaker if a call that failed or was slow, and has been
// counted, is one too many.
func (b *Breaker) convict(e *era, c *BreakerConfig, t time.Duration, failed bool) {
	var why string
	if failed {
		n := e.consecutive.Add(1)
		if c.ConsecutiveFailures > 0 && n >= int64(c.ConsecutiveFailures) {
			why = fmt.Sprintf("%d failures in a row", n)
		}
	}
	if why == "" && (c.FailureRate > 0 || c.SlowCallDuration > 0) {
		why = c.tooMany((*e.outcomes.Load()).sum(t))
	}
	if why != "" {
		b.open(e, now(), why)
	}
}

// open ends the era e, unless another call has ended it already.
func (b *Breaker) open(e *era, t time.Duration, why string) {
	defer b.events.flush()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.era.Load() == e && !e.forced {
		b.openGuarded(t, why)
	}
}

// openGuarded opens the breaker, for longer than the last time unless it was
// calm before: a callee that flaps passes its probes again and again.
func (b *Breaker) openGuarded(t time.Duration, why string) {
	c := b.config.Load()
	if e := b.era.Load(); e.state == BreakerHalfOpen || t < e.calm {
		b.reopens++
	} else {
		b.reopens = 0
	}
	period := c.OpenDuration
	for range b.reopens {
		if period *= 2; period >= c.OpenDurationMax {
			period = c.OpenDurationMax
			break
		}
	}
	period += time.Duration((rand.Float64() - 0.5) / 5 * float64(period))
	b.period = period
	b.enter(&era{state: BreakerOpen, began: t, ends: t + period, why: why}, why)
}

// enter makes e the present era and tells the observer.
func (b *Breaker) enter(e *era, why string) *era {
	e.breaker, e.why = b, why // before it is published
	old := b.era.Swap(e)
	if old.state != e.state {
		if e.state == BreakerOpen {
			b.opened.Add(1)
		}
		b.events.put(Event{Kind: EventState, From: old.state.String(), To: e.state.String(), Why: why, Key: b.key})
	}
	return e
}

// Force holds the breaker open or closed until Auto, for the reason given.
func (b *Breaker) Force(open bool, why string) {
	e := &era{state: BreakerClosed, forced: true}
	if open {
		e.state = BreakerOpen
	}
	b.hold(e, why)
}

// Isolate holds the breaker open until Auto, for the reason given. Unlike those
// of Force, its rejections say that it is not the callee that fails: see
// [ErrIsolated].
func (b *Breaker) Isolate(why string) {
	b.hold(&era{state: BreakerOpen, forced: true, isolated: true}, why)
}

// Auto ends what Force or Isolate began: the breaker is closed and judges for
// itself.
func (b *Breaker) Auto() {
	defer b.events.flush()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.era.Load().forced {
		b.enter((&era{began: now()}).counting(b.config.Load().outcomes()), "no longer forced")
	}
}

// hold makes a forced era the present one.
func (b *Breaker) hold(e *era, why string) {
	defer b.events.flush()
	b.mu.Lock()
	defer b.mu.Unlock()
	e.began = now()
	b.enter(e.counting(b.config.Load().outcomes()), why)
}

// BreakerStatus is a Breaker's state at one moment, for people.
type BreakerStatus struct {
	State BreakerState
	// Why says what led to the state.
	Why string
	// Since is how long the state has lasted.
	Since time.Duration
	// RetryAfter is how long until an open breaker lets its next probe through.
	RetryAfter time.Duration
	// Forced is set by Force and Isolate, and Isolated by Isolate alone.
	Forced, Isolated bool
	// Isolation is how many calls were refused while an operator isolated the
	// callee; they are among the Rejected.
	Isolation uint64
	// Opened is how often the breaker opened so far, and Rejected how many
	// calls it refused. Those of a [KeyedBreaker] count together.
	Opened, Rejected uint64
}

// Status reports the breaker's state. It changes nothing.
func (b *Breaker) Status() BreakerStatus {
	e, t := b.era.Load(), now()
	s := BreakerStatus{State: e.state, Why: e.why, Since: t - e.began, Forced: e.forced, Isolated: e.isolated,
		Opened: b.opened.Load(), Rejected: b.rejected(), Isolation: b.refusedIsolated.total.Load()}
	if e.state == BreakerOpen && !e.forced {
		s.RetryAfter = max(e.ends-t, 0)
	}
	return s
}

// State is that of Status, for a caller who wants nothing else: it costs less.
func (b *Breaker) State() BreakerState { return b.era.Load().state }

// Ready reports whether Allow may let a call through now. A load balancer asks
// it to pass over a breaker that is open or has no place for another probe; it
// takes none itself.
func (b *Breaker) Ready() bool {
	switch e := b.era.Load(); e.state {
	case BreakerOpen:
		return !e.forced && now() >= e.ends
	case BreakerHalfOpen:
		return b.readyGuarded()
	}
	return true
}

// readyGuarded is Ready for the half-open state. It ends leases as Allow does,
// or a balancer that asks Ready first would never learn that its probes hang.
func (b *Breaker) readyGuarded() bool {
	defer b.events.flush()
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.era.Load()
	if e.state == BreakerHalfOpen {
		e = b.expire(e, now())
	}
	switch e.state {
	case BreakerOpen:
		return false
	case BreakerHalfOpen:
		return e.hasPlace()
	}
	return true
}

// Do makes the call unless the breaker is open. A panic counts as a failure.
func (b *Breaker) Do(ctx context.Context, next Next) Result { return alone(ctx, b, next) }

func (b *Breaker) run(ctx context.Context, next Next, r *Result) {
	p, err := b.Allow()
	if err != nil {
		*r = rejection(ctx, err)
		return
	}
	defer p.Done(Failure) // a panic or runtime.Goexit; else p is spent by then
	next.run(ctx, r)
	if r.ending != nil {
		held := p
		p.era = nil
		r.AtEnd(held.Done)
		return
	}
	p.Done(r.Class)
}
