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
	// rank is the waiter's place among the priorities, 0 for the highest, and
	// key says on whose behalf it waits.
	rank int
	key  string

	line   *line // that it stands in; nil once it has left
	user   *user
	inUser links[waiter]
}

func newWaiter() *waiter { return &waiter{verdict: make(chan bool, 1)} }

func ofUser(w *waiter) *links[waiter] { return &w.inUser }

// line is a queue for each priority, which its members can leave from anywhere.
type line struct {
	ranks  [ranks]queue
	length int
}

// queue holds those of one priority by the user on whose behalf they wait. It
// knows only users who wait, so it is no larger than the line.
type queue struct {
	turns   list[user] // the oldest is next
	fresh   list[user] // before all those; the newest is next
	longest longestFirst
	began   time.Duration // since when somebody has always been waiting
	served  lately
	users   map[string]*user // except the nobody
	nobody  user             // on whose behalf those without a key wait
}

func (l *line) push(w *waiter) {
	w.line = l
	l.ranks[w.rank].push(w)
	l.length++
}

func (l *line) remove(w *waiter) {
	l.ranks[w.rank].remove(w)
	w.line = nil
	l.length--
}

// first is the highest rank of which somebody is in the line, and last the
// lowest. The line is not empty.
func (l *line) first() int {
	rank := 0
	for l.ranks[rank].next() == nil {
		rank++
	}
	return rank
}

func (l *line) last() int {
	rank := ranks - 1
	for l.ranks[rank].next() == nil {
		rank--
	}
	return rank
}
