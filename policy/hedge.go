package policy

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// HedgeConfig configures a [Hedge]. Zero fields take the default beside them.
type HedgeConfig struct {
	// Delay is how long a try may take before another is started beside it:
	// best the time within which 95 of 100 calls are done. Default 100ms.
	Delay time.Duration `yaml:"delay"`
	// Quantile, such as 95%, makes the hedge measure its delay: the time within
	// which this share of the last calls were done, but at least a millisecond.
	// Until 100 calls are known, it is Delay. Default 0%: always Delay.
	Quantile Ratio `yaml:"quantile"`
	// Max is how many more tries a call may have, each a Delay after the one
	// before. Default 1; negative: none.
	Max int `yaml:"max"`
	// Budget bounds the further tries of all calls together. Its share is 5%
	// by default.
	Budget BudgetConfig `yaml:"budget"`
	// Name is what events call the hedge.
	Name string `yaml:"-"`
	// Observer is told of further tries, and of panics that come too late to
	// reach their caller.
	Observer Observer `yaml:"-"`
}

// hedgeMax bounds the tries that one call may have beside its first.
const hedgeMax = 10

// hedgeDelayMin is the least that a measured delay may be: a busy scheduler
// alone makes calls that much slower.
const hedgeDelayMin = time.Millisecond

// hedgeStragglersMax bounds the losers that ignore their context and still
// run: beyond it, no call is hedged.
const hedgeStragglersMax = 1000

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c HedgeConfig) Validate() error {
	var p problems
	p.unless(usableDuration(c.Delay), "delay", "want 0 to %v, got %v", durationMax, c.Delay)
	p.unless(c.Quantile >= 0 && c.Quantile < 1, "quantile", "want 0%% to less than 100%%, got %v", c.Quantile)
	p.unless(c.Max <= hedgeMax, "max", "want at most %d, got %d", hedgeMax, c.Max)
	c.Budget.validate(&p)
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c HedgeConfig) WithDefaults() HedgeConfig {
	setDefault(&c.Delay, 100*time.Millisecond)
	setDefault(&c.Max, 1)
	setDefault(&c.Budget.Share, 0.05)
	c.Budget = c.Budget.WithDefaults()
	return c
}

// Hedge starts a slow call once more and takes the first success, which cuts
// off the tail of a callee's latency. It repeats calls that are slow; to repeat
// those that failed is the work of a [Retry]. Put it only around calls that
// are idempotent. See J. Dean and L. Barroso, "The Tail at Scale", 2013.
//
// The losers are cancelled, and what they return is closed. The winner's
// context is cancelled when Do returns, or when its [Ending] is ended: use
// [Open] for a result that needs its context longer.
type Hedge struct {
	config     atomic.Pointer[HedgeConfig]
	budget     budget
	took       quantile
	stragglers stragglers

	started, won, refused digest
}

// NewHedge returns a Hedge, or the problems of its Config.
func NewHedge(c HedgeConfig) (*Hedge, error) {
	h := new(Hedge)
	h.budget.start()
	h.begin(c)
	if err := h.Set(c); err != nil {
		return nil, err
	}
	return h, nil
}

// Set changes the configuration for calls to come and keeps the budget's
// counts and what was measured. Name and Observer stay as they were.
func (h *Hedge) Set(c HedgeConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	h.config.Store(&c)
	return nil
}

// HedgeStatus is a Hedge's state at one moment, for people.
type HedgeStatus struct {
	// Delay is how long a try may take before another is started, and Measured
	// whether that follows the Quantile of the last calls.
	Delay    time.Duration
	Measured bool
	// Stragglers are losers that still run.
	Stragglers int
	// Started is how many further tries were started so far, Won how many of
	// them were the first to succeed, and Refused how many were not started,
	// for want of budget or because of stragglers.
	Started, Won, Refused uint64
	// Budget is what is left for further tries.
	Budget BudgetStatus
}

// Status reports the hedge's state. It changes nothing.
func (h *Hedge) Status() HedgeStatus {
	c := h.config.Load()
	return HedgeStatus{Delay: h.delay(c), Measured: c.Quantile > 0 && h.took.value.Load() > 0, Stragglers: int(h.stragglers.count.Load()),
		Started: h.started.total.Load(), Won: h.won.total.Load(), Refused: h.refused.total.Load(), Budget: h.budget.status(&c.Budget)}
}

// delay is how long a try may take before another is started.
func (h *Hedge) delay(c *HedgeConfig) time.Duration {
	if measured := h.took.value.Load(); c.Quantile > 0 && measured > 0 {
		return max(time.Duration(measured), hedgeDelayMin)
	}
	return c.Delay
}

// Do makes the call, and makes it again beside itself while it is slow.
func (h *Hedge) Do(ctx context.Context, next Next) Result {
	c := h.config.Load()
	h.budget.called(&c.Budget)
	if c.Max < 0 || once(ctx) {
		return next.Do(ctx)
	}
	call := hedgedCall{detached: newDetached(&h.stragglers, c.Max+1)}
	defer call.end()
	delay := h.delay(c)
	if c.Quantile > 0 {
		begin := now()
		defer func() { h.measure(c, &call, now()-begin, delay) }()
	}
	call.try(ctx, next)
	timer := time.NewTimer(delay)
	defer timer.Stop()
	for call.received < len(call.cancels) {
		select {
		case o := <-call.ends:
			if call.take(o) == Success {
				if o.try > 0 {
					h.won.happened(ctx, Event{Attempt: o.try + 1})
				}
				return call.settle()
			}
		case <-timer.C:
			if len(call.cancels) <= c.Max && h.may(ctx, c) {
				h.started.happened(ctx, Event{Attempt: len(call.cancels) + 1})
				call.try(ctx, next)
				timer.Reset(delay)
			}
		}
	}
	return call.settle()
}

// measure takes in how long a call took. One that a further try has answered
// would have taken at least as long alone; one that failed fast tells nothing.
func (h *Hedge) measure(c *HedgeConfig, call *hedgedCall, took, delay time.Duration) {
	if call.settled && (call.best.result.Class == Success || took > delay) {
		h.took.add(took, float64(c.Quantile))
	}
}

// errStragglers is why no call is hedged beyond hedgeStragglersMax.
var errStragglers = errors.New("too many losers still run")

// begin makes the hedge's events its own.
func (h *Hedge) begin(c HedgeConfig) {
	h.stragglers.begin("hedge", c.Name, c.Observer)
	slow := func(Event) string { return fmt.Sprintf("no result within %v", h.delay(h.config.Load())) }
	h.started.begin(&h.stragglers.events, EventHedge, nil, slow)
	h.won.begin(&h.stragglers.events, EventHedgeWon, nil, func(e Event) string {
		return fmt.Sprintf("try %d was the first to succeed", e.Attempt)
	})
	h.refused.begin(&h.stragglers.events, EventHedgeRefused, nil, func(e Event) string { return slow(e) + ", but " + e.Err.Error() })
}

// may reports whether one more try may start now, and counts it.
func (h *Hedge) may(ctx context.Context, c *HedgeConfig) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case h.stragglers.count.Load() >= hedgeStragglersMax:
		h.refused.happened(ctx, Event{Err: errStragglers})
		return false
	case !h.budget.spend(&c.Budget):
		h.refused.happened(ctx, Event{Err: ErrBudget})
		return false
	}
	return true
}

// hedgedCall is one call with all its tries.
type hedgedCall struct {
	*detached
	cancels  []context.CancelFunc // one a try
	received int
	best     tryEnd
	settled  bool
}

func (h *hedgedCall) try(ctx context.Context, next Next) {
	if n := len(h.cancels); n > 0 {
		ctx = context.WithValue(ctx, hedgeTry{}, n)
	}
	ctx, cancel := context.WithCancel(ctx)
	h.cancels = append(h.cancels, cancel)
	h.start(ctx, next, len(h.cancels)-1)
}

// take keeps the better of the ends so far: a success, else the first
// failure, else the first. It panics if the try did.
func (h *hedgedCall) take(o tryEnd) Class {
	h.received++
	o.raise()
	switch {
	case h.received == 1:
		h.best = o
	case o.result.Class == Success, o.result.Class == Failure && h.best.result.Class != Failure:
		h.stragglers.drop(h.best)
		h.best = o
	default:
		h.stragglers.drop(o)
	}
	return o.result.Class
}

// settle ends the call with the best result, whose context lives as long as
// the call does.
func (h *hedgedCall) settle() Result {
	h.settled = true
	cancel := h.cancels[h.best.try]
	h.best.result.AtEnd(func(Class) { cancel() })
	return h.best.result
}

// end cancels and leaves the losers, and after a panic all.
func (h *hedgedCall) end() {
	if !h.settled {
		h.stragglers.drop(h.best) // the zero value is nothing to close
	}
	for try, cancel := range h.cancels {
		if !h.settled || try != h.best.try {
			cancel()
		}
	}
	h.leave()
}
