package interleave_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/internal/interleave"
	"github.com/afloat-dev/afloat/internal/interleave/atomic"
	"github.com/afloat-dev/afloat/internal/interleave/sync"
)

func TestEveryOrderIsTriedOnce(t *testing.T) {
	orders := map[string]int{}
	n, err := interleave.Explore(interleave.Options{}, func() interleave.Program {
		var order strings.Builder
		var x atomic.Int64
		task := func(name string) func() {
			return func() {
				for range 2 {
					x.Add(1)
					order.WriteString(name)
				}
			}
		}
		return interleave.Program{
			Tasks: []func(){task("a"), task("b")},
			Check: func() error { orders[order.String()]++; return nil },
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	// Three steps each, with that of beginning: 6 of which 3 are a's.
	if want := 20; n != want {
		t.Errorf("%d schedules, want %d", n, want)
	}
	if want := 6; len(orders) != want {
		t.Errorf("orders %v, want all %d of aabb", orders, want)
	}
}

// counter adds to a counter in three ways, one of them wrong.
func counter(add func(*atomic.Int64, *sync.Mutex)) func() interleave.Program {
	return func() interleave.Program {
		var x atomic.Int64
		var mu sync.Mutex
		task := func() { add(&x, &mu) }
		return interleave.Program{
			Tasks: []func(){task, task, task},
			Check: func() error {
				if got := x.Load(); got != 3 {
					return fmt.Errorf("counted %d of 3", got)
				}
				return nil
			},
		}
	}
}

func TestLostUpdateIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		add  func(*atomic.Int64, *sync.Mutex)
		want string
	}{
		"load and store": {func(x *atomic.Int64, _ *sync.Mutex) { x.Store(x.Load() + 1) }, "of 3"},
		"add":            {func(x *atomic.Int64, _ *sync.Mutex) { x.Add(1) }, ""},
		"under a lock": {func(x *atomic.Int64, mu *sync.Mutex) {
			mu.Lock()
			defer mu.Unlock()
			x.Store(x.Load() + 1)
		}, ""},
		"compare and swap": {func(x *atomic.Int64, _ *sync.Mutex) {
			for old := x.Load(); !x.CompareAndSwap(old, old+1); old = x.Load() {
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, preemptions := range []int{0, 1} {
				n, err := interleave.Explore(interleave.Options{Preemptions: preemptions}, counter(c.add))
				t.Logf("%d schedules with %d preemptions", n, preemptions)
				if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			}
		})
	}
}

func TestDeadlockAndPanicAreTold(t *testing.T) {
	crossed := func() interleave.Program {
		var a, b sync.Mutex
		held := 0
		both := func(first, second *sync.Mutex) func() {
			return func() {
				first.Lock()
				second.Lock()
				held++
				second.Unlock()
				first.Unlock()
			}
		}
		return interleave.Program{Tasks: []func(){both(&a, &b), both(&b, &a)}, Check: func() error { return nil }}
	}
	if _, err := interleave.Explore(interleave.Options{}, crossed); err == nil || !strings.Contains(err.Error(), "deadlock") {
		t.Errorf("got %v, want a deadlock", err)
	}
	panics := func() interleave.Program {
		return interleave.Program{Tasks: []func(){func() { panic("oh") }}, Check: func() error { return nil }}
	}
	if _, err := interleave.Explore(interleave.Options{}, panics); err == nil || !strings.Contains(err.Error(), "panics: oh") {
		t.Errorf("got %v, want the panic", err)
	}
}

func TestEndlessExplorationIsCut(t *testing.T) {
	n, err := interleave.Explore(interleave.Options{SchedulesMax: 5}, counter(func(x *atomic.Int64, _ *sync.Mutex) { x.Add(1) }))
	if n != 5 || err == nil || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("%d schedules, %v", n, err)
	}
	endless := func() interleave.Program {
		var x atomic.Bool
		return interleave.Program{Tasks: []func(){func() {
			for !x.Load() {
			}
		}}, Check: func() error { return nil }}
	}
	if _, err := interleave.Explore(interleave.Options{}, endless); err == nil || !strings.Contains(err.Error(), "endless") {
		t.Errorf("got %v, want too many steps", err)
	}
}
