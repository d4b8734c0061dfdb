package policy

import "time"

// Reserve books n calls together for the first time at which they may begin,
// up to WaitMax ahead. The caller waits for [Reservation.Delay], or cancels.
// The error is a [Rejected] for [ErrLimited] when that time is further ahead,
// when calls wait for their turn, who come first, or when n is more than the
// limit's burst: such a rejection has no RetryAfter.
func (l *RateLimit) Reserve(n int) (Reservation, error) {
	if n <= 0 {
		return Reservation{}, nil
	}
	t := now()
	s, lim, wait := l.take(t, n, l.config.Load().WaitMax)
	if wait != 0 {
		return Reservation{}, l.reject(t, wait)
	}
	return Reservation{lim, s}, nil
}

// Reservation is a time in the future at which calls may begin. The zero
// Reservation is for none, and over.
type Reservation struct {
	limiter *limiter
	slot    slot
}

// Delay is how long to wait from now on before the calls begin; zero once
// their time has come.
func (r Reservation) Delay() time.Duration {
	if r.limiter == nil {
		return 0
	}
	return max(r.slot.at-now(), 0)
}

// Cancel gives back what the calls have taken, because they do not begin.
// Only the first Cancel of a reservation counts. It gives back less when time
// has already refilled some of it, and nothing when others have reserved a
// later time since, whose order must stay, or when Set has changed the rate.
// A [SlidingWindow] gives back in any order.
func (r *Reservation) Cancel() {
	if lim := r.limiter; lim != nil {
		r.limiter = nil
		(*lim).release(now, r.slot)
	}
}
