//go:build interleave

package policy

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/internal/interleave"
)

// explore runs the program in every order, with the clock standing still while
// a schedule runs.
func explore(t *testing.T, o interleave.Options, program func() interleave.Program) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n, err := interleave.Explore(o, program)
		t.Logf("%d schedules", n)
		if err != nil {
			t.Error(err)
		}
	})
}

// takes is a program in which each task asks the limiter at the times given,
// which come out of order across the tasks. No more than most are admitted, and
// somebody always is; a reading of the clock that comes late may admit less.
func takes(make func() limiter, most int, times ...[]time.Duration) func() interleave.Program {
	return func() interleave.Program {
		lim, admitted := make(), 0
		p := interleave.Program{Check: func() error {
			if admitted == 0 || admitted > most {
				return fmt.Errorf("%d were admitted, want at most %d", admitted, most)
			}
			return nil
		}}
		for _, at := range times {
			p.Tasks = append(p.Tasks, func() {
				for _, t := range at {
					if _, wait := lim.take(t, 1, 0); wait == 0 {
						admitted++
					}
				}
			})
		}
		return p
	}
}

func TestOrdersOfTakingFromALimiter(t *testing.T) {
	const t0 = 1000 * time.Hour
	for _, c := range []RateLimitConfig{
		{Requests: 2, Per: time.Hour, Burst: 2},
		{Requests: 2, Per: time.Hour, Algorithm: SlidingWindow},
		{Requests: 2, Per: time.Hour, Algorithm: SlidingWindowCounter},
		{Requests: 2, Per: time.Hour, Algorithm: FixedWindow},
	} {
		c = c.WithDefaults()
		t.Run(string(c.Algorithm), func(t *testing.T) {
			preemptions := 0
			if c.Algorithm != TokenBucket {
				preemptions = 4
			}
			explore(t, interleave.Options{Preemptions: preemptions}, takes(func() limiter { return newLimiter(&c) }, 2,
				[]time.Duration{t0 + 2, t0 + 3}, []time.Duration{t0 + 1}, []time.Duration{t0 + 4}))
		})
	}
}

// TestOrdersOfReshapingABucket has a Set move the state while calls take: what
// was admitted before and is left after make the burst together.
func TestOrdersOfReshapingABucket(t *testing.T) {
	c := RateLimitConfig{Requests: 3, Per: time.Hour, Burst: 3}.WithDefaults()
	const t0 = 1000 * time.Hour
	explore(t, interleave.Options{}, func() interleave.Program {
		old, admitted := newLimiter(&c), 0
		var next limiter
		take := func() {
			if _, wait := old.take(t0, 1, 0); wait == 0 {
				admitted++
			}
		}
		return interleave.Program{
			Tasks: []func(){take, take, func() { next = old.reshape(t0, &c) }},
			Check: func() error {
				if left, _ := next.left(t0); int(left+0.5)+admitted != 3 {
					return fmt.Errorf("%d were admitted and %v are left", admitted, left)
				}
				return nil
			},
		}
	})
}

// TestOrdersOfGivingBackToABucket has one call give its slot back while others
// take: never more are held than the burst, whatever was given back.
func TestOrdersOfGivingBackToABucket(t *testing.T) {
	c := RateLimitConfig{Requests: 2, Per: time.Hour, Burst: 2}.WithDefaults()
	const t0 = 1000 * time.Hour
	explore(t, interleave.Options{Preemptions: 3}, func() interleave.Program {
		lim, held := newLimiter(&c), 0
		take := func() {
			if _, wait := lim.take(t0, 1, 0); wait == 0 {
				held++
			}
		}
		return interleave.Program{
			Tasks: []func(){take, take, func() {
				if s, wait := lim.take(t0, 1, 0); wait == 0 {
					lim.release(func() time.Duration { return t0 }, s)
				}
			}},
			Check: func() error {
				if left, _ := lim.left(t0); held > 2 || held+int(left+0.5) > 2 {
					return fmt.Errorf("%d hold slots and %v are left of 2", held, left)
				}
				return nil
			},
		}
	})
}

func TestOrdersOfCountingInAWindow(t *testing.T) {
	const t0 = 1000 * time.Hour
	explore(t, interleave.Options{Preemptions: 3}, func() interleave.Program {
		w := newWindow(10 * time.Second)
		w.add(t0-windowRing*time.Second, true, true) // a turn of the ring ago, in the same bucket
		count := func(failed bool) func() { return func() { w.add(t0, failed, false) } }
		return interleave.Program{
			Tasks: []func(){count(true), count(false), count(true)},
			Check: func() error {
				if got, want := w.sum(t0), (tally{calls: 3, failures: 2}); got != want {
					return fmt.Errorf("counted %+v, want %+v", got, want)
				}
				return nil
			},
		}
	})
}

func TestOrdersOfCountingApart(t *testing.T) {
	explore(t, interleave.Options{Preemptions: 3}, func() interleave.Program {
		var c counter
		var before, after uint64
		return interleave.Program{
			Tasks: []func(){
				func() { c.Add(1); c.Add(1) },
				func() { c.Add(1); before = c.Load(); c.Add(1) },
				func() { c.Add(1); after = c.Load() },
			},
			Check: func() error {
				if got := c.Load(); got != 5 || before < 1 || before > 4 || after < 1 || after > 5 {
					return fmt.Errorf("counted %d, %d and %d on the way, want 5", got, before, after)
				}
				return nil
			},
		}
	})
}

// told is a breaker with an observer that keeps the states it was told of.
func told(c BreakerConfig) (*Breaker, *[]string) {
	states := new([]string)
	c.Observer = func(e Event) { *states = append(*states, e.To) }
	b, err := NewBreaker(c)
	if err != nil {
		panic(err)
	}
	b.refused.state.Store(digestSampled) // else refusals set a timer, which is no task
	return b, states
}

func TestOrdersOfOpeningABreaker(t *testing.T) {
	explore(t, interleave.Options{Preemptions: 2}, func() interleave.Program {
		b, states := told(BreakerConfig{ConsecutiveFailures: 2})
		fail := func() {
			if p, err := b.Allow(); err == nil {
				p.Done(Failure)
			}
		}
		return interleave.Program{
			Tasks: []func(){fail, fail, fail},
			Check: func() error {
				if s := b.Status().State; s != BreakerOpen || len(*states) != 1 {
					return fmt.Errorf("it is %v and told %v", s, *states)
				}
				return nil
			},
		}
	})
}

// probing is a breaker whose open period has just ended, and a permit of the
// time before it opened.
func probing(c BreakerConfig) (*Breaker, BreakerPermit) {
	c.ConsecutiveFailures, c.OpenDuration = 1, time.Second
	b, _ := told(c)
	late, _ := b.Allow()
	p, _ := b.Allow()
	p.Done(Failure)
	time.Sleep(2 * time.Second)
	return b, late
}

func TestOrdersOfProbing(t *testing.T) {
	for _, probes := range []int{1, 2} {
		explore(t, interleave.Options{Preemptions: 2}, func() interleave.Program {
			b, late := probing(BreakerConfig{Probes: probes})
			running, most := 0, 0
			probe := func() {
				p, err := b.Allow()
				if err != nil {
					return
				}
				running++
				most = max(most, running)
				b.Status() // a step, for others to come between
				running--
				p.Done(Ignored)
			}
			return interleave.Program{
				Tasks: []func(){probe, probe, func() { late.Done(Success) }},
				Check: func() error {
					if s := b.Status().State; most > probes || s != BreakerHalfOpen {
						return fmt.Errorf("%d probes at once, then %v", most, s)
					}
					return nil
				},
			}
		})
	}
}

// TestOrdersOfPlacesForProbes has callers keep what they get: never more than
// the places.
func TestOrdersOfPlacesForProbes(t *testing.T) {
	explore(t, interleave.Options{Preemptions: 2}, func() interleave.Program {
		b, _ := probing(BreakerConfig{Probes: 2})
		got := 0
		ask := func() {
			if _, err := b.Allow(); err == nil {
				got++
			}
		}
		return interleave.Program{
			Tasks: []func(){ask, ask, ask},
			Check: func() error {
				if got != 2 {
					return fmt.Errorf("%d probes for 2 places", got)
				}
				return nil
			},
		}
	})
}

// TestOrdersOfAProbesVerdict: a probe that succeeds closes the breaker and one
// that fails opens it, and a second Done of the same permit counts for nothing.
func TestOrdersOfAProbesVerdict(t *testing.T) {
	explore(t, interleave.Options{Preemptions: 3}, func() interleave.Program {
		b, _ := probing(BreakerConfig{Probes: 1})
		p, err := b.Allow()
		if err != nil {
			panic(err)
		}
		again := p
		verdict := BreakerHalfOpen
		return interleave.Program{
			Tasks: []func(){func() { p.Done(Success) }, func() { again.Done(Failure) }, func() { verdict = b.Status().State }},
			Check: func() error {
				if s := b.Status().State; s != BreakerClosed && s != BreakerOpen {
					return fmt.Errorf("after its verdict it is %v, and was %v", s, verdict)
				}
				return nil
			},
		}
	})
}

// TestOrdersOfForcing: what an operator holds open is open whatever calls do.
func TestOrdersOfForcing(t *testing.T) {
	explore(t, interleave.Options{Preemptions: 2}, func() interleave.Program {
		b, _ := told(BreakerConfig{ConsecutiveFailures: 1})
		p, _ := b.Allow()
		return interleave.Program{
			Tasks: []func(){func() { b.Isolate("maintenance") }, func() { p.Done(Failure) }, func() {
				if p, err := b.Allow(); err == nil {
					p.Done(Success)
				}
			}},
			Check: func() error {
				if s := b.Status(); s.State != BreakerOpen || !s.Isolated {
					return fmt.Errorf("it is %+v", s)
				}
				return nil
			},
		}
	})
}

// TestOrdersOfAGate: never more are inside than the limit, nobody who waits is
// forgotten, and in the end nobody is inside.
func TestOrdersOfAGate(t *testing.T) {
	explore(t, interleave.Options{Preemptions: 3}, gateProgram(func() order { return inTurn{} }, "", "", ""))
}

// TestOrdersOfAGateOfUsers has users take turns at it.
func TestOrdersOfAGateOfUsers(t *testing.T) {
	explore(t, interleave.Options{Preemptions: 3}, gateProgram(func() order {
		a, err := NewAdaptive(AdaptiveConfig{})
		if err != nil {
			panic(err)
		}
		return a.gate.order
	}, "a", "a", "b"))
}

// gateProgram has a task for each key come to a gate with room for one.
func gateProgram(by func() order, keys ...string) func() interleave.Program {
	return func() interleave.Program {
		g := &gate{order: by()}
		g.resize(1)
		inside, most := 0, 0
		visit := func() {
			inside++
			most = max(most, inside)
			g.counts() // a step, for others to come between
			inside--
			g.leave()
		}
		var waiters []*waiter
		call := func(key string) {
			if g.enter() {
				visit()
				return
			}
			w := newWaiter()
			w.key, w.since = key, now()
			switch entered, joined := g.join(w, 2); {
			case entered:
				visit()
			case joined:
				waiters = append(waiters, w)
			}
		}
		var tasks []func()
		for _, key := range keys {
			tasks = append(tasks, func() { call(key) })
		}
		return interleave.Program{
			Tasks: tasks,
			Check: func() error {
				for _, w := range waiters {
					select {
					case <-w.verdict:
						visit() // and lets the next one in
					default:
						return fmt.Errorf("a waiter of %d was forgotten", len(waiters))
					}
				}
				if in, waiting := g.counts(); most > 1 || in != 0 || waiting != 0 {
					return fmt.Errorf("%d at once; %d inside and %d waiting in the end", most, in, waiting)
				}
				return nil
			},
		}
	}
}

// clumsy is a token bucket that stores where the real one compares and swaps.
type clumsy struct{ tokenBucket }

func (b *clumsy) take(t time.Duration, n int, _ time.Duration) (slot, time.Duration) {
	next := max(b.full.Load(), int64(t)) + int64(n)*b.interval
	if wait := time.Duration(next - b.depth - int64(t)); wait > 0 {
		return slot{}, wait
	}
	b.full.Store(next)
	return slot{}, 0
}

// TestOrdersFindAClumsyBucket shows that the scenarios can fail.
func TestOrdersFindAClumsyBucket(t *testing.T) {
	c := RateLimitConfig{Requests: 2, Per: time.Hour, Burst: 2}.WithDefaults()
	const t0 = 1000 * time.Hour
	_, err := interleave.Explore(interleave.Options{}, takes(func() limiter { return &clumsy{*newTokenBucket(&c)} }, 2,
		[]time.Duration{t0}, []time.Duration{t0}, []time.Duration{t0}))
	if err == nil {
		t.Error("the lost update went unseen")
	}
}

// TestOrdersOfEndingADeadlineContext has a context looked at by two while it is
// ended. It is made once, everybody has the same, and what is derived from it
// ends; an error that somebody has seen stays.
func TestOrdersOfEndingADeadlineContext(t *testing.T) {
	for _, left := range []time.Duration{time.Hour, -time.Hour} { // an end of its own, and one that has come
		explore(t, interleave.Options{Preemptions: 3}, func() interleave.Program {
			c := &deadlineContext{parent: context.Background(), deadline: time.Now().Add(left), cause: &TimeoutError{}}
			var dones []<-chan struct{}
			var seen error
			look := func() {
				if err := c.Err(); err != nil {
					seen = err
				}
				dones = append(dones, c.Done())
			}
			return interleave.Program{
				Tasks: []func(){look, look, c.cancel},
				Check: func() error {
					err := c.Err()
					if err == nil || seen != nil && seen != err {
						return fmt.Errorf("seen %v, and now %v", seen, err)
					}
					if left > 0 != (err == context.Canceled) {
						return fmt.Errorf("ended with %v", err)
					}
					for _, done := range append(dones, c.made.Load().Done()) {
						if done != c.Done() {
							return errors.New("not everybody has the same Done")
						}
						select {
						case <-done:
						default:
							return errors.New("somebody was not told of the end")
						}
					}
					return nil
				},
			}
		})
	}
}
