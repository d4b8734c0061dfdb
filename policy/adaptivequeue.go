package policy

import (
	"sync/atomic"
	"time"
)

// freshest is the order of calls that wait for an overloaded callee: CoDel
// with adaptive LIFO, as in B. Maurer, "Fail at Scale", ACM Queue, 2015.
//
// A queue that has been empty within WaitMax absorbs a burst: first come, first
// served. One that has not is a standing queue, in which the oldest calls are
// those whose callers are most likely to have given up. The newest is then
// served first, and whoever has waited for WaitTarget is turned away.
type freshest struct {
	config  *atomic.Pointer[AdaptiveConfig]
	dropped time.Duration
}

func (f *freshest) next(l *line) *waiter { return f.pick(l, f.overloaded(l, now())) }

func (f *freshest) pick(l *line, overloaded bool) *waiter {
	if overloaded {
		return l.newest
	}
	return l.oldest
}

func (f *freshest) late(l *line, full bool) *waiter {
	t, c := now(), f.config.Load()
	overloaded, patience := f.overloaded(l, t), c.WaitMax
	if overloaded {
		patience = c.WaitTarget
	}
	if t-l.oldest.since >= patience || full && overloaded {
		f.dropped = t
		return l.oldest
	}
	if w := f.pick(l, overloaded); w.until > 0 && t >= w.until {
		return w // it could not be served before its deadline
	}
	return nil
}

// overloaded reports whether a line that is not empty has been so for long.
func (f *freshest) overloaded(l *line, t time.Duration) bool {
	c := f.config.Load()
	return t-l.began >= c.WaitMax || f.dropped > 0 && t-f.dropped < c.WaitMax
}
