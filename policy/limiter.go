package policy

import (
	"math"
	"time"
)

// limiter is an algorithm and its state. It may be asked by many goroutines,
// and their readings of the clock may come late and out of order.
type limiter interface {
	// take books n calls together for time t, or for later if they have to
	// wait no longer than ahead. It returns their slot and 0, or how long they
	// would have to wait: never when n is more than is ever admitted at once,
	// and moved when the state has gone to another limiter. A slot is never
	// earlier than one that is booked already.
	take(t time.Duration, n int, ahead time.Duration) (slot, time.Duration)
	// release gives back what a slot has taken, as far as others have not
	// built on it: without it the limiter may stand no better than if the slot
	// had never been taken. It reads the clock after its own state.
	release(clock func() time.Duration, s slot)
	// wait is what take would return, and changes nothing. Here n may be more
	// than a burst, for calls that wait one behind another.
	wait(t time.Duration, n int) time.Duration
	// left is how many calls could be admitted at time t, and after how long
	// it would be all of them again.
	left(t time.Duration) (calls float64, reset time.Duration)
	// reshape returns a limiter of the configuration with this one's state,
	// which admits nothing from now on.
	reshape(t time.Duration, c *RateLimitConfig) limiter
}

const (
	moved = time.Duration(-1)
	never = time.Duration(math.MaxInt64)
	// clockMax bounds the readings of a clock, so that sums with the longest
	// time that a limit may look ahead do not overflow.
	clockMax = time.Duration(1 << 62)
)

// slot is what a number of calls have taken of a limiter.
type slot struct {
	at   time.Duration // when they may begin
	n    int
	mark int64 // where the limiter stood with them
}

func newLimiter(c *RateLimitConfig) limiter {
	switch c.Algorithm {
	case SlidingWindow:
		return newSlidingWindow(c)
	case SlidingWindowCounter, FixedWindow:
		return newWindowCounter(c)
	}
	return newTokenBucket(c)
}
