package policy

import (
	"sync"
	"testing"
	"unsafe"
)

func TestCounterCountsAlone(t *testing.T) {
	var c counter
	for n := range uint64(10) {
		c.Add(n)
	}
	if got := c.Load(); got != 45 || c.cells.Load() != nil {
		t.Errorf("counted %d with cells %v, want 45 without any", got, c.cells.Load())
	}
}

// TestCounterLosesNothing has many goroutines count while one reads.
func TestCounterLosesNothing(t *testing.T) {
	const goroutines, each = 64, 2000
	var c counter
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				c.Add(1)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	for last, running := uint64(0), true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got := c.Load()
		if got < last || got > goroutines*each {
			t.Fatalf("read %d after %d, of %d", got, last, goroutines*each)
		}
		last = got
	}
	if got := c.Load(); got != goroutines*each {
		t.Errorf("counted %d of %d", got, goroutines*each)
	}
}

func TestCounterCellsShareNoCacheLine(t *testing.T) {
	if size := unsafe.Sizeof(cells{}[0]); size != 64 {
		t.Errorf("a cell has %d bytes", size)
	}
}

// TestCounterSpreadsGoroutines looks at where goroutines that run together
// count: were it one cell, they would meet there as before.
func TestCounterSpreadsGoroutines(t *testing.T) {
	const goroutines = 64
	var at [goroutines]uint64
	var all, here sync.WaitGroup
	here.Add(goroutines)
	for i := range goroutines {
		all.Go(func() {
			here.Done()
			here.Wait() // all of them have a stack now
			at[i] = cellOfGoroutine()
		})
	}
	all.Wait()
	cells := map[uint64]int{}
	for _, cell := range at {
		cells[cell]++
	}
	if len(cells) < cellsCount/4 {
		t.Errorf("%d goroutines count in %d cells of %d", goroutines, len(cells), cellsCount)
	}
}
