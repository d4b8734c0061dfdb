package policy

import (
	"sync/atomic"
	"time"
)

// windowBuckets is how finely a time window forgets: a tenth at a time.
const windowBuckets = 10

// window counts calls over the last width of time without a lock. Each bucket
// packs the number of its time slot beside its counts, so that a bucket left
// over from an earlier turn of the ring is recognized and reused in one
// compare-and-swap.
type window struct {
	slot    time.Duration // a bucket's width
	buckets [windowBuckets]struct {
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
	return &window{slot: max(width/windowBuckets, 1)}
}

// add counts one call at time t, which may be out of order.
func (w *window) add(t time.Duration, failed, slow bool) {
	slot := uint64(t/w.slot) & slotMask
	b := &w.buckets[uint64(t/w.slot)%windowBuckets]
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
		switch ahead := (old>>slotShift - slot) & slotMask; {
		case ahead != 0 && ahead < lateSlots && old != 0:
			return
		case ahead != 0:
			next = slot<<slotShift | n
		case old&limit == limit || n >= oneFailure && old>>markShift&markMask == markMask:
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
	newest := uint64(t / w.slot)
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
