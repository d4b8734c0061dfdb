package policy

import (
	"context"
	"time"
)

// waitLook is how often the first of those who wait looks whether Set has
// shortened its wait.
const waitLook = time.Second

// Admit admits one call at once, or after its turn in the queue where the
// Config has one. The error is the context's own, or a [Rejected]: for
// [ErrLimited] when the queue is full or the wait would exceed WaitMax, and
// for [ErrDeadline] when it would outlast the context's deadline. Who is to be
// refused by the clock is refused at once, before any wait.
func (l *RateLimit) Admit(ctx context.Context) error {
	c := l.config.Load()
	if c.QueueMax == 0 {
		return l.Allow()
	}
	if _, _, wait := l.take(now(), 1, 0); wait == 0 {
		return nil
	}
	return l.await(ctx, c.QueueMax, c.WaitMax)
}

// Wait waits, in the order of arrival, until one call is admitted, whatever
// QueueMax and WaitMax say. A wait that would outlast the context's deadline
// is refused at once with a [Rejected] for [ErrDeadline], and one that finds
// 10,000 others waiting with one for [ErrLimited]. When the context ends, so
// does the wait, with the context's error; it has then used up nothing.
func (l *RateLimit) Wait(ctx context.Context) error {
	return l.await(ctx, waitingMax, depthMax)
}

func (l *RateLimit) await(ctx context.Context, queueMax int, waitMax time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := now()
	until := t + waitMax
	ahead := l.waiting.Add(1) - 1
	defer l.waiting.Add(-1)
	switch wait := (*l.limiter.Load()).wait(t, int(ahead)+1); {
	case ahead >= int64(queueMax) || wait > waitMax:
		return l.reject(wait)
	case outlasts(ctx, wait):
		return l.rejectLate(wait)
	}
	patience := time.NewTimer(waitMax)
	defer patience.Stop()
	select {
	case l.turn <- struct{}{}: // a channel serves its senders in order
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	case <-patience.C:
		return l.reject(l.wait(now(), 0))
	}
	return l.awaitFirst(ctx, until)
}

// awaitFirst waits as the first of the line.
func (l *RateLimit) awaitFirst(ctx context.Context, until time.Duration) error {
	for {
		t := now()
		_, _, wait := l.takeFirst(t, 1, 0)
		switch {
		case wait == 0:
			return nil
		case t+wait > until:
			return l.reject(wait)
		case outlasts(ctx, wait):
			return l.rejectLate(wait)
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
