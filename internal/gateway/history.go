package gateway

import "time"

// mark is an endpoint's counts at one moment.
type mark struct{ tries, failures, slow, nanoseconds uint64 }

func (c *counts) now() mark {
	return mark{c.tries.Load(), c.failures.Load(), c.slow.Load(), c.nanoseconds.Load()}
}

// history is an endpoint's counts over the last outlierSpan.
type history struct {
	keep  int
	marks []mark
}

func (h *history) add(m mark) {
	if len(h.marks) > h.keep {
		h.marks = append(h.marks[:0], h.marks[1:]...)
	}
	h.marks = append(h.marks, m)
}

// recent is what happened in the shortest time that holds enough tries: a
// sudden change is not thinned by a long past. Marks are an interval apart.
func (h *history) recent(enough uint64, interval time.Duration) sample {
	first, last := h.marks[0], h.marks[len(h.marks)-1]
	s := sample{past: tally{last.tries - first.tries, last.failures - first.failures, last.slow - first.slow}}
	for i := len(h.marks) - 2; i >= 0; i-- {
		m := h.marks[i]
		s.tally = tally{last.tries - m.tries, last.failures - m.failures, last.slow - m.slow}
		s.span += interval
		if s.tries > 0 {
			s.mean = time.Duration((last.nanoseconds - m.nanoseconds) / s.tries)
		}
		if s.tries >= enough {
			s.enough = true
			break
		}
	}
	return s
}

// tally is what became of tries.
type tally struct{ tries, failures, slow uint64 }

func (t *tally) add(other tally) {
	t.tries += other.tries
	t.failures += other.failures
	t.slow += other.slow
}

// sample is what an endpoint did lately.
type sample struct {
	endpoint *endpoint
	tally
	span   time.Duration // that the tally is of
	past   tally         // of the last outlierSpan
	mean   time.Duration
	enough bool          // tries to judge by
	silent time.Duration // since its last answer
	owing  time.Duration // of that, with a request that waits or did in vain
	owed   int64         // such requests
	inVain bool          // some of them waited in vain

	why           string // it is an outlier
	hangs, slowly bool   // it answers nothing, or late
}
