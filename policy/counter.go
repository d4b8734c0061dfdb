package policy

import (
	"sync/atomic"
	"unsafe"
)

// counter counts what many goroutines may do at once, and is seldom read. It is
// one number until two of them meet there; from then on each adds to a cell of
// its own, as far as there are enough, so that cores do not take one cache line
// from one another (as in Java's LongAdder). Adds that came before a Load are
// in it, and it never goes back.
type counter struct {
	alone atomic.Uint64
	cells atomic.Pointer[cells]
}

// cells are enough for few of a machine's goroutines to share one, at 1 KiB
// for each counter that is fought over.
type cells [cellsCount]struct {
	n atomic.Uint64
	_ [56]byte // the rest of the cache line
}

const cellsCount = 16

// Add counts n more.
func (c *counter) Add(n uint64) {
	if n0 := c.alone.Load(); c.cells.Load() != nil || !c.alone.CompareAndSwap(n0, n0+n) {
		c.addApart(n)
	}
}

func (c *counter) addApart(n uint64) {
	if c.cells.Load() == nil {
		c.cells.CompareAndSwap(nil, new(cells))
	}
	c.cells.Load()[cellOfGoroutine()].n.Add(n)
}

// Load returns how many were counted.
func (c *counter) Load() uint64 {
	n := c.alone.Load()
	if spread := c.cells.Load(); spread != nil {
		for i := range spread {
			n += spread[i].n.Load()
		}
	}
	return n
}

// cellOfGoroutine tells goroutines apart by where their stacks lie, which are
// 2 KiB or a larger power of two each, so neighbours differ in one digit of the
// sum at least. It need not stay the same: any cell will do.
func cellOfGoroutine() uint64 {
	var here byte
	at := uint64(uintptr(unsafe.Pointer(&here))) >> 11
	return (at ^ at>>4 ^ at>>8) % cellsCount
}
