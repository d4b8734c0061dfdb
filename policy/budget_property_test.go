package policy

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestBudgetNeverExceedsItsShare has callers come and ask for repeats at random
// times, in calms, floods and outages. Within a window, repeats are never more
// than the share of its calls, of those before it that the budget had not placed
// yet, and the rate that is always free.
func TestBudgetNeverExceedsItsShare(t *testing.T) {
	property(t, 150, func(t *testing.T, random *rand.Rand) {
		c := BudgetConfig{Share: Ratio(random.Float64()), MinPerSecond: someOf(random, -1, 0.5, 3, 20),
			Window: someOf(random, time.Second, 10*time.Second)}.WithDefaults()
		b := new(budget)
		b.start()
		var mu sync.Mutex
		var calls, asked, repeats []time.Duration
		var callers sync.WaitGroup
		for range 10 {
			random := fork(random)
			callers.Go(func() {
				for range 60 {
					pause, fails := someOf(random, 0, 100*time.Millisecond, 3*time.Second), random.Float64()
					for range 10 {
						time.Sleep(time.Duration(random.Float64() * float64(pause)))
						mu.Lock() // so that what is written down comes in the budget's order
						b.called(&c)
						calls = append(calls, now())
						if random.Float64() < fails {
							asked = append(asked, now())
							if b.spend(&c) {
								repeats = append(repeats, now())
							}
						}
						mu.Unlock()
					}
				}
			})
		}
		callers.Wait()
		for i, last := range repeats {
			began := last - c.Window*(windowBuckets-1)/windowBuckets // one of the buckets has only begun
			n := i + 1 - before(repeats, began+1)
			within := before(calls, last+1) - before(calls, last-c.Window) + budgetStride - 1
			most := float64(c.Share)*float64(within) + max(c.MinPerSecond, 0)*c.Window.Seconds()
			if float64(n) > most {
				t.Fatalf("%+v: %d repeats within %v, want at most %v", c, n, last-began, most)
			}
		}
		if len(repeats) == 0 && c.MinPerSecond > 0 {
			t.Errorf("none of %d repeats was allowed", len(asked))
		}
	})
}

// before is how many of the times, which are in order, are before another.
func before(times []time.Duration, t time.Duration) int {
	i, _ := slices.BinarySearch(times, t)
	return i
}
