package policy

import (
	"sync/atomic"
	"time"
)

// outcomes is what a breaker measures rates over: a [window] of time or a
// [callWindow].
type outcomes interface {
	// add counts one call that ended at t.
	add(t time.Duration, failed, slow bool)
	// sum is what counts at t.
	sum(t time.Duration) tally
}

// callWindow counts the last calls, however long ago they were, without a lock
// and without the clock. Each call takes the slot of the one that it pushes
// out, and the sums change by the difference between the two.
type callWindow struct {
	calls          atomic.Uint64 // ever
	failures, slow atomic.Int64  // in the slots
	slots          []atomic.Uint32
}

const (
	slotFailed = 1 << iota
	slotSlow
)

func newCallWindow(calls int) *callWindow {
	return &callWindow{slots: make([]atomic.Uint32, calls)}
}

func (w *callWindow) add(_ time.Duration, failed, slow bool) {
	var marks uint32
	if failed {
		marks |= slotFailed
	}
	if slow {
		marks |= slotSlow
	}
	slot := (w.calls.Add(1) - 1) % uint64(len(w.slots))
	old := w.slots[slot].Swap(marks)
	if old == marks {
		return
	}
	w.failures.Add(int64(marks&slotFailed) - int64(old&slotFailed))
	w.slow.Add(int64(marks&slotSlow)/slotSlow - int64(old&slotSlow)/slotSlow)
}

func (w *callWindow) sum(time.Duration) tally {
	return tally{
		calls:    int(min(w.calls.Load(), uint64(len(w.slots)))),
		failures: int(max(w.failures.Load(), 0)), // a slower call may still owe its difference
		slow:     int(max(w.slow.Load(), 0)),
	}
}
