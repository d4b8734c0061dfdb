package policy

import (
	"sync"
	"time"
)

// slidingWindow remembers when each of the last calls began, as many as are
// allowed within the window, in a ring. A call may begin once the oldest of
// them has left the window. Unlike a counter for each period, it never lets
// two periods' worth through around a boundary.
type slidingWindow struct {
	width time.Duration

	mu     sync.Mutex
	times  []time.Duration // guarded: a ring; zero where no call was yet
	oldest int             // guarded: position in times
	latest time.Duration   // guarded: the latest reading of the clock
	moved  bool            // guarded
}

func newSlidingWindow(c *RateLimitConfig) *slidingWindow {
	w := &slidingWindow{width: c.Per, times: make([]time.Duration, int(c.Requests))}
	for i := range w.times {
		w.times[i] = -c.Per // long ago
	}
	return w
}

func (w *slidingWindow) take(t time.Duration, n int) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.moved {
		return moved
	}
	if n > len(w.times) {
		return never
	}
	w.latest = max(w.latest, t) // a reading that comes late counts as made now
	if wait := w.until(n) - w.latest; wait > 0 {
		return wait
	}
	for range n {
		w.times[w.oldest] = w.latest
		w.oldest = (w.oldest + 1) % len(w.times)
	}
	return 0
}

// until is when there is room for n calls. More than fit in one window wait
// for later ones.
func (w *slidingWindow) until(n int) time.Duration {
	windows, place := (n-1)/len(w.times), (n-1)%len(w.times)
	last := w.times[(w.oldest+place)%len(w.times)]
	if windows > 0 {
		last = max(last, w.latest-w.width) // the first of them begin now at the earliest
	}
	return last + time.Duration(windows+1)*w.width
}

func (w *slidingWindow) wait(t time.Duration, n int) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.until(n)-max(w.latest, t), 0)
}

func (w *slidingWindow) left(t time.Duration) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, began := range w.times {
		if began+w.width <= max(w.latest, t) {
			n++
		}
	}
	return float64(n)
}

// reshape keeps the latest calls, as many as the new window has room for.
func (w *slidingWindow) reshape(_ time.Duration, c *RateLimitConfig) limiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved = true
	if c.Algorithm != SlidingWindow {
		return newLimiter(c)
	}
	next := newSlidingWindow(c)
	next.latest = w.latest
	for i := range min(len(w.times), len(next.times)) {
		newest := (w.oldest - 1 - i + 2*len(w.times)) % len(w.times)
		next.times[len(next.times)-1-i] = w.times[newest]
	}
	return next
}
