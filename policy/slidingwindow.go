package policy

import (
	"sync"
	"time"
)

// slidingWindow remembers when each of the last calls began, as many as are
// allowed within the window, in a ring. A call may begin once the oldest of
// them has left the window. Unlike a counter for each period, it never lets
// two periods' worth through around a boundary.
//
// Booked calls stand in the ring with the time for which they are booked, and
// nobody begins before them.
type slidingWindow struct {
	width time.Duration

	mu     sync.Mutex
	times  []time.Duration // guarded: a ring, in order; long ago where no call was yet
	oldest int             // guarded: position in times
	latest time.Duration   // guarded: the latest reading of the clock
	moved  bool            // guarded
}

func newSlidingWindow(c *RateLimitConfig) *slidingWindow {
	w := &slidingWindow{width: c.Per, times: make([]time.Duration, int(c.Requests))}
	for i := range w.times {
		w.times[i] = -c.Per
	}
	return w
}

func (w *slidingWindow) take(t time.Duration, n int, ahead time.Duration) (slot, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.moved {
		return slot{}, moved
	}
	if n > len(w.times) {
		return slot{}, never
	}
	w.latest = max(w.latest, min(t, clockMax)) // a reading that comes late counts as made now
	at := max(w.until(n), w.latest)
	if at-w.latest > ahead {
		return slot{}, at - w.latest
	}
	for range n {
		w.times[w.oldest] = at
		w.oldest = (w.oldest + 1) % len(w.times)
	}
	return slot{at: at, n: n}, 0
}

// at is the i-th of the times, from the oldest on.
func (w *slidingWindow) at(i int) *time.Duration { return &w.times[(w.oldest+i)%len(w.times)] }

// until is when there is room for n calls behind those that are booked. More
// than fit in one window wait for later ones.
func (w *slidingWindow) until(n int) time.Duration {
	windows, place := (n-1)/len(w.times), (n-1)%len(w.times)
	last, newest := *w.at(place), *w.at(len(w.times) - 1)
	if windows > 0 {
		last = max(last, w.latest-w.width) // the first of them begin now at the earliest
	}
	more := min(time.Duration(windows), depthMax/w.width) * w.width
	return max(last+w.width+more, newest)
}

// release takes the slot's times out of the ring. What they had pushed out of it
// is forgotten, but had left the window by the slot's own time; so the places
// count as taken until then.
func (w *slidingWindow) release(_ func() time.Duration, s slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.moved {
		return
	}
	kept := len(w.times)
	for i, found := len(w.times)-1, 0; i >= 0; i-- {
		if found < s.n && *w.at(i) == s.at {
			found++
			continue
		}
		kept--
		*w.at(kept) = *w.at(i)
	}
	i := 0
	for ; kept < len(w.times) && *w.at(kept) < s.at-w.width; i, kept = i+1, kept+1 {
		*w.at(i) = *w.at(kept)
	}
	for ; i < kept; i++ {
		*w.at(i) = s.at - w.width
	}
}

func (w *slidingWindow) wait(t time.Duration, n int) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.until(n)-max(w.latest, t), 0)
}

func (w *slidingWindow) left(t time.Duration) (calls float64, reset time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t = max(w.latest, t)
	newest := *w.at(len(w.times) - 1)
	reset = max(newest+w.width-t, 0)
	if newest > t {
		return 0, reset // nobody begins before those who are booked
	}
	for _, began := range w.times {
		if began+w.width <= t {
			calls++
		}
	}
	return calls, reset
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
	for i := range min(len(w.times), len(next.times)) {
		*next.at(len(next.times) - 1 - i) = *w.at(len(w.times) - 1 - i)
	}
	return next
}
