package policy

import (
	"sort"
	"time"
)

// callLog remembers when each of the last calls began, as many as are allowed
// within a window, in a ring. A call may begin once the oldest of them has left
// the window.
//
// Booked calls stand in the ring with the time for which they are booked, and
// nobody begins before them.
type callLog struct {
	width  time.Duration
	times  []time.Duration // a ring, in order; long ago where no call was yet
	oldest int             // position in times
}

// clear forgets all calls.
func (l *callLog) clear() {
	l.oldest = 0
	for i := range l.times {
		l.times[i] = -l.width
	}
}

// take books n calls, no more than a window has, for time t or up to ahead of it.
func (l *callLog) take(t time.Duration, n int, ahead time.Duration) (slot, time.Duration) {
	at := max(l.until(t, n), t)
	if at-t > ahead {
		return slot{}, at - t
	}
	for range n {
		l.times[l.oldest] = at
		l.oldest = (l.oldest + 1) % len(l.times)
	}
	return slot{at: at, n: n}, 0
}

// at is the i-th of the times, from the oldest on.
func (l *callLog) at(i int) *time.Duration { return &l.times[(l.oldest+i)%len(l.times)] }

// newest is the last of the times.
func (l *callLog) newest() time.Duration { return *l.at(len(l.times) - 1) }

// until is when there is room for n calls behind those that are booked. More
// than fit in one window wait for later ones.
func (l *callLog) until(t time.Duration, n int) time.Duration {
	windows, place := (n-1)/len(l.times), (n-1)%len(l.times)
	last := *l.at(place)
	if windows > 0 {
		last = max(last, t-l.width) // the first of them begin now at the earliest
	}
	more := min(time.Duration(windows), depthMax/l.width) * l.width
	return max(last+l.width+more, l.newest())
}

// release takes the slot's times out of the ring. What they had pushed out of it
// is forgotten, but had left the window by the slot's own time; so the places
// count as taken until then.
func (l *callLog) release(s slot) {
	kept := len(l.times)
	for i, found := len(l.times)-1, 0; i >= 0; i-- {
		if found < s.n && *l.at(i) == s.at {
			found++
			continue
		}
		kept--
		*l.at(kept) = *l.at(i)
	}
	i := 0
	for ; kept < len(l.times) && *l.at(kept) < s.at-l.width; i, kept = i+1, kept+1 {
		*l.at(i) = *l.at(kept)
	}
	for ; i < kept; i++ {
		*l.at(i) = s.at - l.width
	}
}

// left is how many calls could be admitted at time t, and after how long it
// would be all of them again.
func (l *callLog) left(t time.Duration) (calls float64, reset time.Duration) {
	reset = max(l.newest()+l.width-t, 0)
	if l.newest() > t {
		return 0, reset // nobody begins before those who are booked
	}
	gone := sort.Search(len(l.times), func(i int) bool { return *l.at(i)+l.width > t })
	return float64(gone), reset
}
