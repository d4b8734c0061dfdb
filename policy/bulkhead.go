package policy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrFull is why a Bulkhead rejects a call: as many as it allows are running.
var ErrFull = errors.New("bulkhead is full")

// BulkheadConfig configures a [Bulkhead]. Zero fields take the default beside
// them; MaxConcurrent has none.
type BulkheadConfig struct {
	// Name is what events call the bulkhead.
	Name string `yaml:"-"`
	// MaxConcurrent is how many calls may run at once. Required.
	MaxConcurrent int `yaml:"maxConcurrent"`
	// QueueMax is how many more may wait for their turn. Default 0: none.
	QueueMax int `yaml:"queueMax"`
	// WaitMax is how long they wait. Default 1s when there is a queue.
	WaitMax time.Duration `yaml:"waitMax"`
	// Observer is told that calls are refused.
	Observer Observer `yaml:"-"`
}

// placesMax bounds the calls that one gate may let in, and those that wait.
const placesMax = 1_000_000

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c BulkheadConfig) Validate() error {
	var p problems
	p.unless(c.MaxConcurrent > 0 && c.MaxConcurrent <= placesMax, "maxConcurrent", "want 1 to %d, got %d", placesMax, c.MaxConcurrent)
	p.unless(c.QueueMax >= 0 && c.QueueMax <= placesMax, "queueMax", "want 0 to %d, got %d", placesMax, c.QueueMax)
	p.unless(usableDuration(c.WaitMax), "waitMax", "want 0 to %v, got %v", durationMax, c.WaitMax)
	p.unless(c.WaitMax == 0 || c.QueueMax > 0, "waitMax", "needs a queue: set queueMax too")
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c BulkheadConfig) WithDefaults() BulkheadConfig {
	if c.QueueMax > 0 {
		setDefault(&c.WaitMax, time.Second)
	}
	return c
}

// Bulkhead bounds how many calls run at once, so that one slow callee cannot
// take all of a program's goroutines, connections and memory.
type Bulkhead struct {
	config  atomic.Pointer[BulkheadConfig]
	set     sync.Mutex // lets one Set run at a time
	gate    gate
	refused refusals
}

// NewBulkhead returns a Bulkhead, or the problems of its Config.
func NewBulkhead(c BulkheadConfig) (*Bulkhead, error) {
	b := new(Bulkhead)
	b.gate.order = inTurn{}
	b.refused.begin("bulkhead", c.Name, c.Observer, ErrFull, func(Event) string {
		s := b.Status()
		return fmt.Sprintf("%d of %d places are taken and %d calls wait", s.InFlight, s.MaxConcurrent, s.Queued)
	})
	if err := b.Set(c); err != nil {
		return nil, err
	}
	return b, nil
}

// Set changes the configuration at once: a larger bulkhead lets in those who
// wait; a smaller one lets nobody in until enough calls have ended. Calls that
// wait already keep their WaitMax. Name and Observer stay as they were.
func (b *Bulkhead) Set(c BulkheadConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	b.set.Lock()
	defer b.set.Unlock()
	b.config.Store(&c)
	b.gate.resize(c.MaxConcurrent)
	return nil
}

// BulkheadPermit is one call's place in a Bulkhead. The zero permit is inert. Do
// not copy one: the Done of each copy gives back a place.
type BulkheadPermit struct{ gate *gate }

// TryAcquire takes a place without waiting. The error is a [Rejected] for
// [ErrFull]. The permit's Done must be called once the call is over.
func (b *Bulkhead) TryAcquire() (BulkheadPermit, error) {
	if b.gate.enter() {
		return BulkheadPermit{&b.gate}, nil
	}
	return BulkheadPermit{}, b.reject()
}

// Acquire takes a place, and waits for it in the order of arrival while the
// queue has room. The error is a [Rejected] for [ErrFull], or the context's,
// which is looked at only where the call has to wait.
func (b *Bulkhead) Acquire(ctx context.Context) (BulkheadPermit, error) {
	if b.gate.enter() {
		return BulkheadPermit{&b.gate}, nil
	}
	return b.acquireInTurn(ctx)
}

func (b *Bulkhead) acquireInTurn(ctx context.Context) (BulkheadPermit, error) {
	if err := ctx.Err(); err != nil {
		return BulkheadPermit{}, err
	}
	c := b.config.Load()
	if c.QueueMax == 0 {
		return BulkheadPermit{}, b.reject()
	}
	w := newWaiter()
	entered, joined := b.gate.join(w, c.QueueMax)
	if joined {
		var err error
		if entered, err = b.gate.wait(ctx, w, c.WaitMax); err != nil {
			return BulkheadPermit{}, err
		}
	}
	if !entered {
		return BulkheadPermit{}, b.reject()
	}
	return BulkheadPermit{&b.gate}, nil
}

func (b *Bulkhead) reject() error {
	return b.refused.reject(0)
}

// Done gives the place back. Only the first Done of a permit counts; how the
// call ended does not matter here.
func (p *BulkheadPermit) Done(Class) {
	if g := p.gate; g != nil {
		p.gate = nil
		g.leave()
	}
}

// BulkheadStatus is a Bulkhead's state at one moment, for people.
type BulkheadStatus struct {
	// InFlight calls run, Queued ones wait, and MaxConcurrent may run.
	InFlight, Queued, MaxConcurrent int
	// Rejected is how many calls were refused so far.
	Rejected uint64
}

// Status reports the bulkhead's state. It changes nothing.
func (b *Bulkhead) Status() BulkheadStatus {
	s := BulkheadStatus{MaxConcurrent: int(b.gate.limit.Load()), Rejected: b.refused.total.Load()}
	s.InFlight, s.Queued = b.gate.counts()
	return s
}

// Do makes the call once there is a place for it.
func (b *Bulkhead) Do(ctx context.Context, next Next) Result { return alone(ctx, b, next) }

func (b *Bulkhead) run(ctx context.Context, next Next, r *Result) {
	p, err := b.Acquire(ctx)
	if err != nil {
		*r = rejection(ctx, err)
		return
	}
	defer p.Done(Ignored) // a panic or runtime.Goexit; else p is spent by then
	next.run(ctx, r)
	if r.ending != nil {
		held := p
		p.gate = nil
		r.AtEnd(held.Done)
		return
	}
	p.Done(r.Class)
}
