package policy

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// deadlineContext is a context.WithDeadlineCause that is made when it is looked
// at. That one takes a timer, four allocations and the lock of its parent, and
// most calls end long before their deadline without having asked for it. This
// one is a single allocation. See docs/decisions/0007-lazy-deadline.md.
//
// Whoever asks for Done, or for Err when that is no longer nil, has the context
// of package context made, and is handed on to it from then on, Value included.
// So contexts derived from this one find in it what that package looks for:
// they need no goroutine to hear of its end, and context.Cause knows its cause.
type deadlineContext struct {
	parent   context.Context // has no sooner deadline
	deadline time.Time
	cause    *TimeoutError // at the deadline
	made     atomic.Pointer[madeContext]
	asked    atomic.Uint32 // Err, before the context was made
	end      atomic.Uint32 // of a context that was not made
}

type madeContext struct {
	context.Context
	cancel context.CancelFunc
}

const (
	notEnded = iota
	endCancelled
	endExpired
)

// askedMost is how often Err reads the clock: it would cost more than a timer.
const askedMost = 16

func (c *deadlineContext) Deadline() (time.Time, bool) { return c.deadline, true }

func (c *deadlineContext) Done() <-chan struct{} { return c.make().Done() }

func (c *deadlineContext) Err() error {
	if made := c.made.Load(); made != nil {
		return made.Err()
	}
	if c.end.Load() == notEnded && c.parent.Err() == nil && time.Until(c.deadline) > 0 && c.asked.Add(1) <= askedMost {
		return nil
	}
	return c.make().Err()
}

func (c *deadlineContext) Value(key any) any {
	if made := c.made.Load(); made != nil {
		return made.Value(key)
	}
	return c.parent.Value(key)
}

func (c *deadlineContext) String() string {
	return fmt.Sprintf("%v.Timeout(%v)", c.parent, c.cause.After)
}

// make makes the context, unless it is made.
func (c *deadlineContext) make() *madeContext {
	if made := c.made.Load(); made != nil {
		return made
	}
	made, end := new(madeContext), c.end.Load()
	if end == notEnded && c.parent.Err() == context.DeadlineExceeded && time.Until(c.deadline) <= 0 {
		end = endExpired // before the parent, whose deadline is later
	}
	switch end {
	case notEnded:
		made.Context, made.cancel = context.WithDeadlineCause(c.parent, c.deadline, c.cause)
	case endExpired:
		made.Context, made.cancel = context.WithDeadlineCause(context.WithoutCancel(c.parent), c.deadline, c.cause)
	case endCancelled: // before whatever has become of the parent since
		made.Context, made.cancel = context.WithCancel(context.WithoutCancel(c.parent))
		made.cancel()
	}
	if !c.made.CompareAndSwap(nil, made) {
		made.cancel()
		return c.made.Load()
	}
	if end == notEnded && c.end.Load() != notEnded { // it ended meanwhile, and may not have seen what was made
		made.cancel()
	}
	return made
}

// cancel ends the context. One that was not made remembers how it would have
// ended: whoever kept it may still look.
func (c *deadlineContext) cancel() {
	switch {
	case c.made.Load() != nil:
	case c.parent.Err() != nil:
		c.make()
	case time.Until(c.deadline) <= 0:
		c.end.CompareAndSwap(notEnded, endExpired)
	default:
		c.end.CompareAndSwap(notEnded, endCancelled)
	}
	if made := c.made.Load(); made != nil {
		made.cancel()
	}
}
