package policy

import (
	"sync/atomic"
	"time"
)

// freshest is the order of calls that wait for an overloaded callee: CoDel
// with adaptive LIFO, as in B. Maurer, "Fail at Scale", ACM Queue, 2015, for
// each user by itself, as FQ-CoDel does for each flow (RFC 8290).
//
// A user's queue that has been empty within WaitMax absorbs a burst: first
// come, first served. One that has not is a standing queue, in which the oldest
// calls are those whose callers are most likely to have given up. The newest is
// then served first, and whoever has waited for WaitTarget is turned away.
// Users take turns, one call each. While there is a standing queue of whatever
// users, one who has not been served within WaitMax goes before them, the newest
// first: a crowd of users with a call each is otherwise served in the order of
// arrival, each when it has almost lost its patience. Where the line is full,
// room is made by whoever has the most waiting.
//
// When the overload ends, more are served than come. Nobody would have to be
// turned away any more, if the order were that of arrival again: those who came
// last have the most time left. So it is, until more come than are served.
//
// Before all that comes the priority: whoever has the highest goes first, and
// those who have the lowest make room for one that has a higher. No place stays
// empty for a priority that does not come.
type freshest struct {
	config *atomic.Pointer[AdaptiveConfig]
	limit  *atomic.Int64
	ebb    ebb
}

func (f *freshest) push(l *line, w *waiter) {
	l.push(w)
	f.ebb.came(f.limit.Load(), l.length == 1)
	q, t := &l.ranks[w.rank], w.since
	if w.user.count == 1 && !f.ebb.now && f.crowded(q, t) && !q.served.has(w.key, t, f.config.Load().WaitMax) {
		q.goesFirst(w.user)
	}
}

func (f *freshest) next(l *line) *waiter {
	q, t := &l.ranks[l.first()], now()
	w := f.pick(f.turn(q), t)
	q.tookTurn(w.user)
	q.served.note(w.key, t, f.config.Load().WaitMax)
	f.ebb.served()
	return w
}

func (f *freshest) turn(q *queue) *user {
	if f.ebb.now {
		return q.patient()
	}
	return q.next()
}

func (f *freshest) pick(u *user, t time.Duration) *waiter {
	if f.stands(u, t) && !f.ebb.now {
		return u.waiting.newest
	}
	return u.waiting.oldest
}

// late looks at those of whom it matters most: who has the most waiting where
// least is served, and whose turn it is. Others have their own timers.
func (f *freshest) late(l *line, joining *waiter) *waiter {
	t := now()
	turn, longest := f.turn(&l.ranks[l.first()]), l.ranks[l.last()].longest[0]
	w := f.expired(longest, t)
	if w == nil && joining != nil {
		w = f.displaced(l, joining, t)
	}
	if w == nil {
		w = f.expired(turn, t)
	}
	if w != nil {
		w.user.shed = t
		return w
	}
	if w = f.pick(turn, t); w.until > 0 && t >= w.until {
		return w // it could not be served before its deadline
	}
	return nil
}

// expired is the oldest call of a user if it has waited for too long, or nil.
func (f *freshest) expired(u *user, t time.Duration) *waiter {
	c := f.config.Load()
	patience := c.WaitMax
	if f.stands(u, t) {
		patience = c.WaitTarget
	}
	if w := u.waiting.oldest; t-w.since >= patience {
		return w
	}
	return nil
}

// displaced is who makes room for a call that joins a full line, or nil: one of
// the lowest rank, of the user who would have the most waiting.
func (f *freshest) displaced(l *line, joining *waiter, t time.Duration) *waiter {
	rank := l.last()
	q := &l.ranks[rank]
	longest, own := q.longest[0], q.waitingFor(joining.key)
	switch {
	case rank < joining.rank:
		return nil
	case rank > joining.rank:
		return longest.waiting.oldest
	case longest.count > own+1 && !f.stands(longest, t):
		return longest.waiting.newest // whoever came first goes first
	case longest.count > own+1, longest.count > own && f.crowded(q, t):
		return longest.waiting.oldest
	case own > 0 && f.stands(q.userOf(joining.key), t):
		return q.userOf(joining.key).waiting.oldest
	}
	return nil
}

// stands reports whether calls have been waiting for a user for long.
func (f *freshest) stands(u *user, t time.Duration) bool {
	c := f.config.Load()
	return t-u.began >= c.WaitMax || u.shed > 0 && t-u.shed < c.WaitMax
}

// crowded reports whether calls of one priority have been waiting for long,
// whatever users they are of.
func (f *freshest) crowded(q *queue, t time.Duration) bool {
	return t-q.began >= f.config.Load().WaitMax
}

// ebb is when more are served than come. What tells it from chance is how many
// more, as in a CUSUM test (E. S. Page, "Continuous Inspection Schemes",
// Biometrika 41, 1954): as many as half of the limit, since so many may come or
// leave at once, and 8 at least.
type ebb struct {
	now   bool
	level int64 // how many more came than were served, from 0 to the bound
}

const ebbMin = 8

// came takes a call that waits from now on; alone means that no other does.
func (e *ebb) came(limit int64, alone bool) {
	bound := max(limit/2, ebbMin)
	if e.level++; e.level >= bound || alone {
		e.level, e.now = bound, false
	}
}

func (e *ebb) served() {
	if e.level = max(e.level-1, 0); e.level == 0 {
		e.now = true
	}
}
