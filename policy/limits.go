package policy

import (
	"context"
	"time"
)

// Limits are several limits that a call is under together: 10 in a second and
// 1000 in an hour, or a user's and an API's. All of them admit the call, or
// none is used up.
//
//	err := policy.Limits{perSecond.Limit(), perHour.Limit(), users.Of(user)}.Allow()
//
// A call looks at all limits first and takes from them, in order, only when
// none refuses. If one then does because another call was faster, what was
// taken goes back at once. So a call that is refused uses up nothing, except
// that for less than a microsecond, and only beside a call that is admitted,
// another may be refused that would have been the last to fit.
type Limits []Limit

// Allow admits one call or returns a [Rejected] for [ErrLimited], with the
// longest RetryAfter of those that refuse.
func (ls Limits) Allow() error { return ls.AllowN(1) }

// AllowN admits n calls together, or none of them. A rejection has no
// RetryAfter when n is more than the burst of one of the limits.
func (ls Limits) AllowN(n int) error {
	if n <= 0 {
		return nil
	}
	if slowest, wait := ls.take(now(), n); wait != 0 {
		return slowest.reject(wait)
	}
	return nil
}

// Admit admits one call at once, or waits as [Limits.Wait] does while each of
// the limits that refuse it has a queue with room.
func (ls Limits) Admit(ctx context.Context) error {
	if len(ls) == 1 {
		return ls[0].Admit(ctx) // which has a line
	}
	return ls.await(ctx, Limit.queueMax)
}

// Wait waits until all limits admit one call at the same moment, and uses up
// nothing before: whoever is under some of them only may pass meanwhile, and of
// those who wait for the same limits the first to look is the next. A wait is
// refused with a [Rejected]: for [ErrLimited] when it would be longer than the
// shortest WaitMax of the limits, or finds 10,000 others waiting for one of
// them, and for [ErrDeadline] when it would outlast the context's deadline.
// When the context ends, so does the wait, with the context's error.
//
// There is no Reserve for several limits: a turn booked in each of them would
// keep everybody from the limits that have room, until the slowest has some.
func (ls Limits) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return ls.await(ctx, func(Limit) int { return waitingMax })
}

// await waits as long as the limits that refuse the call let so many wait.
func (ls Limits) await(ctx context.Context, queueMax func(Limit) int) error {
	t := now()
	slowest, wait := ls.take(t, 1)
	if wait == 0 {
		return nil
	}
	until := t + ls.waitMax()
	if err := ls.refuse(ctx, slowest, wait, until, queueMax); err != nil {
		return err
	}
	if full, ok := ls.join(queueMax); !ok {
		return full.reject(wait)
	}
	var err error
	for err == nil && wait != 0 {
		if err = sleep(ctx, max(wait, lookMin)); err != nil {
			break
		}
		if slowest, wait = ls.take(now(), 1); wait != 0 {
			err = ls.refuse(ctx, slowest, wait, until, queueMax)
		}
	}
	ls.leave(len(ls))
	return err
}

// refuse is why a call must not wait any longer that one of the limits has just
// refused; nil where it may. What that one said counts: a key without a place
// has no wait of its own to look at.
func (ls Limits) refuse(ctx context.Context, slowest Limit, wait, until time.Duration, queueMax func(Limit) int) error {
	t := now()
	for _, l := range ls {
		if queueMax(l) == 0 && (l == slowest || l.wait(t, 1) > 0) {
			return slowest.reject(wait)
		}
	}
	switch {
	case wait > until-t:
		return slowest.reject(wait)
	case outlasts(ctx, wait):
		return slowest.rejectLate(wait)
	}
	return nil
}

// lookMin bounds how often a call looks that waits for several limits.
const lookMin = 100 * time.Microsecond

// join counts one more call that waits for each of the limits. It returns one
// that has too many.
func (ls Limits) join(queueMax func(Limit) int) (full Limit, ok bool) {
	for i, l := range ls {
		room := queueMax(l)
		if room == 0 {
			room = waitingMax // it has nobody wait, but others beside it may
		}
		if w := l.waiters(); w != nil && !w.join(room) {
			ls.leave(i)
			return l, false
		}
	}
	return Limit{}, true
}

func (ls Limits) leave(joined int) {
	for _, l := range ls[:joined] {
		if w := l.waiters(); w != nil {
			w.Add(-1)
		}
	}
}

// waitMax is the shortest of the limits'.
func (ls Limits) waitMax() time.Duration {
	shortest := depthMax
	for _, l := range ls {
		if l != (Limit{}) {
			shortest = min(shortest, l.waitMax())
		}
	}
	return shortest
}

// take takes n calls of all limits now, or nothing of any: then it returns the
// one that has them wait the longest, and for how long.
func (ls Limits) take(t time.Duration, n int) (slowest Limit, wait time.Duration) {
	if slowest, wait := ls.wait(t, n); wait != 0 {
		if slowest.keyed != nil && wait != never {
			slowest.keyed.noteFull(t, slowest.hash)
		}
		return slowest, wait
	}
	var room [4]taken
	held := room[:0]
	for i, l := range ls {
		g, wait := l.take(t, n, 0)
		if wait == 0 {
			held = append(held, g)
			continue
		}
		for i > 0 {
			i--
			ls[i].release(held[i])
		}
		if longest, other := ls.wait(t, n); other > wait {
			l, wait = longest, other
		}
		return l, wait
	}
	return Limit{}, 0
}

// wait is the longest that one of the limits has n calls wait.
func (ls Limits) wait(t time.Duration, n int) (longest Limit, wait time.Duration) {
	for _, l := range ls {
		if w := l.wait(t, n); w > wait {
			longest, wait = l, w
		}
	}
	return longest, wait
}

// Do makes the call once all limits admit it, as [Limits.Admit] says.
func (ls Limits) Do(ctx context.Context, next Next) Result { return alone(ctx, ls, next) }

func (ls Limits) run(ctx context.Context, next Next, r *Result) {
	if err := ls.Admit(ctx); err != nil {
		*r = rejection(ctx, err)
		return
	}
	next.run(ctx, r)
}
