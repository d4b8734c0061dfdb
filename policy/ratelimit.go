package policy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// ErrLimited is why a RateLimit rejects a call: there were too many of late.
var ErrLimited = errors.New("rate limit is reached")

// RateLimit bounds how many calls begin in a time.
type RateLimit struct {
	config  atomic.Pointer[RateLimitConfig]
	limiter atomic.Pointer[limiter]
	set     sync.Mutex // lets one Set run at a time
	refused refusals

	waiting atomic.Int64
	turn    chan struct{} // held by whoever is first in the line of Wait
}

// limiter is an algorithm and its state.
type limiter interface {
	// take admits n calls at time t and returns 0, or returns how long to
	// wait before asking again: never when n is more than it ever admits, and
	// moved when the state has gone to another limiter. Readings of the clock
	// may come out of order.
	take(t time.Duration, n int) time.Duration
	// wait is what take would return, and changes nothing.
	wait(t time.Duration, n int) time.Duration
	// left is how many calls could be admitted at time t.
	left(t time.Duration) float64
	// reshape returns a limiter of the configuration with this one's state,
	// which admits nothing from now on.
	reshape(t time.Duration, c *RateLimitConfig) limiter
}

const (
	moved = time.Duration(-1)
	never = time.Duration(math.MaxInt64)
)

// NewRateLimit returns a RateLimit, or the problems of its Config.
func NewRateLimit(c RateLimitConfig) (*RateLimit, error) {
	l := &RateLimit{turn: make(chan struct{}, 1)}
	l.refused.policy, l.refused.name = "ratelimit", c.Name
	l.refused.events.observer = c.Observer
	if err := l.Set(c); err != nil {
		return nil, err
	}
	return l, nil
}

// Set changes the configuration and keeps the state: what a bucket held, or
// what a window counted. Another Algorithm begins anew. Name and Observer stay
// as they were.
func (l *RateLimit) Set(c RateLimitConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	l.set.Lock()
	defer l.set.Unlock()
	var next limiter
	if old := l.config.Load(); old != nil {
		next = (*l.limiter.Load()).reshape(now(), &c)
	} else {
		next = newLimiter(&c)
	}
	l.config.Store(&c)
	l.limiter.Store(&next)
	return nil
}

func newLimiter(c *RateLimitConfig) limiter {
	if c.Algorithm == SlidingWindow {
		return newSlidingWindow(c)
	}
	return newTokenBucket(c)
}

// Allow admits one call or returns a [Rejected] for [ErrLimited].
func (l *RateLimit) Allow() error { return l.AllowN(1) }

// AllowN admits n calls together, or none of them. More than the limit's burst
// are never admitted: such a rejection has no RetryAfter. While calls wait in
// [RateLimit.Wait], they come first.
func (l *RateLimit) AllowN(n int) error {
	if n <= 0 {
		return nil
	}
	t := now()
	if waiting := l.waiting.Load(); waiting > 0 {
		return l.reject(t, (*l.limiter.Load()).wait(t, n+int(waiting)))
	}
	if wait := l.take(t, n); wait != 0 {
		return l.reject(t, wait)
	}
	return nil
}

// take is the limiter's, wherever Set has moved it.
func (l *RateLimit) take(t time.Duration, n int) time.Duration {
	for {
		if wait := (*l.limiter.Load()).take(t, n); wait != moved {
			return wait
		}
		runtime.Gosched() // Set is about to store the next one
	}
}

func (l *RateLimit) reject(t, after time.Duration) error {
	l.refused.add(t, func() string {
		c := l.config.Load()
		return fmt.Sprintf("%v in %v are allowed", c.Requests, c.Per)
	})
	if after == never {
		after = 0
	}
	return &Rejected{Policy: "ratelimit", Reason: ErrLimited, RetryAfter: after}
}

const (
	// waitingMax bounds how many calls may be in Wait.
	waitingMax = 10_000
	// waitLook is how often the first of them looks whether Set has shortened
	// its wait.
	waitLook = time.Second
)

// Wait waits, in the order of arrival, until one call is admitted. A wait that
// would outlast the context's deadline is refused at once with a [Rejected]
// for [ErrDeadline], and one that finds too many others waiting with one for
// [ErrLimited]. When the context ends, so does the wait, with the context's
// error; it has then used up nothing.
func (l *RateLimit) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := now()
	ahead := l.waiting.Add(1) - 1
	defer l.waiting.Add(-1)
	switch wait := (*l.limiter.Load()).wait(t, int(ahead)+1); {
	case ahead >= waitingMax:
		return l.reject(t, wait)
	case outlasts(ctx, wait):
		return &Rejected{Policy: "ratelimit", Reason: ErrDeadline, RetryAfter: wait}
	}
	select {
	case l.turn <- struct{}{}: // a channel serves its senders in order
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		wait := l.take(now(), 1)
		switch {
		case wait == 0:
			return nil
		case outlasts(ctx, wait):
			return &Rejected{Policy: "ratelimit", Reason: ErrDeadline, RetryAfter: wait}
		}
		if err := sleep(ctx, min(wait, waitLook)); err != nil {
			return err
		}
	}
}

// outlasts reports whether a wait would go on past the context's deadline.
func outlasts(ctx context.Context, wait time.Duration) bool {
	left := timeLeft(ctx)
	return left > 0 && wait >= left
}

// RateLimitStatus is a RateLimit's state at one moment, for people.
type RateLimitStatus struct {
	// Requests in Per are allowed.
	Requests float64
	Per      time.Duration
	// Left is how many calls could begin now.
	Left float64
	// Waiting is how many calls are in Wait.
	Waiting int
	// RetryAfter is when the next call is admitted.
	RetryAfter time.Duration
	// Rejected is how many calls were refused so far.
	Rejected uint64
}

// Status reports the limit's state. It changes nothing.
func (l *RateLimit) Status() RateLimitStatus {
	c, lim, t, waiting := l.config.Load(), *l.limiter.Load(), now(), int(l.waiting.Load())
	return RateLimitStatus{
		Requests:   c.Requests,
		Per:        c.Per,
		Left:       max(lim.left(t)-float64(waiting), 0),
		Waiting:    waiting,
		RetryAfter: lim.wait(t, 1+waiting),
		Rejected:   l.refused.total.Load(),
	}
}

// Do makes the call if the limit admits it now.
func (l *RateLimit) Do(ctx context.Context, next Next) Result {
	if err := l.Allow(); err != nil {
		return rejection(ctx, err)
	}
	return next.Do(ctx)
}

func (l *RateLimit) joins() bool { return true }
