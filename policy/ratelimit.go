package policy

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// ErrLimited is why a RateLimit rejects a call: there were too many of late.
var ErrLimited = errors.New("rate limit is reached")

// RateLimit bounds how many calls begin in a time.
//
// [RateLimit.Allow] answers at once, [RateLimit.Wait] waits for the call's
// turn, and [RateLimit.Reserve] books a turn that somebody else waits for. As
// a policy it does what its QueueMax says: see [RateLimit.Admit].
type RateLimit struct {
	config  atomic.Pointer[RateLimitConfig]
	limiter atomic.Pointer[limiter]
	set     sync.Mutex // lets one Set run at a time
	scale   scale
	refused refusals
	late    digest // those whose wait would outlast their deadline

	waiting atomic.Int64
	turn    chan struct{} // held by whoever is first in the line of Wait
	waiters waiters
}

// NewRateLimit returns a RateLimit, or the problems of its Config.
func NewRateLimit(c RateLimitConfig) (*RateLimit, error) {
	l := &RateLimit{turn: make(chan struct{}, 1)}
	l.refused.begin("ratelimit", c.Name, c.Observer, ErrLimited, func(Event) string { return l.config.Load().allowed() })
	l.late.begin(&l.refused.events, EventRejected, ErrDeadline, l.refused.why)
	l.scale.begin(c.Scale)
	if err := l.Set(c); err != nil {
		return nil, err
	}
	return l, nil
}

// Set changes the configuration and keeps the state: what a bucket held, or
// what a window counted. Another Algorithm begins anew, except that the two
// buckets take each other's state, and so do a fixed window and a sliding
// window's counter. Name, Scale and Observer stay as they were.
//
// For all algorithms but [SlidingWindow], which copies its log, Set is cheap
// enough to follow a load many times a second; where nothing changes it does
// nothing.
func (l *RateLimit) Set(c RateLimitConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	l.set.Lock()
	defer l.set.Unlock()
	l.scale.set(c.WithDefaults())
	l.apply(l.scale.config())
	return nil
}

// apply moves the state to a limiter of the Config. The caller holds set.
func (l *RateLimit) apply(c RateLimitConfig) {
	old := l.config.Load()
	l.config.Store(&c)
	switch {
	case old == nil:
		next := newLimiter(&c)
		l.limiter.Store(&next)
	case !old.sameShape(&c):
		next := (*l.limiter.Load()).reshape(now(), &c)
		l.limiter.Store(&next)
	}
}

// Allow admits one call or returns a [Rejected] for [ErrLimited].
func (l *RateLimit) Allow() error { return l.AllowN(1) }

// AllowN admits n calls together, or none of them. More than the limit's burst
// are never admitted: such a rejection has no RetryAfter. While calls wait for
// their turn, they come first.
func (l *RateLimit) AllowN(n int) error {
	if n <= 0 {
		return nil
	}
	t := now()
	if _, _, wait := l.take(t, n, 0); wait != 0 {
		return l.reject(wait)
	}
	return nil
}

// take takes a slot unless calls wait, who come first. The limiter is the one
// that the slot is of.
func (l *RateLimit) take(t time.Duration, n int, ahead time.Duration) (slot, *limiter, time.Duration) {
	if l.waiting.Load() > 0 {
		return slot{}, nil, l.wait(t, n)
	}
	return l.takeFirst(t, n, ahead)
}

// takeFirst is the limiter's take, wherever Set has moved it.
func (l *RateLimit) takeFirst(t time.Duration, n int, ahead time.Duration) (slot, *limiter, time.Duration) {
	if l.scale.of != nil {
		l.scale.follow(t, &l.refused.events, &l.set, l.apply)
	}
	for {
		lim := l.limiter.Load()
		if s, wait := (*lim).take(t, n, ahead); wait != moved {
			return s, lim, wait
		}
		runtime.Gosched() // Set is about to store the next one
	}
}

// wait is how long n calls would have to wait behind those that wait now. It
// is at least a moment when there are any.
func (l *RateLimit) wait(t time.Duration, n int) time.Duration {
	if n > l.config.Load().burst() {
		return never
	}
	waiting := int(l.waiting.Load())
	wait := (*l.limiter.Load()).wait(t, n+waiting)
	if waiting > 0 {
		wait = max(wait, 1)
	}
	return wait
}

func (l *RateLimit) reject(after time.Duration) error { return l.refused.limited(after) }

func (r *refusals) limited(after time.Duration) error {
	if after == never {
		after = 0
	}
	return r.reject(after)
}

// rejectLate refuses a call whose deadline comes before its turn.
func (l *RateLimit) rejectLate(after time.Duration) error {
	l.late.count(Event{Wait: after, Class: Shed})
	return &Rejected{Policy: "ratelimit", Name: l.refused.events.name, Reason: ErrDeadline, RetryAfter: after}
}

// allowed is the limit in words.
func (c *RateLimitConfig) allowed() string {
	return fmt.Sprintf("%v in %v are allowed", c.Requests, c.Per)
}

// RateLimitStatus is a limit's state at one moment, for people and for the
// RateLimit headers of HTTP.
type RateLimitStatus struct {
	// Requests in Per are allowed.
	Requests float64
	Per      time.Duration
	// Burst is how many of them may begin at once after a calm.
	Burst int
	// Left is how many calls could begin now.
	Left float64
	// Reset is after how long Left is at its highest again, if nobody calls.
	Reset time.Duration
	// Waiting is how many calls wait for their turn, those included that wait for
	// other limits, too.
	Waiting int
	// RetryAfter is when the next call is admitted.
	RetryAfter time.Duration
	// Rejected is how many calls were refused so far, and Late how many of
	// them because the wait would have outlasted their deadline.
	Rejected, Late uint64
}

// Status reports the limit's state. It changes nothing.
func (l *RateLimit) Status() RateLimitStatus {
	c, lim, t, waiting := l.config.Load(), *l.limiter.Load(), now(), int(l.waiting.Load())
	left, reset := lim.left(t)
	return RateLimitStatus{
		Requests:   c.Requests,
		Per:        c.Per,
		Burst:      c.burst(),
		Left:       max(left-float64(waiting), 0),
		Reset:      reset,
		Waiting:    waiting + int(l.waiters.Load()),
		RetryAfter: lim.wait(t, 1+waiting),
		Rejected:   l.refused.total.Load() + l.late.total.Load(),
		Late:       l.late.total.Load(),
	}
}

// Do makes the call once the limit admits it, as [RateLimit.Admit] says.
func (l *RateLimit) Do(ctx context.Context, next Next) Result { return alone(ctx, l, next) }

func (l *RateLimit) run(ctx context.Context, next Next, r *Result) {
	if err := l.Admit(ctx); err != nil {
		*r = rejection(ctx, err)
		return
	}
	next.run(ctx, r)
}
