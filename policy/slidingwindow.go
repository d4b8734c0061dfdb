package policy

import (
	"sync"
	"time"
)

// slidingWindow admits a call once the oldest of the last ones has left the
// window. Unlike a counter for each period, it never lets two periods' worth
// through around a boundary.
type slidingWindow struct {
	mu     sync.Mutex
	log    callLog       // guarded
	latest time.Duration // guarded: the latest reading of the clock
	moved  bool          // guarded

	// cut are the calls that a smaller limit had no room for, in order: a larger
	// one soon after must not forget them.
	cut []time.Duration
}

func newSlidingWindow(c *RateLimitConfig) *slidingWindow {
	w := &slidingWindow{log: callLog{width: c.Per, times: make([]time.Duration, int(c.Requests))}}
	w.log.clear()
	return w
}

func (w *slidingWindow) take(t time.Duration, n int, ahead time.Duration) (slot, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.moved {
		return slot{}, moved
	}
	if n > len(w.log.times) {
		return slot{}, never
	}
	w.latest = max(w.latest, min(t, clockMax)) // a reading that comes late counts as made now
	return w.log.take(w.latest, n, ahead)
}

func (w *slidingWindow) release(_ func() time.Duration, s slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.moved {
		w.log.release(s)
	}
}

func (w *slidingWindow) wait(t time.Duration, n int) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.log.until(w.latest, n)-max(w.latest, t), 0)
}

func (w *slidingWindow) left(t time.Duration) (calls float64, reset time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.left(max(w.latest, t))
}

// reshape keeps the latest calls, as many as the new window has room for.
func (w *slidingWindow) reshape(_ time.Duration, c *RateLimitConfig) limiter {
	made := newLimiter(c)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved = true
	next, ok := made.(*slidingWindow)
	if !ok {
		return made
	}
	next.latest = w.latest
	known := w.cut
	for i := range w.log.times {
		known = append(known, *w.log.at(i))
	}
	cut := max(len(known)-len(next.log.times), 0)
	copy(next.log.times[len(next.log.times)-(len(known)-cut):], known[cut:])
	for _, began := range known[:cut] {
		if began+next.log.width > w.latest {
			next.cut = append(next.cut, began)
		}
	}
	return next
}
