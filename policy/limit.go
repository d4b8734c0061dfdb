package policy

import (
	"context"
	"sync/atomic"
	"time"
)

// Limit is one limit that a call is under: a [RateLimit], or that of one key
// of a [KeyedRateLimit]. The zero Limit admits everything.
type Limit struct {
	one   *RateLimit
	keyed *KeyedRateLimit
	hash  uint64 // of the key
}

// Limit returns the limit as one that is taken together with others.
func (l *RateLimit) Limit() Limit { return Limit{one: l} }

// Source is the [RateLimit] or the [KeyedRateLimit] that the limit is of; nil for
// the zero Limit.
func (l Limit) Source() Policy {
	switch {
	case l.one != nil:
		return l.one
	case l.keyed != nil:
		return l.keyed
	}
	return nil
}

// Allow admits one call or returns a [Rejected] for [ErrLimited].
func (l Limit) Allow() error { return l.AllowN(1) }

// AllowN admits n calls together, or none of them.
func (l Limit) AllowN(n int) error {
	if n <= 0 {
		return nil
	}
	t := now()
	if _, wait := l.take(t, n, 0); wait != 0 {
		return l.reject(wait)
	}
	return nil
}

// Admit admits one call at once, or after its turn where the limit has a queue:
// as [RateLimit.Admit], and for a key as [Limit.Wait] as long as QueueMax has
// room.
func (l Limit) Admit(ctx context.Context) error {
	switch {
	case l.keyed != nil:
		if queueMax := l.queueMax(); queueMax > 0 {
			return l.await(ctx, queueMax)
		}
	case l.one != nil:
		return l.one.Admit(ctx)
	}
	return l.Allow()
}

// Wait waits until one call is admitted. That of a [RateLimit] is its
// [RateLimit.Wait]. For a key, the turn is booked as by [Limit.Reserve], so a
// wait longer than WaitMax is refused at once with a [Rejected] for
// [ErrLimited], and so is one that finds 10,000 calls waiting for turns of any
// key; one that would outlast the context's deadline with one for
// [ErrDeadline]. When the context ends, so does the wait, with the context's
// error; the turn is then given back if nobody has booked one behind it.
func (l Limit) Wait(ctx context.Context) error {
	if l.one != nil {
		return l.one.Wait(ctx)
	}
	return l.await(ctx, waitingMax)
}

// await waits for a key's turn.
func (l Limit) await(ctx context.Context, queueMax int) error {
	if err := ctx.Err(); err != nil || l.keyed == nil {
		return err
	}
	if l.keyed.waiters.Load() >= int64(queueMax) {
		return l.Allow()
	}
	r, err := l.Reserve(1)
	if err != nil {
		return err
	}
	wait := r.Delay()
	if wait <= 0 {
		return nil
	}
	if outlasts(ctx, wait) {
		r.Cancel()
		return l.rejectLate(wait)
	}
	if !l.keyed.waiters.join(queueMax) {
		r.Cancel()
		return l.reject(wait)
	}
	defer l.keyed.waiters.Add(-1)
	if err := sleep(ctx, wait); err != nil {
		r.Cancel()
		return err
	}
	return nil
}

// Status reports the limit's state. It changes nothing.
func (l Limit) Status() RateLimitStatus {
	switch {
	case l.keyed != nil:
		return l.keyed.status(l.hash)
	case l.one != nil:
		return l.one.Status()
	}
	return RateLimitStatus{}
}

// Do makes the call once the limit admits it, as [Limit.Admit] says.
func (l Limit) Do(ctx context.Context, next Next) Result { return alone(ctx, l, next) }

func (l Limit) run(ctx context.Context, next Next, r *Result) {
	if err := l.Admit(ctx); err != nil {
		*r = rejection(ctx, err)
		return
	}
	next.run(ctx, r)
}

func (l Limit) take(t time.Duration, n int, ahead time.Duration) (taken, time.Duration) {
	switch {
	case l.keyed != nil:
		return l.keyed.take(t, l.hash, n, ahead)
	case l.one != nil:
		s, lim, wait := l.one.take(t, n, ahead)
		return taken{limiter: lim, slot: s}, wait
	}
	return taken{}, 0
}

// wait is what take would return, and changes nothing.
func (l Limit) wait(t time.Duration, n int) time.Duration {
	switch {
	case l.keyed != nil:
		return l.keyed.wait(t, l.hash, n)
	case l.one != nil:
		return l.one.wait(t, n)
	}
	return 0
}

// waitMax is how far ahead calls are reserved.
func (l Limit) waitMax() time.Duration {
	switch {
	case l.keyed != nil:
		return l.keyed.config.Load().WaitMax
	case l.one != nil:
		return l.one.config.Load().WaitMax
	}
	return 0
}

// queueMax is how many calls may wait instead of being refused.
func (l Limit) queueMax() int {
	switch {
	case l.keyed != nil:
		return l.keyed.config.Load().QueueMax
	case l.one != nil:
		return l.one.config.Load().QueueMax
	}
	return 0
}

func (l Limit) release(g taken) {
	switch {
	case g.limiter != nil:
		(*g.limiter).release(now, g.slot)
	case g.shape != nil:
		l.keyed.release(l.hash, g)
	}
}

func (l Limit) reject(after time.Duration) error {
	if l.keyed != nil {
		return l.keyed.refused.limited(after)
	}
	return l.one.reject(after)
}

// rejectLate refuses a call whose deadline comes before its turn.
func (l Limit) rejectLate(after time.Duration) error {
	if l.keyed != nil {
		return l.keyed.rejectLate(after)
	}
	return l.one.rejectLate(after)
}

// waiters counts the calls that wait for the limit beside others; nil where there
// is none.
func (l Limit) waiters() *waiters {
	switch {
	case l.keyed != nil:
		return &l.keyed.waiters
	case l.one != nil:
		return &l.one.waiters
	}
	return nil
}

// waiters is how many calls wait for a limit, but not in its line.
type waiters struct{ atomic.Int64 }

// join counts one more unless too many wait.
func (w *waiters) join(most int) bool {
	if w.Add(1) > int64(most) {
		w.Add(-1)
		return false
	}
	return true
}
