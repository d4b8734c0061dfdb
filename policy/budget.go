package policy

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// BudgetConfig bounds retries to a share of the traffic, so that an outage is
// not made worse by its own retries. Zero fields take the default beside them.
//
// The form is Finagle's and the Gateway API's (GEP-3388).
type BudgetConfig struct {
	// Share of the calls within Window that may be repeated. Default 20%.
	Share Ratio `yaml:"share"`
	// MinPerSecond is how many repeats a second are allowed however little
	// traffic there is. Default 3; negative: none.
	MinPerSecond float64 `yaml:"minPerSecond"`
	// Window is the time over which the share is measured. Default 10s.
	Window time.Duration `yaml:"window"`
	// Off lifts the budget: only for a caller whose volume is bounded.
	Off bool `yaml:"off"`
}

func (c BudgetConfig) validate(p *problems) {
	p.unless(c.Share >= 0 && c.Share <= 1, "budget.share", "want 0%% to 100%%, got %v", c.Share)
	p.unless(c.MinPerSecond <= minPerSecondMax, "budget.minPerSecond", "want at most %v, got %v", float64(minPerSecondMax), c.MinPerSecond)
	p.unless(usableWindow(c.Window), "budget.window", "want 10ms to 1h, got %v", c.Window)
}

// minPerSecondMax keeps infinity and NaN out of the sums.
const minPerSecondMax = 1e6

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c BudgetConfig) WithDefaults() BudgetConfig {
	setDefault(&c.Share, 0.2)
	setDefault(&c.MinPerSecond, 3)
	setDefault(&c.Window, 10*time.Second)
	return c
}

// budget counts calls and repeats. A call costs it one atomic addition; the clock
// is read for a repeat and for one call in budgetStride. The calls since it was
// last read are taken as evenly spread: that is how many may be misplaced.
type budget struct {
	calls atomic.Int64

	mu       sync.Mutex
	rolled   time.Duration // up to when calls are in the buckets
	counted  int64         // calls at that moment
	buckets  [windowBuckets]struct{ calls, repeats float64 }
	position int
}

// budgetStride is a power of two.
const budgetStride = 64

// start makes the budget count from now on.
func (b *budget) start() { b.rolled = now() }

// called counts a call.
func (b *budget) called(c *BudgetConfig) {
	if b.calls.Add(1)%budgetStride == 0 {
		b.place(c)
	}
}

// place puts the calls so far where they belong, unless somebody else is at it.
func (b *budget) place(c *BudgetConfig) {
	if !c.Off && b.mu.TryLock() {
		b.roll(c.Window / windowBuckets)
		b.mu.Unlock()
	}
}

// spend takes one repeat from the budget, if there is one left.
func (b *budget) spend(c *BudgetConfig) bool {
	if c.Off {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(c.Window / windowBuckets)
	repeats, allowed := b.sum(c)
	if repeats+1 > allowed {
		return false
	}
	b.buckets[b.position].repeats++
	return true
}

// sum is how many repeats are within the window, and how many may be. The
// caller holds mu and has rolled the ring.
func (b *budget) sum(c *BudgetConfig) (repeats, allowed float64) {
	var calls float64
	for i := range b.buckets {
		calls += b.buckets[i].calls
		repeats += b.buckets[i].repeats
	}
	return repeats, float64(c.Share)*calls + max(c.MinPerSecond, 0)*c.Window.Seconds()
}

// BudgetStatus is a budget's state at one moment, for people.
type BudgetStatus struct {
	// Spent is how many repeats the calls of the window had, and Left how many
	// more they may have now. Off lifts the budget: then both are zero.
	Spent, Left float64
	Off         bool
}

func (b *budget) status(c *BudgetConfig) BudgetStatus {
	if c.Off {
		return BudgetStatus{Off: true}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(c.Window / windowBuckets)
	spent, allowed := b.sum(c)
	return BudgetStatus{Spent: spent, Left: math.Floor(max(allowed-spent, 0))}
}

// roll moves the ring on to now and spreads the new calls over the buckets
// that have passed since the last time.
func (b *budget) roll(width time.Duration) {
	t, total := now(), b.calls.Load()
	slots := int64(t/width) - int64(b.rolled/width)
	each := float64(total-b.counted) / float64(max(slots+1, 1))
	b.counted = total
	b.buckets[b.position].calls += each
	for range min(slots, windowBuckets) {
		b.position = (b.position + 1) % windowBuckets
		b.buckets[b.position].calls = each
		b.buckets[b.position].repeats = 0
	}
	b.rolled = max(b.rolled, t)
}
