package policy

import "time"

// Reserve books n calls together for the first time at which they may begin,
// up to WaitMax ahead. The caller waits for [Reservation.Delay], or cancels.
// The error is a [Rejected] for [ErrLimited] when that time is further ahead,
// when calls wait for their turn, who come first, or when n is more than the
// limit's burst: such a rejection has no RetryAfter.
func (l *RateLimit) Reserve(n int) (Reservation, error) { return l.Limit().Reserve(n) }

// Reserve books n calls together as [RateLimit.Reserve] does, for a key as for
// all.
func (l Limit) Reserve(n int) (Reservation, error) {
	if n <= 0 {
		return Reservation{}, nil
	}
	g, wait := l.take(now(), n, l.waitMax())
	if wait != 0 {
		return Reservation{}, l.reject(wait)
	}
	return Reservation{l, g}, nil
}

// Reservation is a time in the future at which calls may begin. The zero
// Reservation is for none, and over.
type Reservation struct {
	limit Limit
	taken taken
}

// Delay is how long to wait from now on before the calls begin; zero once
// their time has come.
func (r Reservation) Delay() time.Duration {
	return max(r.taken.slot.at-now(), 0)
}

// Cancel gives back what the calls have taken, because they do not begin.
// Only the first Cancel of a reservation counts. It gives back less when time
// has already refilled some of it, and nothing when others have reserved a
// later time since, whose order must stay, or when Set has changed the rate.
// A [SlidingWindow] gives back in any order.
func (r *Reservation) Cancel() {
	g := r.taken
	r.taken = taken{}
	r.limit.release(g)
}
