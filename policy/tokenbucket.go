package policy

import (
	"math"
	"sync/atomic"
	"time"
)

// tokenBucket is the generic cell rate algorithm (ITU-T I.371), which is a
// token bucket kept in one number: when the bucket would be full again. Each
// call moves that time on by one interval, and may not move it further than
// depth ahead of the clock.
//
// The number only ever grows, and by a whole interval for each call. A reading
// of the clock that comes late can therefore admit less, never more.
type tokenBucket struct {
	interval int64        // nanoseconds for one call, rounded up
	depth    int64        // interval x burst
	full     atomic.Int64 // when the bucket is full; sealed once reshaped
}

// sealed marks a bucket whose state has moved.
const sealed = math.MaxInt64

func newTokenBucket(c *RateLimitConfig) *tokenBucket {
	interval := int64(math.Ceil(float64(c.Per) / c.Requests))
	return &tokenBucket{interval: interval, depth: interval * int64(c.Burst)}
}

func (b *tokenBucket) take(t time.Duration, n int) time.Duration {
	cost, possible := b.cost(n)
	if !possible {
		return never
	}
	for {
		full := b.full.Load()
		if full == sealed {
			return moved
		}
		next := max(full, int64(t)) + cost
		if wait := next - b.depth - int64(t); wait > 0 {
			return time.Duration(wait)
		}
		if b.full.CompareAndSwap(full, next) {
			return 0
		}
	}
}

// cost is how far n calls move the bucket; it is possible if they fit in one.
func (b *tokenBucket) cost(n int) (cost int64, possible bool) {
	if int64(n) > b.depth/b.interval {
		return 0, false
	}
	return int64(n) * b.interval, true
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

func (b *tokenBucket) left(t time.Duration) float64 {
	full := b.full.Load()
	if full == sealed {
		return 0
	}
	return float64(b.depth-max(full-int64(t), 0)) / float64(b.interval)
}

// reshape keeps the calls that the bucket has left, as far as they fit.
func (b *tokenBucket) reshape(t time.Duration, c *RateLimitConfig) limiter {
	if c.Algorithm != TokenBucket {
		b.full.Store(sealed)
		return newLimiter(c)
	}
	next := newTokenBucket(c)
	full := b.full.Swap(sealed)
	left := float64(b.depth-max(full-int64(t), 0)) / float64(b.interval)
	used := max(float64(c.Burst)-left, 0) * float64(next.interval)
	next.full.Store(int64(t) + int64(math.Ceil(used)))
	return next
}
