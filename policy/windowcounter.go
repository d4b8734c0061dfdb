package policy

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// windowCounter counts the calls of fixed windows. A fixed window admits limit
// calls in each, and so up to twice as many around a boundary.
//
// A smooth one also weighs the calls of the window before by the part of it
// that a window sliding along with the clock would still cover, as if they had
// been spread evenly: the approximation of "How we built rate limiting capable
// of scaling to millions of domains" (Cloudflare, 2017), which found 0.003% of
// 400 million requests decided otherwise than by an exact log. Calls that are
// not spread evenly pass its estimate by up to a window's worth, but never its
// law: in any time, at most limit x (1 + time / width). That is also the law of
// a token bucket with a burst of limit.
//
// Calls may be booked for later windows: those above the limit count for the
// next window, above twice the limit for the one after it, and so on.
//
// The counts are one word. Windows come with the wall clock's full seconds,
// minutes or hours, as of the program's start.
type windowCounter struct {
	width  int64
	limit  int64
	smooth bool
	offset int64 // how long before the clock's epoch a window began

	// cut is what a smaller limit had no room for, and of which window: a larger
	// one soon after must not forget it.
	cut windowTally

	latest atomic.Int64  // the latest window that any reading of the clock fell into
	word   atomic.Uint64 // a windowTally, or spent once reshaped
}

// windowTally is what a windowCounter has counted.
type windowTally struct {
	window int64 // whose tally it is: any number in memory, the lowest bits of it in the word
	before int64 // calls of the window before
	booked int64 // calls of this window and, above the limit, of later ones
}

const (
	bookedBits = 24
	beforeBits = 20 // more than loggedMax
	windowBits = 64 - beforeBits - bookedBits
	bookedMax  = 1<<bookedBits - 1
	windowMask = 1<<windowBits - 1
	// spent marks a counter whose state has moved. No tally is like it.
	spent = math.MaxUint64
)

func (y windowTally) pack() uint64 {
	return uint64(y.window&windowMask)<<(beforeBits+bookedBits) | uint64(y.before)<<bookedBits | uint64(y.booked)
}

func unpack(word uint64) windowTally {
	return windowTally{
		window: int64(word >> (beforeBits + bookedBits)),
		before: int64(word >> bookedBits & (1<<beforeBits - 1)),
		booked: int64(word & bookedMax),
	}
}

func newWindowCounter(c *RateLimitConfig) *windowCounter {
	return &windowCounter{
		width:  int64(c.Per),
		limit:  int64(c.Requests),
		smooth: c.Algorithm == SlidingWindowCounter,
		offset: int64(epoch.Sub(epoch.Truncate(c.Per))),
	}
}

func (w *windowCounter) take(t time.Duration, n int, ahead time.Duration) (slot, time.Duration) {
	for {
		word := w.word.Load()
		if word == spent {
			return slot{}, moved
		}
		next, s, wait := w.with(word, t, n, ahead)
		if wait != 0 || w.word.CompareAndSwap(word, next) {
			return s, wait
		}
	}
}

// with is the word once n calls are taken, or how long they would have to wait.
func (w *windowCounter) with(word uint64, t time.Duration, n int, ahead time.Duration) (next uint64, s slot, wait time.Duration) {
	if int64(n) > w.limit {
		return word, slot{}, never
	}
	y, elapsed := w.roll(unpack(word), t)
	begin := y.window*w.width - w.offset
	wait = w.book(&y, elapsed, int64(n))
	if wait > ahead || y.booked > bookedMax {
		return word, slot{}, max(wait, 1)
	}
	next = y.pack()
	return next, slot{at: time.Duration(begin+elapsed) + wait, n: n, mark: int64(next)}, 0
}

// roll brings a tally, which was loaded before, to the window of time t, and
// tells how much of that has passed. A reading of the clock that falls into an
// earlier window than another did counts as made when the later one began.
//
// The word knows only the lowest bits of its window. It is never ahead of
// latest, so that a difference is never taken for a large one; and after a
// calm of exactly so many windows that the bits are the same again, old calls
// count once more, which admits less.
func (w *windowCounter) roll(y windowTally, t time.Duration) (windowTally, int64) {
	since := int64(min(max(t, 0), clockMax)) + w.offset
	window, elapsed := since/w.width, since%w.width
	for {
		latest := w.latest.Load()
		if window < latest {
			window, elapsed = latest, 0
		}
		if window == latest || w.latest.CompareAndSwap(latest, window) {
			break
		}
	}
	passed := (window - y.window) & windowMask
	if passed > 0 {
		y.before = min(max(y.booked-min(passed-1, bookedMax)*w.limit, 0), w.limit)
		y.booked = max(y.booked-min(passed, bookedMax)*w.limit, 0)
	}
	y.window = window
	return y, elapsed
}

// book adds n calls, all in one window, and returns how long they wait.
func (w *windowCounter) book(y *windowTally, elapsed, n int64) time.Duration {
	windows := y.booked / w.limit
	before := w.limit // of a window that comes later, all of the one before it counts
	if windows == 0 {
		before = y.before
	}
	if used := y.booked - windows*w.limit; used+n > w.limit {
		windows++
		y.booked = windows * w.limit // what is left of the window is too little
		before = used
	}
	y.booked += n
	if windows > int64(depthMax)/w.width {
		return depthMax
	}
	at := w.room(before, y.booked-windows*w.limit)
	return time.Duration(max(windows*w.width+at-elapsed, 0))
}

// room is how much of a window must have passed until so many calls are
// admitted in it, the last one included: before x (width - room) / width +
// calls is within the limit then.
func (w *windowCounter) room(before, calls int64) int64 {
	over := before + calls - w.limit
	if !w.smooth || over <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(w.width), uint64(over))
	at, rest := bits.Div64(high, low, uint64(before))
	if rest > 0 {
		at++
	}
	return int64(at)
}

// release takes n calls out of the window in which they are. A slot in the
// middle of others that are still to come is lost, as in a token bucket.
func (w *windowCounter) release(clock func() time.Duration, s slot) {
	for {
		word := w.word.Load()
		t := clock()
		if word == spent {
			return // the affair of another limiter
		}
		next := w.without(word, t, s)
		if next == word || w.word.CompareAndSwap(word, next) {
			return
		}
	}
}

// without is the word once what can be given back of a slot is.
func (w *windowCounter) without(word uint64, t time.Duration, s slot) uint64 {
	if t-s.at >= 2*time.Duration(w.width) {
		return word // long over
	}
	y, elapsed := w.roll(unpack(word), t)
	mark := unpack(uint64(s.mark))
	end := mark.booked - (y.window-mark.window)&windowMask*w.limit
	calm := y.booked <= w.limit && w.room(y.before, y.booked) <= elapsed
	switch {
	case end > 0 && (calm || end == y.booked):
		y.booked = max(y.booked-int64(s.n), 0)
	case end <= 0 && end > -w.limit && calm:
		y.before = max(y.before-int64(s.n), 0)
	default:
		return word
	}
	return y.pack()
}

func (w *windowCounter) wait(t time.Duration, n int) time.Duration {
	word := w.word.Load()
	if word == spent {
		return 0
	}
	return w.waitOf(word, t, n)
}

// waitOf is wait for a word.
func (w *windowCounter) waitOf(word uint64, t time.Duration, n int) time.Duration {
	y, elapsed := w.roll(unpack(word), t)
	whole := (int64(n) - 1) / w.limit * w.limit // windows full of calls that wait one behind another
	y.booked += whole
	n -= int(whole)
	return w.book(&y, elapsed, int64(n))
}

func (w *windowCounter) left(t time.Duration) (calls float64, reset time.Duration) {
	word := w.word.Load()
	if word == spent {
		return 0, 0
	}
	return w.leftOf(word, t)
}

// leftOf is left for a word.
func (w *windowCounter) leftOf(word uint64, t time.Duration) (calls float64, reset time.Duration) {
	y, elapsed := w.roll(unpack(word), t)
	if windows := (y.booked + w.limit - 1) / w.limit; windows > 0 {
		if w.smooth {
			windows++
		}
		reset = time.Duration(min(windows, int64(depthMax)/w.width)*w.width - elapsed)
	} else if w.smooth && y.before > 0 {
		reset = time.Duration(w.width - elapsed)
	}
	return float64(max(w.limit-y.booked-w.weighed(y.before, elapsed), 0)), reset
}

// weighed is what the calls of the window before still count for, rounded up.
func (w *windowCounter) weighed(before, elapsed int64) int64 {
	if !w.smooth {
		return 0
	}
	high, low := bits.Mul64(uint64(before), uint64(w.width-elapsed))
	calls, rest := bits.Div64(high, low, uint64(w.width))
	if rest > 0 {
		calls++
	}
	return int64(calls)
}

// reshape keeps the calls that count at the moment, and those that are booked.
func (w *windowCounter) reshape(t time.Duration, c *RateLimitConfig) limiter {
	made := newLimiter(c)
	old := unpack(w.word.Swap(spent))
	next, ok := made.(*windowCounter)
	if !ok {
		return made
	}
	y, elapsed := w.roll(old, t)
	later := max(y.booked-w.limit, 0)
	y.booked -= later
	switch y.window - w.cut.window {
	case 0:
		y.booked += w.cut.booked
		y.before += w.cut.before
	case 1:
		y.before += w.cut.booked
	}
	if next.width != w.width || next.smooth != w.smooth {
		y.booked += w.weighed(y.before, elapsed)
		y.before = 0
	}
	into, _ := next.roll(windowTally{}, t)
	into.before = min(y.before, next.limit)
	into.booked = min(min(y.booked, next.limit)+later, bookedMax)
	if next.width == w.width {
		next.cut = windowTally{window: y.window, before: max(y.before-next.limit, 0), booked: max(y.booked-next.limit, 0)}
	}
	next.word.Store(into.pack())
	return next
}
