package policy

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// tokenBucket is the generic cell rate algorithm (ITU-T I.371), which is a
// token bucket kept in one number: when the bucket would be full again. Each
// call moves that time on by one interval, and may not move it further than
// depth ahead of the clock. With a depth of one interval it is the leaky
// bucket that paces calls evenly.
//
// Calls only ever move the number on, each by its whole cost. A reading of the
// clock that comes late can therefore admit less, never more.
type tokenBucket struct {
	interval int64        // nanoseconds for one call, rounded up
	burst    int64        // the most that are admitted together
	depth    int64        // interval x burst
	full     atomic.Int64 // when the bucket is full; sealed once reshaped

	releasing sync.Mutex // lets the number move back for one slot at a time
}

// sealed marks a bucket whose state has moved.
const sealed = math.MaxInt64

func newTokenBucket(c *RateLimitConfig) *tokenBucket {
	interval := int64(math.Ceil(float64(c.Per) / c.Requests))
	burst := int64(c.Burst)
	return &tokenBucket{interval: interval, burst: burst, depth: interval * burst}
}

func (b *tokenBucket) take(t time.Duration, n int, ahead time.Duration) (slot, time.Duration) {
	if int64(n) > b.burst {
		return slot{}, never
	}
	cost, t := int64(n)*b.interval, min(t, clockMax)
	for {
		full := b.full.Load()
		if full == sealed {
			return slot{}, moved
		}
		next := max(full, int64(t)) + cost
		wait := time.Duration(next - b.depth - int64(t))
		if wait > ahead {
			return slot{}, wait
		}
		if b.full.CompareAndSwap(full, next) {
			return slot{at: t + max(wait, 0), n: n, mark: next}, 0
		}
	}
}

// release gives back what has not been refilled since: had the slot not been
// taken, a bucket that was full by then would have gained nothing more. The
// mark is when it would be full with the slot, and without any after it.
//
// A slot in the middle of others that are still to come is lost: whoever took
// it next would come before those who are later in the line, and the bucket
// does not know who they are.
func (b *tokenBucket) release(clock func() time.Duration, s slot) {
	b.releasing.Lock()
	defer b.releasing.Unlock()
	for {
		full := b.full.Load()
		t := int64(clock())
		if full == sealed || full != s.mark && full-b.depth > t {
			return
		}
		back := min(int64(s.n)*b.interval, s.mark-t)
		if back <= 0 || b.full.CompareAndSwap(full, full-back) {
			return
		}
	}
}

func (b *tokenBucket) wait(t time.Duration, n int) time.Duration {
	full := b.full.Load()
	if full == sealed {
		return 0
	}
	// More than a burst may wait in line, one after another.
	ahead := float64(max(full-int64(t), 0)) + float64(n)*float64(b.interval) - float64(b.depth)
	return time.Duration(min(max(ahead, 0), float64(depthMax)))
}

func (b *tokenBucket) left(t time.Duration) (calls float64, reset time.Duration) {
	full := b.full.Load()
	if full == sealed {
		return 0, 0
	}
	used := max(full-int64(t), 0)
	return float64(b.depth-used) / float64(b.interval), time.Duration(used)
}

// reshape keeps the calls that the bucket has left, as far as they fit, and those
// that are booked ahead, as far as the limit may look.
func (b *tokenBucket) reshape(t time.Duration, c *RateLimitConfig) limiter {
	made := newLimiter(c)
	full := b.full.Swap(sealed)
	next, ok := made.(*tokenBucket)
	if !ok {
		return made
	}
	left := float64(b.depth-max(full-int64(t), 0)) / float64(b.interval)
	used := min(max(float64(c.Burst)-left, 0)*float64(next.interval), float64(depthMax))
	next.full.Store(int64(t) + int64(math.Ceil(used)))
	return next
}
