package policy

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func nan() float64 { return math.NaN() }

func TestWindowForgetsATenthAtATime(t *testing.T) {
	w := newWindow(10 * time.Second)
	at := 1000 * time.Second
	for i := range 10 {
		w.add(at+time.Duration(i)*time.Second, i%2 == 0, i%5 == 0)
	}
	if got, want := w.sum(at+9*time.Second), (tally{10, 5, 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := w.sum(at+14*time.Second), (tally{5, 2, 1}); got != want {
		t.Errorf("5 s later: got %+v, want %+v", got, want)
	}
	if got := w.sum(at + 20*time.Second); got != (tally{}) {
		t.Errorf("20 s later: got %+v", got)
	}
}

func TestWindowAcceptsClockReadingsOutOfOrder(t *testing.T) {
	w := newWindow(10 * time.Second)
	at := 1000 * time.Second
	w.add(at, true, false)
	w.add(at-3*time.Second, true, false) // late, but within the window
	if got, want := w.sum(at), (tally{2, 2, 0}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.add(at-10*time.Second, true, true) // its bucket belongs to the present now
	if got, want := w.sum(at), (tally{2, 2, 0}); got != want {
		t.Errorf("after a reading a whole window late: got %+v, want %+v", got, want)
	}
}

func TestWindowStartsOverAfterALongRest(t *testing.T) {
	w := newWindow(10 * time.Millisecond)
	for _, at := range []time.Duration{time.Hour, 3 * time.Hour, 6 * time.Hour, 14 * time.Hour, 24 * time.Hour} {
		w.add(at, true, false)
		if got, want := w.sum(at), (tally{1, 1, 0}); got != want {
			t.Errorf("at %v: got %+v, want %+v", at, got, want)
		}
	}
}

func TestWindowCountsStopAtTheirLimit(t *testing.T) {
	w := newWindow(10 * time.Second)
	b := &w.buckets[0]
	b.marked.Store(markMask << markShift)
	w.add(0, true, false)
	w.add(0, true, true)
	if got := b.marked.Load(); got != markMask<<markShift {
		t.Errorf("a full count spilled over: %x", got)
	}
}

// TestWindowAgainstAPlainCount compares the window with the list of all calls.
func TestWindowAgainstAPlainCount(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	type entry struct {
		slot         int64
		failed, slow bool
	}
	for range 20 {
		width := time.Duration(10+r.IntN(100000)) * time.Millisecond
		w := newWindow(width)
		var all []entry
		at := time.Duration(r.Int64N(int64(time.Hour)))
		for range 300 {
			at += time.Duration(r.Int64N(int64(width) / 8))
			e := entry{int64(w.slots.at(at)), r.IntN(3) == 0, r.IntN(4) == 0}
			w.add(at, e.failed, e.slow)
			all = append(all, e)
			var want tally
			for _, e := range all {
				if e.slot > int64(w.slots.at(at))-windowBuckets {
					want.calls++
					want.failures += btoi(e.failed)
					want.slow += btoi(e.slow)
				}
			}
			if got := w.sum(at); got != want {
				t.Fatalf("width %v at %v: got %+v, want %+v", width, at, got, want)
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestWindowLosesNoConcurrentCall(t *testing.T) {
	w := newWindow(time.Hour)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				w.add(time.Minute, i%2 == 0, i%4 == 0)
			}
		})
	}
	wg.Wait()
	if got, want := w.sum(time.Minute), (tally{8000, 4000, 2000}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSlotsDivideExactly(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	widths := []time.Duration{2, 3, 10, 1e6, 1e6 + 1, 1 << 20, 1e9, 6 * time.Minute, 1<<62 + 1, math.MaxInt64}
	for range 1000 {
		widths = append(widths, max(time.Duration(r.Int64()>>r.IntN(62)), 2))
	}
	for _, width := range widths {
		s := slotsOf(width)
		times := []time.Duration{0, 1, math.MaxInt64}
		for range 100 {
			multiple := max(time.Duration(r.Int64())>>r.IntN(63)/width, 1) * width
			times = append(times, multiple-1, multiple, multiple+min(1, math.MaxInt64-multiple))
		}
		for _, at := range times {
			if got, want := s.at(at), uint64(at/width); got != want {
				t.Fatalf("%d is in slot %d of width %d, want %d", at, got, width, want)
			}
		}
	}
}
