package policy

import (
	"context"
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

// Allow admits one call or returns a [Rejected] for [ErrLimited].
func (l Limit) Allow() error { return l.AllowN(1) }

// AllowN admits n calls together, or none of them.
func (l Limit) AllowN(n int) error {
	if n <= 0 {
		return nil
	}
	t := now()
	if _, wait := l.take(t, n); wait != 0 {
		return l.reject(t, wait)
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

// Do makes the call if the limit admits it now.
func (l Limit) Do(ctx context.Context, next Next) Result {
	if err := l.Allow(); err != nil {
		return rejection(ctx, err)
	}
	return next.Do(ctx)
}

func (l Limit) joins() bool { return true }

func (l Limit) take(t time.Duration, n int) (taken, time.Duration) {
	switch {
	case l.keyed != nil:
		return l.keyed.take(t, l.hash, n)
	case l.one != nil:
		s, lim, wait := l.one.take(t, n, 0)
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

func (l Limit) release(g taken) {
	switch {
	case g.limiter != nil:
		(*g.limiter).release(now, g.slot)
	case g.shape != nil:
		l.keyed.release(l.hash, g)
	}
}

func (l Limit) reject(t, after time.Duration) error {
	if l.keyed != nil {
		return l.keyed.reject(t, after)
	}
	return l.one.reject(t, after)
}

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
	t := now()
	if longest, wait := ls.wait(t, n); wait != 0 {
		return longest.reject(t, wait)
	}
	var room [4]taken
	held := room[:0]
	for i, l := range ls {
		g, wait := l.take(t, n)
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
		return l.reject(t, wait)
	}
	return nil
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

// Do makes the call if all limits admit it now.
func (ls Limits) Do(ctx context.Context, next Next) Result {
	if err := ls.Allow(); err != nil {
		return rejection(ctx, err)
	}
	return next.Do(ctx)
}

func (ls Limits) joins() bool { return true }
