package policy

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// windowBuckets is how finely a time window forgets: a tenth at a time.
	windowBuckets = 10
	// windowRing is how many buckets there are to choose from, a power of two
	// so that a slot's is found without a division.
	windowRing = 16
)

// window counts calls over the last width of time without a lock. Each bucket
// packs the number of its time slot beside its counts, so that a bucket left
// over from an earlier turn of the ring is recognized and reused in one
// compare-and-swap.
type window struct {
	slots   slots
	buckets [windowRing]struct {
		calls  atomic.Uint64 // slot number << 40 | calls
		marked atomic.Uint64 // slot number << 40 | failures << 20 | slow calls
	}
}

const (
	slotShift  = 40
	slotMask   = 1<<24 - 1
	countMask  = 1<<slotShift - 1
	markShift  = 20
	markMask   = 1<<markShift - 1
	oneFailure = 1 << markShift
	oneSlow    = 1
)

func newWindow(width time.Duration) *window {
	return &window{slots: slotsOf(width / windowBuckets)}
}

// add counts one call at time t, which may be out of order.
func (w *window) add(t time.Duration, failed, slow bool) {
	slot := w.slots.at(t)
	b := &w.buckets[slot%windowRing]
	slot &= slotMask
	bump(&b.calls, slot, 1, countMask)
	var marks uint64
	if failed {
		marks += oneFailure
	}
	if slow {
		marks += oneSlow
	}
	if marks != 0 {
		bump(&b.marked, slot, marks, markMask)
	}
}

// lateSlots is how many slots a call may come after the slot it belongs to and
// still be told from one that comes a whole turn of the slot numbers later.
const lateSlots = 1 << 12

// bump adds n to a bucket's word, starting over when the word is of an earlier
// slot, and dropping n when the word is of a later one: a caller that lost the
// processor after it read the clock must not wipe what newer calls counted.
// Counts stop at their limit rather than spill into their neighbour.
func bump(word *atomic.Uint64, slot, n, limit uint64) {
	for {
		old := word.Load()
		next := old + n
		if ahead := (old>>slotShift - slot) & slotMask; ahead != 0 {
			if ahead < lateSlots && old != 0 {
				return
			}
			next = slot<<slotShift | n
		} else if old&limit == limit || n >= oneFailure && old>>markShift&markMask == markMask {
			return
		}
		if word.CompareAndSwap(old, next) {
			return
		}
	}
}

// tally is what a window holds.
type tally struct{ calls, failures, slow int }

// sum counts what happened in the width of time up to t.
func (w *window) sum(t time.Duration) tally {
	var s tally
	newest := w.slots.at(t)
	for i := range w.buckets {
		b := &w.buckets[i]
		if calls := b.calls.Load(); fresh(calls, newest) {
			s.calls += int(calls & countMask)
		}
		if marked := b.marked.Load(); fresh(marked, newest) {
			s.failures += int(marked >> markShift & markMask)
			s.slow += int(marked & markMask)
		}
	}
	return s
}

// fresh reports whether a bucket's word is of one of the last slots.
func fresh(word, newest uint64) bool {
	return word != 0 && (newest-word>>slotShift)&slotMask < windowBuckets
}

// slots divides time into slots of one width. It multiplies by the reciprocal,
// because a division takes longer than all else that a window does. The
// quotient is exact for every time (T. Granlund and P. Montgomery, "Division by
// Invariant Integers using Multiplication", 1994, theorem 4.2).
type slots struct {
	reciprocal uint64 // 2^(63+⌈log₂ width⌉) / width, rounded up
	shift      uint8
}

func slotsOf(width time.Duration) slots {
	d := uint64(max(width, 2))
	shift := bits.Len64(d-1) - 1
	quotient, _ := bits.Div64(1<<shift, 0, d)
	return slots{quotient + 1, uint8(shift)}
}

// at is the number of the slot that t is in. It is not negative.
func (s slots) at(t time.Duration) uint64 {
	high, _ := bits.Mul64(uint64(t), s.reciprocal)
	return high >> (s.shift & 63)
}
