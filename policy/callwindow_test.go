package policy

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallWindowHoldsTheLastCalls(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 2, 7, 100} {
		w := newCallWindow(size)
		var all []tally // one a call
		for range 5 * size {
			one := tally{1, rng.IntN(2), rng.IntN(2)}
			all = append(all, one)
			w.add(0, one.failures == 1, one.slow == 1)
			var want tally
			for _, c := range all[max(0, len(all)-size):] {
				want.calls++
				want.failures += c.failures
				want.slow += c.slow
			}
			if got := w.sum(0); got != want {
				t.Fatalf("the last %d of %d calls: got %+v, want %+v", size, len(all), got, want)
			}
		}
	}
}

// Whatever the goroutines' order, the sums are those of the slots in the end.
func TestCallWindowLosesNothingUnderConcurrency(t *testing.T) {
	w := newCallWindow(10) // many laps, so that goroutines meet in a slot
	var wg sync.WaitGroup
	for i := range 8 {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		wg.Go(func() {
			for range 5000 {
				w.add(0, rng.IntN(2) == 0, rng.IntN(3) == 0)
				if s := w.sum(0); s.failures < 0 || s.slow < 0 || s.calls > 10 {
					t.Errorf("%+v", s)
					return
				}
			}
		})
	}
	wg.Wait()
	var want tally
	for i := range w.slots {
		want.calls++
		want.failures += int(w.slots[i].Load() & slotFailed)
		want.slow += int(w.slots[i].Load()&slotSlow) / slotSlow
	}
	if got := w.sum(0); got != want {
		t.Errorf("got %+v, the slots hold %+v", got, want)
	}
}

func TestBreakerCountsTheLastCallsHoweverLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: -1, WindowCalls: 10})
		for i := range 9 {
			tell(t, b, Class(i%2)) // every other one fails
			time.Sleep(time.Hour)
		}
		wantState(t, b, BreakerClosed)
		tell(t, b, Failure)
		wantState(t, b, BreakerOpen)
		if why := b.Status().Why; why != "5 of the last 10 calls failed" {
			t.Errorf("why: %s", why)
		}
	})
}

func TestBreakerForgetsCallsThatOthersPushedOut(t *testing.T) {
	b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: -1, WindowCalls: 10})
	for range 10 {
		tell(t, b, times(4, Failure)...)
		tell(t, b, times(10, Success)...)
	}
	wantState(t, b, BreakerClosed)
}

func TestBreakerCountsSlowCallsOfTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{WindowCalls: 5, SlowCallDuration: time.Second, SlowCallRate: 0.6})
		for i := range 5 {
			p, err := b.Allow()
			if err != nil {
				t.Fatal(err)
			}
			if i > 1 {
				time.Sleep(time.Second)
			}
			p.Done(Success)
		}
		wantState(t, b, BreakerOpen)
		if why := b.Status().Why; !strings.HasPrefix(why, "3 of the last 5 calls took 1s") {
			t.Errorf("why: %s", why)
		}
	})
}

func TestBreakerSetChangesWhatItCountsOver(t *testing.T) {
	b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: -1, MinimumCalls: 4})
	tell(t, b, Failure, Failure, Failure)
	if err := b.Set(BreakerConfig{ConsecutiveFailures: -1, WindowCalls: 4}); err != nil {
		t.Fatal(err)
	}
	tell(t, b, Failure, Failure, Failure) // counts anew
	wantState(t, b, BreakerClosed)
	tell(t, b, Failure)
	wantState(t, b, BreakerOpen)
	if d := (BreakerConfig{WindowCalls: 7}).WithDefaults(); d.MinimumCalls != 7 {
		t.Errorf("the minimum is %d of 7", d.MinimumCalls)
	}
	wantProblem(t, BreakerConfig{WindowCalls: -1}.Validate(), "windowCalls")
	wantProblem(t, BreakerConfig{WindowCalls: 10, MinimumCalls: 11}.Validate(), "minimumCalls")
}

func BenchmarkBreakerCallWindow(b *testing.B) {
	breaker := mustBreaker(b, BreakerConfig{WindowCalls: 100})
	b.ReportAllocs()
	for b.Loop() {
		p, _ := breaker.Allow()
		p.Done(Success)
	}
}
