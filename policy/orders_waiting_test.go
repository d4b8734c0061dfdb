//go:build interleave

package policy

import (
	"fmt"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/interleave"
)

// TestOrdersOfGivingUpAtAGate has one call wait, and another give up waiting,
// while a third leaves and the limit changes: no place is lost, nobody is let
// in twice, and nobody who still waits is forgotten.
func TestOrdersOfGivingUpAtAGate(t *testing.T) {
	explore(t, interleave.Options{Preemptions: 2}, func() interleave.Program {
		g := &gate{order: inTurn{}}
		g.resize(1)
		g.enter()
		inside, most := 1, 1
		came := func() { inside++; most = max(most, inside) }
		leave := func() { inside--; g.leave() }
		var patient *waiter
		wait := func() *waiter {
			w := newWaiter()
			switch entered, joined := g.join(w, 2); {
			case entered:
				came()
				leave()
			case joined:
				return w
			}
			return nil
		}
		return interleave.Program{
			Tasks: []func(){
				leave,
				func() { patient = wait() },
				func() {
					if w := wait(); w != nil && g.giveUp(w) {
						came()
						leave()
					}
				},
				func() { g.resize(1) },
			},
			Check: func() error {
				if patient != nil {
					select {
					case entered := <-patient.verdict:
						if !entered {
							return fmt.Errorf("a waiter was sent off")
						}
						came()
						leave()
					default:
						return fmt.Errorf("a waiter was forgotten")
					}
				}
				if in, waiting := g.counts(); most > 1 || in != 0 || waiting != 0 {
					return fmt.Errorf("%d at once; %d inside and %d waiting in the end", most, in, waiting)
				}
				return nil
			},
		}
	})
}

// TestOrdersOfPlacesForKeys has more keys come than may be known, and one give
// back what it took: the count of keys is that of the places taken.
func TestOrdersOfPlacesForKeys(t *testing.T) {
	const keysMax, t0 = 2, 1000 * time.Hour
	explore(t, interleave.Options{Preemptions: 2}, func() interleave.Program {
		k, err := NewKeyedRateLimit(KeyedRateLimitConfig{Requests: 1, Per: time.Hour, KeysMax: keysMax, WhenFull: RejectWhenFull})
		if err != nil {
			panic(err)
		}
		k.shards = make([]keyShard, 2) // the lowest bit of a hash is its shard
		admitted := map[uint64]int{}
		take := func(hashes ...uint64) func() {
			return func() {
				for _, hash := range hashes {
					if _, wait := k.take(t0, hash, 1, 0); wait == 0 {
						admitted[hash]++
					}
				}
			}
		}
		return interleave.Program{
			Tasks: []func(){take(2, 2), take(3), take(5, 2)},
			Check: func() error {
				places := 0
				for i := range k.shards {
					places += k.shards[i].taken
				}
				if len(admitted) != keysMax || places != keysMax || k.Keys() != keysMax {
					return fmt.Errorf("%d keys were admitted, %d have places and %d are counted, of %d", len(admitted), places, k.Keys(), keysMax)
				}
				for hash, n := range admitted {
					if n > 1 {
						return fmt.Errorf("key %d was admitted %d times", hash, n)
					}
				}
				return nil
			},
		}
	})
}

// TestOrdersOfSpendingABudget: two calls and what is free allow two repeats.
func TestOrdersOfSpendingABudget(t *testing.T) {
	c := BudgetConfig{Share: 0.5, MinPerSecond: 0.1, Window: 10 * time.Second}
	explore(t, interleave.Options{Preemptions: 3}, func() interleave.Program {
		b, spent := new(budget), 0
		b.start()
		call := func() {
			b.calls.Add(1)
			if b.spend(&c) {
				spent++
			}
		}
		return interleave.Program{
			Tasks: []func(){call, call, func() {
				if b.spend(&c) {
					spent++
				}
			}},
			Check: func() error {
				if spent != 2 {
					return fmt.Errorf("%d repeats were allowed, want 2", spent)
				}
				return nil
			},
		}
	})
}

// TestOrdersOfCountingTheLastCalls has calls push one another out of a window.
func TestOrdersOfCountingTheLastCalls(t *testing.T) {
	explore(t, interleave.Options{Preemptions: 3}, func() interleave.Program {
		w := newCallWindow(2)
		w.add(0, true, true)
		count := func(failed bool) func() { return func() { w.add(0, failed, false) } }
		return interleave.Program{
			Tasks: []func(){count(true), count(true), count(true)},
			Check: func() error {
				if got, want := w.sum(0), (tally{calls: 2, failures: 2}); got != want {
					return fmt.Errorf("counted %+v, want %+v", got, want)
				}
				return nil
			},
		}
	})
}

// TestOrdersOfSparingACall has a throttle let calls through whatever the odds:
// one of those that come at the same time.
func TestOrdersOfSparingACall(t *testing.T) {
	explore(t, interleave.Options{}, func() interleave.Program {
		throttle, spared := new(Throttle), 0
		s := &throttleSetting{every: time.Second}
		ask := func() {
			if throttle.spare(s, time.Hour) {
				spared++
			}
		}
		return interleave.Program{Tasks: []func(){ask, ask, ask}, Check: func() error {
			if spared != 1 {
				return fmt.Errorf("%d calls were spared", spared)
			}
			return nil
		}}
	})
}

// TestOrdersOfLeavingAGateTooOften, as copies of a permit do: whoever waits is
// let in, and in the end the gate is empty.
func TestOrdersOfLeavingAGateTooOften(t *testing.T) {
	explore(t, interleave.Options{Preemptions: 3}, func() interleave.Program {
		g := &gate{order: inTurn{}}
		g.resize(1)
		g.enter()
		leave := func() { g.leave() }
		w := newWaiter()
		var joined bool
		return interleave.Program{
			Tasks: []func(){leave, leave, func() {
				var entered bool
				if entered, joined = g.join(w, 1); entered {
					g.leave()
				}
			}},
			Check: func() error {
				if joined {
					select {
					case <-w.verdict:
						g.leave()
					default:
						return fmt.Errorf("a waiter was forgotten")
					}
				}
				if inside, waiting := g.counts(); inside != 0 || waiting != 0 {
					return fmt.Errorf("%d are inside and %d wait", inside, waiting)
				}
				return nil
			},
		}
	})
}
