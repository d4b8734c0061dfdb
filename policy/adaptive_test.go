package policy

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func newAdaptive(t testing.TB, c AdaptiveConfig) *Adaptive {
	t.Helper()
	a, err := NewAdaptive(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// one is the configuration of a limit that stays at one call.
var one = AdaptiveConfig{Min: 1, Max: 1, Initial: 1}

func TestAdaptiveShedsAndAdmitsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, one)
		p, err := a.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = a.Acquire(t.Context())
		var rejected *Rejected
		if !errors.As(err, &rejected) || !errors.Is(err, ErrOverloaded) || rejected.RetryAfter < time.Second {
			t.Fatalf("got %v, want a Rejected for ErrOverloaded that says when to retry", err)
		}
		if waited := time.Since(began); waited != 100*time.Millisecond {
			t.Errorf("waited for %v, want WaitMax", waited)
		}
		p.Done(Success)
		p.Done(Success)
		if _, err := a.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := a.Status(); s.InFlight != 1 || s.Queued != 0 || s.Shed != 1 || s.Limit != 1 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAdaptiveServesTheNewestFirstWhenOverloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, AdaptiveConfig{Min: 1, Max: 1, Initial: 1, WaitMax: 100 * time.Millisecond, WaitTarget: 50 * time.Millisecond})
		held, _ := a.Acquire(t.Context())
		served := make(chan int, 100)
		join := func(i int) {
			go func() {
				if p, err := a.Acquire(t.Context()); err == nil {
					served <- i
					p.Done(Success)
				}
			}()
			synctest.Wait()
		}
		join(1)
		join(2)
		held.Done(Success)
		synctest.Wait()
		if first, second := <-served, <-served; first != 1 || second != 2 {
			t.Fatalf("in a burst the order was %d, %d", first, second)
		}
		held, _ = a.Acquire(t.Context())
		for i := 10; i < 23; i++ { // a standing queue, 10 ms apart
			join(i)
			time.Sleep(10 * time.Millisecond)
		}
		held.Done(Success)
		synctest.Wait()
		close(served)
		var order []int
		for i := range served {
			order = append(order, i)
		}
		if len(order) != 4 || order[0] != 22 || order[3] != 19 {
			t.Fatalf("under overload %v were served, want 22 to 19", order)
		}
	})
}

func TestAdaptiveDropsWhatCannotBeServedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, one)
		a.adopt(AdaptiveEstimate{Limit: 1, Baseline: 30 * time.Millisecond})
		held, _ := a.Acquire(t.Context())
		began := time.Now()
		if _, err := a.AcquireWithin(t.Context(), 20*time.Millisecond); !errors.Is(err, ErrOverloaded) || time.Since(began) != 0 {
			t.Errorf("with too little time left: %v after %v", err, time.Since(began))
		}
		if _, err := a.AcquireWithin(t.Context(), 50*time.Millisecond); !errors.Is(err, ErrOverloaded) || time.Since(began) != 20*time.Millisecond {
			t.Errorf("with 20ms to spare: %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began = time.Now()
		if _, err := a.Acquire(ctx); !errors.Is(err, ErrOverloaded) || time.Since(began) != 20*time.Millisecond {
			t.Errorf("by the context's deadline: %v after %v", err, time.Since(began))
		}
		held.Done(Success)
		if p, err := a.AcquireWithin(t.Context(), 20*time.Millisecond); err != nil {
			t.Errorf("with a place free nobody judges: %v", err)
		} else {
			p.Done(Success)
		}
	})
}

// TestAdaptiveQueueTurnsAwayTheExpired has timers that are late, as those of a
// process are that was stopped for a while.
func TestAdaptiveQueueTurnsAwayTheExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, one)
		held, _ := a.Acquire(t.Context())
		expired, fresh := newWaiter(), newWaiter()
		expired.since, expired.until, fresh.since = now(), now()+time.Millisecond, now()
		a.gate.join(expired, 2)
		a.gate.join(fresh, 2)
		time.Sleep(2 * time.Millisecond)
		held.Done(Success)
		if <-expired.verdict || !<-fresh.verdict {
			t.Error("a call was let in that could not be served in time")
		}
	})
}

func TestAdaptiveDisabledAdmitsAll(t *testing.T) {
	a := newAdaptive(t, AdaptiveConfig{Disabled: true, Min: 1, Max: 1, Initial: 1})
	var permits [5]AdaptivePermit
	for i := range permits {
		var err error
		if permits[i], err = a.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Set(AdaptiveConfig{Min: 1, Max: 1, QueueMax: -1}); err != nil {
		t.Fatal(err)
	}
	for i := range permits {
		permits[i].Done(Success)
	}
	p, err := a.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Acquire(t.Context()); !errors.Is(err, ErrOverloaded) {
		t.Fatalf("once enabled: %v", err)
	}
	p.Done(Success)
}

func TestAdaptiveNeverLeaksItsPlace(t *testing.T) {
	a := newAdaptive(t, one)
	ends := map[string]func(context.Context) Result{
		"return": func(context.Context) Result { return Result{} },
		"panic":  func(context.Context) Result { panic("boom") },
		"goexit": func(context.Context) Result { runtime.Goexit(); return Result{} },
	}
	for name, f := range ends {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { _ = recover() }()
			a.Do(t.Context(), NextFunc(f))
		}()
		<-done
		if s := a.Status(); s.InFlight != 0 {
			t.Errorf("%s: a place leaked", name)
		}
	}
	held, _ := a.Acquire(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := a.Do(ctx, NextFunc(ends["return"])); r.Class != Ignored || !errors.Is(r.Err, context.Canceled) {
		t.Errorf("of a cancelled caller: %v, %v", r.Class, r.Err)
	}
	held.Done(Success)
	if s := a.Status(); s.InFlight != 0 || s.Queued != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestAdaptiveGivesThePlaceBackThoughLagPanics(t *testing.T) {
	a := newAdaptive(t, AdaptiveConfig{Lag: func() time.Duration { panic("no lag") }})
	func() {
		defer func() { _ = recover() }()
		_, _ = Do(t.Context(), a, func(context.Context) (int, error) { return 1, nil })
	}()
	if s := a.Status(); s.InFlight != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestAdaptiveDoesNotCountTheStreamAsTheCalleesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, AdaptiveConfig{})
		for range 30 {
			_, ending, err := Open(t.Context(), a, func(context.Context) (int, error) {
				time.Sleep(10 * time.Millisecond)
				return 0, nil
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if s := a.Status(); s.InFlight != 1 {
				t.Fatalf("%d in flight while the call is open", s.InFlight)
			}
			time.Sleep(time.Minute)
			ending.End(nil)
		}
		if s := a.Status(); s.RTT != 10*time.Millisecond || s.InFlight != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAdaptiveCallThatLeavesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, one)
		p, _ := a.Acquire(t.Context())
		p.Leave()
		p.Leave()
		if s := a.Status(); s.InFlight != 0 {
			t.Fatalf("%d in flight after Leave", s.InFlight)
		}
		q, err := a.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.Return()
		p.Return()
		if s := a.Status(); s.InFlight != 2 {
			t.Fatalf("%d in flight after Return, want one beyond the limit", s.InFlight)
		}
		q.Done(Success)
		if _, err := a.Acquire(t.Context()); !errors.Is(err, ErrOverloaded) {
			t.Errorf("while the one that returned is there: %v", err)
		}
		p.Leave()
		p.Done(Success)
		p.Done(Success)
		p.Return()
		if s := a.Status(); s.InFlight != 0 {
			t.Errorf("%d in flight at the end", s.InFlight)
		}
		if _, err := a.Acquire(t.Context()); err != nil {
			t.Errorf("with the place free: %v", err)
		}
	})
}

func TestAdaptiveLearnsOfACallThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, AdaptiveConfig{})
		for range 30 {
			p, _ := a.Acquire(t.Context())
			time.Sleep(10 * time.Millisecond)
			p.Answered()
			p.Leave()
			time.Sleep(time.Minute)
			p.Done(Success)
		}
		if s := a.Status(); s.RTT != 10*time.Millisecond || s.InFlight != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestAdaptiveUnderStrain looks for lost wake-ups and leaks while callers
// cancel and the limit is being changed.
func TestAdaptiveUnderStrain(t *testing.T) {
	a := newAdaptive(t, AdaptiveConfig{Min: 1, Max: 4, Initial: 2, QueueMax: 4})
	var callers sync.WaitGroup
	for i := range 12 {
		callers.Go(func() {
			for n := range 1000 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%3 == 0 {
					go cancel()
				}
				if p, err := a.Acquire(ctx); err == nil {
					runtime.Gosched()
					p.Done(Class(n % 4))
				}
				cancel()
				if i == 0 && n%50 == 0 {
					_ = a.Set(AdaptiveConfig{Min: 1, Max: 1 + n/50%4, Initial: 1, QueueMax: 4})
					_ = a.Status()
				}
			}
		})
	}
	callers.Wait()
	if s := a.Status(); s.InFlight != 0 || s.Queued != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestAdaptiveConfigTellsEveryProblem(t *testing.T) {
	_, err := NewAdaptive(AdaptiveConfig{Min: 10, Max: 5, WaitMax: -1, QueueMax: placesMax + 1})
	wantFields(t, err, "max", "initial", "queueMax", "waitMax")
	_, err = NewAdaptive(AdaptiveConfig{WaitMax: durationMax + 1})
	wantFields(t, err, "waitMax")
	if _, err := NewAdaptive(AdaptiveConfig{Max: 2, Min: 1}); err != nil {
		t.Errorf("initial follows max: %v", err)
	}
}

func BenchmarkAdaptive(b *testing.B) {
	a := newAdaptive(b, AdaptiveConfig{})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		p, _ := a.Acquire(ctx)
		p.Done(Success)
	}
}

// A callee that answers in microseconds is called by more callers than it has
// workers all day; that the scheduler then takes a millisecond is no overload.
func TestAdaptiveLeavesAFastCalleeAlone(t *testing.T) {
	g := newGradient(20)
	g.Bound(4, 1000)
	at := time.Duration(0)
	for range 200_000 {
		at += 20 * time.Microsecond
		g.Observe(AdaptiveSample{Start: at - 100*time.Microsecond, End: at, InFlight: min(64, g.Estimate().Limit)})
	}
	for range 500_000 {
		at += 20 * time.Microsecond
		g.Observe(AdaptiveSample{Start: at - 3*time.Millisecond, End: at, InFlight: min(64, g.Estimate().Limit)})
		if limit := g.Estimate().Limit; limit < 64 {
			t.Fatalf("the limit fell to %d", limit)
		}
	}
}

// A mean near its own doubt must not be taken for a slow one.
func TestAdaptiveIsNotMisledByAFewFastCalls(t *testing.T) {
	g := newGradient(20)
	g.Bound(4, 1000)
	at, lowest := time.Duration(0), 1000
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		at += 4 * time.Millisecond
		took := 5 * time.Millisecond
		if random.Float64() < 0.1 {
			took = 205 * time.Millisecond
		}
		g.Observe(AdaptiveSample{Start: at - took, End: at, InFlight: 11})
		lowest = min(lowest, g.Estimate().Limit)
	}
	if lowest < 6 { // what is in flight in the mean, by Little's law
		t.Fatalf("the limit fell to %d without any congestion", lowest)
	}
}

// What the program itself lacks is no congestion of its callee.
func TestAdaptiveTakesItsOwnLagOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late time.Duration
		a, err := NewAdaptive(AdaptiveConfig{Lag: func() time.Duration { return late }})
		if err != nil {
			t.Fatal(err)
		}
		calls := func(n int, took time.Duration) {
			for range n {
				var permits []AdaptivePermit
				for range 15 {
					p, err := a.Acquire(t.Context())
					if err != nil {
						t.Fatalf("shed although only the program is late: %v, %+v", err, a.Status())
					}
					permits = append(permits, p)
				}
				time.Sleep(took)
				for i := range permits {
					permits[i].Done(Success)
				}
			}
		}
		calls(200, time.Millisecond)
		late = 80 * time.Millisecond
		calls(200, 80*time.Millisecond)
	})
}

// TestAdaptiveTurnsAwayWhoseTimeIsUp rather than have it wait as one without a
// deadline.
func TestAdaptiveTurnsAwayWhoseTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := NewAdaptive(AdaptiveConfig{Min: 1, Initial: 1, Max: 1, WaitMax: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		first, err := a.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := a.AcquireWithin(t.Context(), -time.Nanosecond); !errors.Is(err, ErrOverloaded) || time.Since(begin) != 0 {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		first.Done(Success)
	})
}

// TestAdaptiveStartsNothingAfterItsDeadline, though there is a place.
func TestAdaptiveStartsNothingAfterItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, AdaptiveConfig{})
		late, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Second))
		defer cancel()
		timeout := mustTimeout(t, TimeoutConfig{Timeout: time.Second})
		for range 2 { // before the deadline, and after it
			p, err := a.Acquire(late)
			if passed := late.Err() != nil; passed != errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("with an end of %v: got %v", late.Err(), err)
			}
			p.Done(Success)
			time.Sleep(2 * time.Second)
		}
		for _, acquire := range []func() (AdaptivePermit, error){
			func() (AdaptivePermit, error) { return a.AcquireWithin(t.Context(), -1) },
			func() (AdaptivePermit, error) { return a.AcquireAs(t.Context(), Caller{}, -1) },
		} {
			if _, err := acquire(); !errors.Is(err, ErrOverloaded) {
				t.Errorf("with less than no time left: got %v", err)
			}
		}
		var limit *TimeoutError
		_, err := Do(t.Context(), Chain(timeout, asleep(time.Second), a), func(context.Context) (int, error) {
			t.Error("started after its timeout")
			return 0, nil
		})
		if !errors.As(err, &limit) {
			t.Errorf("under a timeout: got %v", err)
		}
		if s := a.Status(); s.InFlight != 0 || s.Queued != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

// asleep is a policy that takes its time, whatever its context says.
type asleep time.Duration

func (a asleep) Do(ctx context.Context, next Next) Result {
	time.Sleep(time.Duration(a))
	return next.Do(ctx)
}
