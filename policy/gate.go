package policy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// gate lets a limited number of calls be inside at once. The others may wait
// in a line before it.
//
// One word holds how many are inside and how many wait. A call therefore joins
// the line only while the gate is seen to be full, and a call that leaves sees
// everybody who joined before it left: no wake-up is lost, and nobody overtakes
// the line. While nobody waits, entering is one compare-and-swap and leaving
// one addition.
type gate struct {
	word  atomic.Uint64 // waiting<<32 | inside
	limit atomic.Int64

	mu    sync.Mutex
	line  line // guarded; its length changes with the word
	order order
}

const oneWaiting = 1 << 32

// standBack is for how many steps of a loop, some 40 ns, a call that lost the
// word to another core leaves it alone. To come back at once takes the word
// from whoever has it, and both get less done.
const standBack = 100

// An order decides who of a line is next, and who has waited too long.
type order interface {
	// push puts a waiter into the line.
	push(*line, *waiter)
	// next returns the waiter to let in; the line is not empty.
	next(*line) *waiter
	// late returns a waiter to turn away, or nil. Joining is another call that
	// wants to join a line that has no room for it; nil for none.
	late(l *line, joining *waiter) *waiter
}

// enter takes a place if there is one and nobody waits for it.
func (g *gate) enter() bool {
	for {
		word := g.word.Load()
		if word >= oneWaiting || int64(word) >= g.limit.Load() {
			return false
		}
		if g.word.CompareAndSwap(word, word+1) {
			return true
		}
		for range standBack {
		}
	}
}

// leave gives a place back and returns how many were inside with it.
func (g *gate) leave() int {
	word := g.word.Add(^uint64(0))
	if word >= crossed {
		return g.leaveAcross(word)
	}
	return int(uint32(word)) + 1
}

// crossed is more than are ever inside: with this bit or a higher one somebody
// waits, or more have left than came.
const crossed = 1 << 31

// leaveAcross is the rest of leave for a word from crossed on. Where nobody was
// inside, because copies of one permit gave back its place each, the place is
// taken again, or the gate would refuse for ever.
func (g *gate) leaveAcross(word uint64) int {
	if int32(word) < 0 {
		word = g.word.Add(1)
	}
	g.mu.Lock()
	g.admit()
	g.mu.Unlock()
	return max(int(int32(word)), 0) + 1
}

// resize changes the limit and lets in those for whom there is room now.
func (g *gate) resize(limit int) {
	g.mu.Lock()
	g.limit.Store(int64(limit))
	g.admit()
	g.mu.Unlock()
}

// counts returns how many are inside and how many wait, at one moment.
func (g *gate) counts() (inside, waiting int) {
	word := g.word.Load()
	return int(uint32(word)), int(word >> 32)
}

// join takes a place if there is one by now, and otherwise puts w in the line
// unless that holds lineMax already.
func (g *gate) join(w *waiter, lineMax int) (entered, joined bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.admit() // those in the line come first
	if g.line.length > 0 && g.line.length >= lineMax {
		if late := g.order.late(&g.line, w); late != nil {
			g.turnAway(late)
		}
	}
	for {
		word := g.word.Load()
		switch {
		case word < oneWaiting && int64(word) < g.limit.Load():
			if g.word.CompareAndSwap(word, word+1) {
				return true, false
			}
		case g.line.length >= lineMax:
			return false, false
		case g.word.CompareAndSwap(word, word+oneWaiting):
			g.order.push(&g.line, w)
			return false, true
		}
	}
}

// wait waits in the line until w is let in, is turned away, has lost patience,
// or the context has ended; only then is there an error.
func (g *gate) wait(ctx context.Context, w *waiter, patience time.Duration) (entered bool, err error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case entered = <-w.verdict:
		return entered, nil
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	entered = g.giveUp(w)
	if entered && err != nil {
		g.leave() // let in at the moment that it gave up
		entered = false
	}
	return entered, err
}

// giveUp takes w out of the line, unless it was let in at this moment.
func (g *gate) giveUp(w *waiter) (entered bool) {
	g.mu.Lock()
	if w.line != nil {
		g.turnAway(w)
	}
	g.mu.Unlock()
	return <-w.verdict
}

// admit turns away those who are late and lets in as many as there is room
// for. The caller holds mu.
func (g *gate) admit() {
	for g.line.length > 0 {
		if w := g.order.late(&g.line, nil); w != nil {
			g.turnAway(w)
			continue
		}
		if !g.claim() {
			return
		}
		w := g.order.next(&g.line)
		g.line.remove(w)
		w.verdict <- true
	}
}

// claim makes a waiting call one that is inside, if there is room.
func (g *gate) claim() bool {
	for {
		word := g.word.Load()
		if int64(uint32(word)) >= g.limit.Load() {
			return false
		}
		if g.word.CompareAndSwap(word, word-oneWaiting+1) {
			return true
		}
	}
}

// turnAway sends a waiter off. The caller holds mu.
func (g *gate) turnAway(w *waiter) {
	g.line.remove(w)
	g.word.Add(^uint64(oneWaiting - 1))
	w.verdict <- false
}

// inTurn is the order of arrival, with unlimited patience.
type inTurn struct{}

func (inTurn) push(l *line, w *waiter)     { l.push(w) }
func (inTurn) next(l *line) *waiter        { return l.ranks[0].nobody.waiting.oldest }
func (inTurn) late(*line, *waiter) *waiter { return nil }
