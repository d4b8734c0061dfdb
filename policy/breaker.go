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
	events events

	mu      sync.Mutex // guards changes of era and what is marked below
	reopens int        // guarded: half-open eras that failed since last closed
}

// era is one stay in one state. A permit belongs to an era, and a result that
// comes after its era has ended is dropped: it says nothing about the present.
type era struct {
	state       BreakerState
	began       time.Duration
	ends        time.Duration // of open and rampingUp
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
	b := new(Breaker)
	b.events.observer = c.Observer
	if err := b.Set(c); err != nil {
		return nil, err
	}
	return b, nil
}

// Set changes the configuration and keeps the state and its counts, except
// that another Window or WindowCalls begins to count anew. The Observer stays
// as it was.
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
		b.era.Store((&era{began: now()}).counting(c.outcomes()))
	} else if e := b.era.Load(); (old.Window != c.Window || old.WindowCalls != c.WindowCalls) && e.outcomes.Load() != nil {
		e.counting(c.outcomes())
	}
}

// counting makes the era count its calls in o.
func (e *era) counting(o outcomes) *era {
	e.outcomes.Store(&o)
	return e
}

// BreakerPermit lets one call through a Breaker. The zero permit is inert.
type BreakerPermit struct {
	breaker *Breaker
	era     *era
	start   time.Duration
	place   int
	taken   uint32
}

// Allow asks to make one call. The error is a [Rejected] for [ErrOpen]. The
// permit's Done must be called once the call is over.
func (b *Breaker) Allow() (BreakerPermit, error) {
	e := b.era.Load()
	switch e.state {
	case BreakerClosed:
	case BreakerOpen:
		// In an outage most calls end here: they must not queue for the lock.
		if after := e.ends - now(); e.forced || after > 0 {
			return BreakerPermit{}, rejectOpen(e, after)
		}
		return b.allowGuarded()
	default:
		return b.allowGuarded()
	}
	p := BreakerPermit{breaker: b, era: e}
	if b.config.Load().SlowCallDuration > 0 {
		p.start = now()
	}
	return p, nil
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
		e = b.enter((&era{state: BreakerClosed, began: t}).counting(*e.outcomes.Load()), "the ramp-up is over")
	}
	switch e.state {
	case BreakerOpen:
		return BreakerPermit{}, rejectOpen(e, e.ends-t)
	case BreakerHalfOpen:
		return b.probe(e, t)
	case BreakerRampingUp:
		if share := 0.1 + 0.9*float64(t-e.began)/float64(e.ends-e.began); rand.Float64() > share {
			return BreakerPermit{}, rejectOpen(e, 0)
		}
	}
	return BreakerPermit{breaker: b, era: e, start: t}, nil
}

// rejectOpen refuses a call of the era e. When it may help to try again is
// known only while the breaker is open and judges for itself.
func rejectOpen(e *era, after time.Duration) error {
	if e.forced {
		after = 0
	}
	reason := ErrOpen
	if e.isolated {
		reason = ErrIsolated
	}
	return &Rejected{Policy: "breaker", Reason: reason, RetryAfter: max(after, 0)}
}

// Done says how the call went. Only the first Done of a permit counts, and
// none counts that comes after the breaker's state has changed.
func (p *BreakerPermit) Done(class Class) {
	b, e := p.breaker, p.era
	p.breaker = nil
	if b == nil || b.era.Load() != e {
		return
	}
	if e.state == BreakerHalfOpen {
		b.probed(p, class)
		return
	}
	if class == Success || class == Failure {
		b.count(e, p.start, class)
	}
}

// count records a result of a closed or ramping era and opens the breaker when
// it is one too many.
func (b *Breaker) count(e *era, start time.Duration, class Class) {
	c, failed := b.config.Load(), class == Failure
	var why string
	if failed {
		n := e.consecutive.Add(1)
		if c.ConsecutiveFailures > 0 && n >= int64(c.ConsecutiveFailures) {
			why = fmt.Sprintf("%d failures in a row", n)
		}
	} else if e.consecutive.Load() != 0 {
		e.consecutive.Store(0)
	}
	if c.FailureRate > 0 || c.SlowCallDuration > 0 {
		if bad := c.rates(e, start, failed); why == "" {
			why = bad
		}
	}
	if why != "" {
		b.open(e, now(), why)
	}
}

// rates counts a call for the rates and explains which of them it makes too
// high, if any. The clock is read only where it counts.
func (c *BreakerConfig) rates(e *era, start time.Duration, failed bool) string {
	var t time.Duration
	if c.WindowCalls == 0 || c.SlowCallDuration > 0 {
		t = now()
	}
	slow := start > 0 && c.SlowCallDuration > 0 && t-start >= c.SlowCallDuration
	o := *e.outcomes.Load()
	o.add(t, failed, slow)
	if !failed && !slow {
		return ""
	}
	return c.tooMany(o.sum(t))
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

func (b *Breaker) openGuarded(t time.Duration, why string) {
	c := b.config.Load()
	period := c.OpenDuration
	for range b.reopens {
		if period *= 2; period >= c.OpenDurationMax {
			period = c.OpenDurationMax
			break
		}
	}
	period += time.Duration((rand.Float64() - 0.5) / 5 * float64(period))
	b.enter(&era{state: BreakerOpen, began: t, ends: t + period, why: why}, why)
}

// enter makes e the present era and tells the observer.
func (b *Breaker) enter(e *era, why string) *era {
	e.why = why // before it is published
	old := b.era.Swap(e)
	if old.state != e.state {
		b.events.put(Event{Policy: "breaker", Name: b.config.Load().Name, Kind: "state",
			From: old.state.String(), To: e.state.String(), Why: why})
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
		b.reopens = 0
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
}

// Status reports the breaker's state. It changes nothing.
func (b *Breaker) Status() BreakerStatus {
	e, t := b.era.Load(), now()
	s := BreakerStatus{State: e.state, Why: e.why, Since: t - e.began, Forced: e.forced, Isolated: e.isolated}
	if e.state == BreakerOpen && !e.forced {
		s.RetryAfter = max(e.ends-t, 0)
	}
	return s
}

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
func (b *Breaker) Do(ctx context.Context, next Next) Result {
	p, err := b.Allow()
	if err != nil {
		return rejection(ctx, err)
	}
	defer p.Done(Failure) // a panic or runtime.Goexit; else p is spent by then
	r := next.Do(ctx)
	if r.Open() {
		held := p
		p.breaker = nil
		r.AtEnd(held.Done)
		return r
	}
	p.Done(r.Class)
	return r
}

func (b *Breaker) joins() bool { return true }
