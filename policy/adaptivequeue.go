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
//
// Before all that comes the priority: whoever has the highest goes first, the
// standing queue is of those who have the lowest, and where the line is full,
// the oldest of them makes room for one that has at least the same. No place
// stays empty for a priority that does not come.
type freshest struct {
	config  *atomic.Pointer[AdaptiveConfig]
	dropped time.Duration
}

func (f *freshest) next(l *line) *waiter { return f.pick(l, f.overloaded(l, now())) }

func (f *freshest) pick(l *line, overloaded bool) *waiter {
	queue := &l.ranks[l.first()]
	if overloaded {
		return queue.newest
	}
	return queue.oldest
}

func (f *freshest) late(l *line, joining *waiter) *waiter {
	t, c := now(), f.config.Load()
	overloaded, lowest := f.overloaded(l, t), l.last()
	for rank := lowest; rank >= 0; rank-- {
		patience := c.WaitMax
		if overloaded && rank == lowest {
			patience = c.WaitTarget // the standing queue is of these
		}
		if w := l.ranks[rank].oldest; w != nil && t-w.since >= patience {
			f.dropped = t
			return w
		}
	}
	if joining != nil && (lowest > joining.rank || overloaded && lowest == joining.rank) {
		f.dropped = t
		return l.ranks[lowest].oldest
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
