package policy

import "time"

// A waiter is a call that waits before a gate.
type waiter struct {
	// verdict is sent once, when the waiter has left its line: true lets the
	// call in. There is room for it, so that no sender waits.
	verdict chan bool
	// since is when the call began to wait, and until is when waiting longer
	// is useless; zero means never. Both are the affair of the gate's order.
	since, until time.Duration
	// rank is the waiter's place among the priorities, 0 for the highest.
	rank int

	line           *line // that it stands in; nil once it has left
	before, behind *waiter
}

func newWaiter() *waiter { return &waiter{verdict: make(chan bool, 1)} }

// line is a queue for each priority, which its members can leave from anywhere
// in constant time.
type line struct {
	ranks  [ranks]struct{ oldest, newest *waiter }
	length int
	began  time.Duration // since when somebody has always been in it
}

func (l *line) push(w *waiter) {
	if l.length == 0 {
		l.began = w.since
	}
	queue := &l.ranks[w.rank]
	w.line, w.before = l, queue.newest
	if queue.newest != nil {
		queue.newest.behind = w
	} else {
		queue.oldest = w
	}
	queue.newest = w
	l.length++
}

// first is the highest rank of which somebody is in the line, and last the
// lowest. The line is not empty.
func (l *line) first() int {
	rank := 0
	for l.ranks[rank].oldest == nil {
		rank++
	}
	return rank
}

func (l *line) last() int {
	rank := ranks - 1
	for l.ranks[rank].oldest == nil {
		rank--
	}
	return rank
}

func (l *line) remove(w *waiter) {
	queue := &l.ranks[w.rank]
	if w.before != nil {
		w.before.behind = w.behind
	} else {
		queue.oldest = w.behind
	}
	if w.behind != nil {
		w.behind.before = w.before
	} else {
		queue.newest = w.before
	}
	w.line, w.before, w.behind = nil, nil, nil
	l.length--
}
