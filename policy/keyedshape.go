package policy

import (
	"math"
	"time"
)

// keyedShape is what the limits of all keys have in common: how the word that
// is kept for each of them counts. A word of 0 is that of a key which has used
// up nothing.
type keyedShape struct {
	burst int64 // the most that are admitted together

	// A bucket's word is the time when it is full again, as in a tokenBucket.
	interval, depth int64

	// A window's word is that of a windowCounter, whose own word is not in use;
	// nil for a bucket.
	window *windowCounter

	// A log's word is the time when the last of its calls has left the window.
	// The log is the position of the oldest of them, and the times of a callLog.
	logged int // the length of a log; 0 where there is none
	width  time.Duration
}

func newKeyedShape(c *KeyedRateLimitConfig) *keyedShape {
	one := c.one()
	switch {
	case c.Algorithm == SlidingWindow:
		return &keyedShape{burst: int64(c.Requests), logged: 1 + int(c.Requests), width: c.Per}
	case c.Algorithm.windowed():
		return &keyedShape{burst: int64(c.Requests), window: newWindowCounter(&one)}
	}
	interval := int64(math.Ceil(float64(c.Per) / c.Requests))
	return &keyedShape{burst: int64(c.Burst), interval: interval, depth: interval * int64(c.Burst)}
}

// callLog is a log as one that can be asked.
func (k *keyedShape) callLog(log []time.Duration) callLog {
	return callLog{width: k.width, times: log[1:], oldest: int(log[0])}
}

// begin empties a log.
func (k *keyedShape) begin(log []time.Duration) {
	if log != nil {
		l := k.callLog(log)
		l.clear()
		log[0] = 0
	}
}

// bucket reports whether each key has a bucket.
func (k *keyedShape) bucket() bool { return k.interval > 0 }

// fill is the word of a bucket once n calls are taken at time t or up to ahead
// of it, or how long they would have to wait. They are no more than a burst.
func (k *keyedShape) fill(word int64, t time.Duration, n int, ahead time.Duration) (next int64, s slot, wait time.Duration) {
	next = max(word, int64(t)) + int64(n)*k.interval
	wait = time.Duration(next - k.depth - int64(t))
	if wait > ahead {
		return word, slot{}, wait
	}
	return next, slot{at: t + max(wait, 0), n: n, mark: next}, 0
}

// count is what fill is, for a window.
func (k *keyedShape) count(word int64, log []time.Duration, t time.Duration, n int, ahead time.Duration) (next int64, s slot, wait time.Duration) {
	if k.window != nil {
		next, s, wait := k.window.with(uint64(word), t, n, ahead)
		return int64(next), s, wait
	}
	l := k.callLog(log)
	s, wait = l.take(t, n, ahead)
	log[0] = time.Duration(l.oldest)
	return int64(l.newest() + k.width), s, wait
}

// release is the word once a slot is given back: of a bucket, what has not been
// refilled since, and what nobody has booked a later time behind.
func (k *keyedShape) release(word int64, log []time.Duration, t time.Duration, s slot) int64 {
	switch {
	case k.window != nil:
		return int64(k.window.without(uint64(word), t, s))
	case log != nil:
		l := k.callLog(log)
		l.release(s)
		return int64(l.newest() + k.width)
	case word == s.mark || word-k.depth <= int64(t):
		return word - min(max(s.mark-int64(t), 0), int64(s.n)*k.interval)
	}
	return word
}

// idle reports whether a key with this word has used up nothing any more.
func (k *keyedShape) idle(word int64, t time.Duration) bool {
	if k.window == nil {
		return word <= int64(t)
	}
	return k.window.idle(uint64(word), t)
}

// idle reports whether no call counts any more.
func (w *windowCounter) idle(word uint64, t time.Duration) bool {
	y, _ := w.roll(unpack(word), t)
	return y.booked == 0 && (y.before == 0 || !w.smooth)
}

// wait is what take would return. The log is nil for a key without a place.
func (k *keyedShape) wait(word int64, log []time.Duration, t time.Duration, n int) time.Duration {
	switch {
	case int64(n) > k.burst:
		return never
	case k.window != nil:
		return k.window.waitOf(uint64(word), t, n)
	case log != nil:
		l := k.callLog(log)
		return max(l.until(t, n)-t, 0)
	case k.logged > 0:
		return 0
	}
	return max(time.Duration(max(word, int64(t))-int64(t)+int64(n)*k.interval-k.depth), 0)
}

// left is how many calls could be admitted at time t, and after how long it
// would be all of them again.
func (k *keyedShape) left(word int64, log []time.Duration, t time.Duration) (calls float64, reset time.Duration) {
	switch {
	case k.window != nil:
		return k.window.leftOf(uint64(word), t)
	case log != nil:
		l := k.callLog(log)
		return l.left(t)
	case k.logged > 0:
		return float64(k.burst), 0
	}
	used := max(word-int64(t), 0)
	return float64(max(k.depth-used, 0)) / float64(k.interval), time.Duration(used)
}

// carry is the word, and makes the log, that stand for the same share of what
// may be used up as those of another shape. What counts in another way begins
// anew.
func (k *keyedShape) carry(old *keyedShape, word int64, oldLog, log []time.Duration, t time.Duration) int64 {
	switch {
	case (k.window == nil) != (old.window == nil), (log == nil) != (oldLog == nil):
		k.begin(log)
		return 0
	case k.window != nil:
		return int64(k.window.carry(old.window, uint64(word), t))
	case log != nil:
		return k.carryLog(old.callLog(oldLog), log)
	case k.depth == old.depth || word <= int64(t):
		return word
	}
	used := float64(word-int64(t)) * float64(k.depth) / float64(old.depth)
	return int64(t) + int64(min(used, float64(depthMax))) + 1
}

// carryLog has each call of a longer log stand for several, and the last of
// several for them in a shorter one.
func (k *keyedShape) carryLog(old callLog, log []time.Duration) int64 {
	l := k.callLog(log)
	for i := range l.times {
		began := *old.at(((i+1)*len(old.times)+len(l.times)-1)/len(l.times) - 1)
		if began < 0 {
			began = -k.width
		}
		l.times[i] = began
	}
	return int64(l.newest() + k.width)
}

// carry is the word of another counter's that stands for the same shares of its
// windows.
func (w *windowCounter) carry(old *windowCounter, word uint64, t time.Duration) uint64 {
	y, elapsed := old.roll(unpack(word), t)
	if w.width != old.width || w.smooth != old.smooth {
		y.booked += old.weighed(y.before, elapsed)
		y.before = 0
	}
	into, _ := w.roll(windowTally{}, t)
	into.before = min(shareOf(y.before, w.limit, old.limit), w.limit)
	into.booked = min(shareOf(y.booked, w.limit, old.limit), bookedMax)
	return into.pack()
}

// shareOf is n x part / whole, rounded up. None of them has more than 24 bits.
func shareOf(n, part, whole int64) int64 { return (n*part + whole - 1) / whole }
