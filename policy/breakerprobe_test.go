package policy

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestHalfOpenAdmitsNoMoreThanItsProbes(t *testing.T) {
	for _, probes := range []int{1, 3, 10} {
		synctest.Test(t, func(t *testing.T) {
			b := mustBreaker(t, BreakerConfig{Probes: probes, FailureRate: -1})
			trip(t, b)
			waitOpen(b)
			var calls atomic.Int64
			release := make(chan struct{})
			for range 100 {
				go func() {
					_, _ = Do(t.Context(), b, func(context.Context) (int, error) {
						calls.Add(1)
						<-release
						return 0, nil
					})
				}()
			}
			synctest.Wait()
			if n := calls.Load(); n != int64(probes) {
				t.Errorf("%d of 100 concurrent callers were admitted, want %d", n, probes)
			}
			if b.Ready() {
				t.Error("ready though every place is taken")
			}
			close(release)
			synctest.Wait()
			wantState(t, b, BreakerClosed)
		})
	}
}

func TestHalfOpenNeverTakesMoreProbesInTurnThanItHasPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{Probes: 4, FailureRate: 0.5})
		trip(t, b)
		waitOpen(b)
		tell(t, b, Success, Success, Failure)
		wantState(t, b, BreakerHalfOpen)
		last, err := b.Allow()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Allow(); !errors.Is(err, ErrOpen) {
			t.Errorf("a fifth probe got %v", err)
		}
		last.Done(Failure)
		wantState(t, b, BreakerOpen)
	})
}

func TestProbeThatPanicsOrExitsFails(t *testing.T) {
	for name, fn := range map[string]func(context.Context) (int, error){"panic": panicking, "Goexit": goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mustBreaker(t, BreakerConfig{Probes: 2, FailureRate: 1})
				trip(t, b)
				waitOpen(b)
				onGoroutine(func() { _, _ = Do(t.Context(), b, fn) })
				onGoroutine(func() { _, _ = Do(t.Context(), b, fn) })
				wantState(t, b, BreakerOpen)
				waitOpen(b)
				tell(t, b, Success)
				wantState(t, b, BreakerClosed)
			})
		})
	}
}

func TestPanicCountsAsAFailureWhenClosed(t *testing.T) {
	b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 2})
	onGoroutine(func() { _, _ = Do(t.Context(), b, panicking) })
	onGoroutine(func() { _, _ = Do(t.Context(), b, goexit) })
	wantState(t, b, BreakerOpen)
}

func TestHungProbeLosesItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{Probes: 1, ProbeTimeout: 10 * time.Second, OpenDuration: time.Second})
		trip(t, b)
		waitOpen(b)
		hung, err := b.Allow()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Second - 1)
		if _, err := b.Allow(); !errors.Is(err, ErrOpen) || b.Status().State != BreakerHalfOpen {
			t.Fatalf("before the lease is over: %v, %v", err, b.Status())
		}
		time.Sleep(1)
		if _, err := b.Allow(); !errors.Is(err, ErrOpen) {
			t.Fatalf("the hung probe did not fail: %v", err)
		}
		wantState(t, b, BreakerOpen)
		waitOpen(b)
		next, err := b.Allow()
		if err != nil {
			t.Fatalf("stuck: %v", err)
		}
		hung.Done(Failure) // its lease is long over
		wantState(t, b, BreakerHalfOpen)
		next.Done(Success)
		wantState(t, b, BreakerClosed)
	})
}

func TestReadyAloneNoticesHungProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{Probes: 1, ProbeTimeout: 10 * time.Second})
		trip(t, b)
		waitOpen(b)
		if _, err := b.Allow(); err != nil {
			t.Fatal(err)
		}
		for range 100 { // a balancer that asks Allow only of a ready breaker
			if time.Sleep(time.Second); b.Ready() {
				tell(t, b, Success)
				wantState(t, b, BreakerClosed)
				return
			}
		}
		t.Fatal("never ready again")
	})
}

func TestExpiredLeaseIsTakenOverWithinTheEra(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{Probes: 3, ProbeTimeout: time.Second, FailureRate: 1})
		trip(t, b)
		waitOpen(b)
		hung, _ := b.Allow()
		time.Sleep(time.Second)
		next, err := b.Allow() // in the hung one's place
		if err != nil {
			t.Fatal(err)
		}
		hung.Done(Success)
		wantState(t, b, BreakerHalfOpen) // the late success decided nothing
		next.Done(Success)
		wantState(t, b, BreakerClosed)
	})
}

func TestIgnoredProbeGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{Probes: 1})
		trip(t, b)
		waitOpen(b)
		tell(t, b, times(20, Ignored)...)
		tell(t, b, times(20, Shed)...)
		wantState(t, b, BreakerHalfOpen)
		tell(t, b, Success)
		wantState(t, b, BreakerClosed)
	})
}

func TestSlowProbeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{Probes: 1, SlowCallDuration: time.Second})
		trip(t, b)
		waitOpen(b)
		p, _ := b.Allow()
		time.Sleep(time.Second)
		p.Done(Success)
		wantState(t, b, BreakerOpen)
	})
}

func TestLateResultOfAnEarlierEraDecidesNothing(t *testing.T) {
	for _, class := range []Class{Success, Failure} {
		t.Run(class.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1, Probes: 1})
				var late []BreakerPermit
				for range 10 {
					p, err := b.Allow()
					if err != nil {
						t.Fatal(err)
					}
					late = append(late, p)
				}
				trip(t, b)
				late[0].Done(class)
				wantState(t, b, BreakerOpen)
				waitOpen(b)
				probe, err := b.Allow()
				if err != nil {
					t.Fatal(err)
				}
				late[1].Done(class)
				wantState(t, b, BreakerHalfOpen)
				probe.Done(Success)
				late[2].Done(class)
				wantState(t, b, BreakerClosed)
			})
		})
	}
}

func TestBreakerHealsUnderStress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const probes = 3
		b := mustBreaker(t, BreakerConfig{Probes: probes, OpenDuration: 50 * time.Millisecond, OpenDurationMax: time.Second, ProbeTimeout: 200 * time.Millisecond, RampUp: 100 * time.Millisecond})
		var sick atomic.Bool
		var probing, most atomic.Int64
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for i := range 16 {
			wg.Go(func() {
				for n := i; ; n++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(1+n%7) * time.Millisecond):
					}
					p, err := b.Allow()
					if err != nil {
						continue
					}
					half := p.era.state == BreakerHalfOpen
					if half {
						most.Store(max(most.Load(), probing.Add(1)))
					}
					time.Sleep(time.Duration(n%11) * time.Millisecond)
					if half {
						probing.Add(-1)
					}
					switch {
					case n%13 == 0:
						p.Done(Ignored)
					case sick.Load():
						p.Done(Failure)
					default:
						p.Done(Success)
					}
				}
			})
		}
		for range 5 {
			sick.Store(true)
			time.Sleep(time.Second)
			if s := b.Status().State; s != BreakerOpen && s != BreakerHalfOpen {
				t.Errorf("the callee is sick and the breaker %v", s)
			}
			sick.Store(false)
			time.Sleep(5 * time.Second) // beyond the longest open period
			wantState(t, b, BreakerClosed)
		}
		close(stop)
		wg.Wait()
		if n := most.Load(); n > probes || n == 0 {
			t.Errorf("%d probes ran at once, want 1 to %d", n, probes)
		}
	})
}

// TestBreakerUnderTheScheduler has no fake clock: the race detector sees every
// path that goroutines take at once.
func TestBreakerUnderTheScheduler(t *testing.T) {
	var opened atomic.Int64
	var b *Breaker
	b = mustBreaker(t, BreakerConfig{OpenDuration: time.Microsecond, OpenDurationMax: 10 * time.Microsecond, ProbeTimeout: time.Microsecond, RampUp: time.Microsecond, SlowCallDuration: time.Second,
		Observer: func(e Event) {
			_ = b.Status()
			if e.To == "open" {
				opened.Add(1)
			}
		}})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				switch {
				case n%500 == 499:
					if err := b.Set(BreakerConfig{Window: time.Duration(10+n%7) * time.Millisecond, OpenDuration: time.Microsecond, RampUp: time.Microsecond}); err != nil {
						t.Error(err)
					}
				case i == 0 && n%700 == 699:
					b.Force(n%2 == 0, "test")
					b.Auto()
				case b.Ready():
					if p, err := b.Allow(); err == nil {
						p.Done(Class(n / 16 % 4))
					}
				}
			}
		})
	}
	wg.Wait()
	if opened.Load() == 0 {
		t.Error("it never opened: the test exercised nothing")
	}
}
