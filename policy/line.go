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

	line           *line // that it stands in; nil once it has left
	before, behind *waiter
}

func newWaiter() *waiter { return &waiter{verdict: make(chan bool, 1)} }

// line is a queue that its members can leave from anywhere in constant time.
type line struct {
	oldest, newest *waiter
	length         int
	began          time.Duration // since when somebody has always been in it
}

func (l *line) push(w *waiter) {
	w.line, w.before = l, l.newest
	if l.newest != nil {
		l.newest.behind = w
	} else {
		l.oldest, l.began = w, w.since
	}
	l.newest = w
	l.length++
}

func (l *line) remove(w *waiter) {
	if w.before != nil {
		w.before.behind = w.behind
	} else {
		l.oldest = w.behind
	}
	if w.behind != nil {
		w.behind.before = w.before
	} else {
		l.newest = w.before
	}
	w.line, w.before, w.behind = nil, nil, nil
	l.length--
}
