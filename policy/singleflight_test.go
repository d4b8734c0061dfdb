package policy

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func mustSingleflight(t testing.TB, c SingleflightConfig) *Singleflight {
	t.Helper()
	s, err := NewSingleflight(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// crowd makes n calls of one key at once, each with a context of its own that
// can be cancelled, and returns how each ended, once all have.
func crowd(t testing.TB, p Policy, n int, fn func(context.Context) (int, error), during func(cancel []context.CancelFunc)) []tryEnd {
	t.Helper()
	ends, cancels := make([]tryEnd, n), make([]context.CancelFunc, n)
	var wg sync.WaitGroup
	for i := range n {
		ctx, cancel := context.WithCancel(WithKey(t.Context(), "k"))
		defer cancel()
		cancels[i] = cancel
		wg.Go(func() {
			ends[i].exited = true
			onGoroutine(func() {
				defer func() {
					if v := recover(); v != nil {
						ends[i].panicked, ends[i].exited = panicOf(v), false
					}
				}()
				v, err := Do(ctx, p, fn)
				ends[i] = tryEnd{result: Result{Value: v, Err: err}}
			})
		})
		synctest.Wait() // in this order
	}
	if during != nil {
		during(cancels)
	}
	wg.Wait()
	return ends
}

func wantIdle(t testing.TB, s *Singleflight) {
	t.Helper()
	if n := s.Status().Running; n != 0 || len(s.flights) != 0 {
		t.Errorf("%d calls still run and %d can be joined", n, len(s.flights))
	}
}

func TestSingleflightRunsOnceForACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustSingleflight(t, SingleflightConfig{})
		var runs atomic.Int64
		ends := crowd(t, s, 10, func(context.Context) (int, error) {
			time.Sleep(time.Second)
			return int(runs.Add(1)), nil
		}, nil)
		for i, e := range ends {
			if e.result.Value != 1 || e.result.Err != nil {
				t.Errorf("caller %d got %+v", i, e.result)
			}
		}
		if st := s.Status(); st.Led != 1 || st.Joined != 9 || runs.Load() != 1 {
			t.Errorf("%d runs, %+v", runs.Load(), st)
		}
		wantIdle(t, s)
	})
}

func TestSingleflightSharesAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, e := range crowd(t, mustSingleflight(t, SingleflightConfig{}), 3, func(context.Context) (int, error) {
			time.Sleep(time.Second)
			return 0, errBoom
		}, nil) {
			if e.result.Err != errBoom {
				t.Errorf("got %+v", e.result)
			}
		}
	})
}

func TestSingleflightKeepsKeysApart(t *testing.T) {
	s := mustSingleflight(t, SingleflightConfig{})
	outer := WithKey(t.Context(), "outer")
	v, err := Do(outer, s, func(ctx context.Context) (string, error) {
		return Do(WithKey(ctx, "inner"), s, func(ctx context.Context) (string, error) { return Key(ctx), nil })
	})
	if v != "inner" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	if _, err := Do(t.Context(), s, working); err != nil || s.Status().Alone != 1 {
		t.Errorf("without a key: %v, %+v", err, s.Status())
	}
	wantIdle(t, s)
}

func TestSingleflightCancelEndsOnlyTheCallersOwnWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustSingleflight(t, SingleflightConfig{})
		ends := crowd(t, s, 3, func(ctx context.Context) (int, error) {
			return 7, sleep(ctx, time.Second)
		}, func(cancel []context.CancelFunc) {
			cancel[0]() // who came first leaves, and the others still get it
			synctest.Wait()
			cancel[1]()
		})
		for i, want := range []error{context.Canceled, context.Canceled, nil} {
			if !errors.Is(ends[i].result.Err, want) {
				t.Errorf("caller %d got %+v, want %v", i, ends[i].result, want)
			}
		}
		if ends[2].result.Value != 7 {
			t.Errorf("who stayed got %+v", ends[2].result)
		}
		wantIdle(t, s)
	})
}

func TestSingleflightEndsACallThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustSingleflight(t, SingleflightConfig{})
		began := time.Now()
		var cancelled atomic.Int64
		crowd(t, s, 3, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			cancelled.Store(int64(time.Since(began)))
			time.Sleep(time.Minute) // and is slow to notice
			return 0, ctx.Err()
		}, func(cancel []context.CancelFunc) {
			for _, c := range cancel {
				time.Sleep(time.Second)
				c()
			}
		})
		synctest.Wait()
		if at := time.Duration(cancelled.Load()); at != 3*time.Second {
			t.Errorf("cancelled after %v, want when the last one left", at)
		}
		// The next caller does not join the call that is dying.
		if v, err := Do(WithKey(t.Context(), "k"), s, working); v != 42 || err != nil {
			t.Errorf("then: got %v, %v", v, err)
		}
		afterLosers()
		wantIdle(t, s)
	})
}

func TestSingleflightTellsEveryoneOfPanicAndGoexit(t *testing.T) {
	for name, fn := range map[string]func(context.Context) (int, error){"panic": panicking, "Goexit": goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mustSingleflight(t, SingleflightConfig{})
				for i, e := range crowd(t, s, 3, func(ctx context.Context) (int, error) {
					time.Sleep(time.Second)
					return fn(ctx)
				}, nil) {
					if panicked := e.panicked != nil && e.panicked.Value == "boom"; panicked != (name == "panic") || e.exited == panicked {
						t.Errorf("caller %d: panicked %v, exited %v", i, e.panicked, e.exited)
					}
				}
				wantIdle(t, s)
				onGoroutine(func() { _, _ = Do(WithKey(context.Background(), "k"), s, fn) }) // a caller that cannot leave
				wantIdle(t, s)
				if v, err := Do(WithKey(t.Context(), "k"), s, working); v != 42 || err != nil {
					t.Errorf("then: got %v, %v", v, err)
				}
			})
		})
	}
}

func TestSingleflightContainsAPanicThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []Event
		s := mustSingleflight(t, SingleflightConfig{Name: "shop", Observer: Observer(func(e Event) { events = append(events, e) }).Only(EventPanic)})
		crowd(t, s, 2, func(ctx context.Context) (int, error) { <-ctx.Done(); panic("late") },
			func(cancel []context.CancelFunc) { cancel[0](); cancel[1]() })
		synctest.Wait()
		if len(events) != 1 || events[0].Kind != "panic" || events[0].Name != "shop" {
			t.Errorf("got %+v", events)
		}
		wantIdle(t, s)
	})
}

func TestSingleflightGivesAResultForOneToOneCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustSingleflight(t, SingleflightConfig{})
		var runs atomic.Int64
		got := make(chan *closable, 5)
		for range cap(got) {
			go func() {
				v, err := Do(WithKey(t.Context(), "k"), s, func(context.Context) (*closable, error) {
					time.Sleep(time.Second)
					runs.Add(1)
					return new(closable), nil
				})
				if err != nil {
					t.Error(err)
				}
				got <- v
			}()
		}
		seen := map[*closable]bool{}
		for range cap(got) {
			seen[<-got] = true
		}
		if len(seen) != cap(got) || runs.Load() != int64(cap(got)) {
			t.Errorf("%d callers have %d values of %d runs", cap(got), len(seen), runs.Load())
		}
		wantIdle(t, s)
	})
}

func TestSingleflightHoldsAnOpenCallForWhoGotIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := mustSingleflight(t, SingleflightConfig{}), new(permits)
		ctx, cancel := context.WithCancel(WithKey(t.Context(), "k"))
		within, ending, err := Open(ctx, Chain(s, p), func(ctx context.Context) (context.Context, error) { return ctx, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.want(t, 1)
		wantIdle(t, s)
		if within.Err() != nil {
			t.Error("the stream's context ended before the stream")
		}
		cancel()
		synctest.Wait()
		if within.Err() == nil {
			t.Error("the caller's cancel does not reach its stream")
		}
		ending.Abandon()
		p.want(t, 0, Ignored)
	})
}

func TestSingleflightClosesAnOpenCallThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, value := mustSingleflight(t, SingleflightConfig{}), new(permits), new(closable)
		ctx, cancel := context.WithTimeout(WithKey(t.Context(), "k"), time.Second)
		defer cancel()
		_, _, err := Open(ctx, Chain(s, p), func(context.Context) (*closable, error) {
			time.Sleep(2 * time.Second)
			return value, nil
		}, nil)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		afterLosers()
		if value.closed != 1 {
			t.Errorf("closed %d times", value.closed)
		}
		p.want(t, 0, Success)
	})
}

func TestSingleflightForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustSingleflight(t, SingleflightConfig{})
		var runs atomic.Int64
		fn := func(context.Context) (int, error) {
			n := int(runs.Add(1))
			time.Sleep(time.Second)
			return n, nil
		}
		var second int
		ends := crowd(t, s, 2, fn, func([]context.CancelFunc) {
			s.Forget("k")
			second, _ = Do(WithKey(t.Context(), "k"), s, fn)
		})
		if second != 2 || ends[0].result.Value != 1 || ends[1].result.Value != 1 {
			t.Errorf("got %v for who waited and %d after Forget", ends, second)
		}
		wantIdle(t, s)
	})
}

func TestSingleflightRunsCallsAloneBeyondFlightsMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustSingleflight(t, SingleflightConfig{FlightsMax: 1})
		crowd(t, s, 1, func(context.Context) (int, error) { time.Sleep(time.Second); return 1, nil }, func([]context.CancelFunc) {
			if v, err := Do(WithKey(t.Context(), "other"), s, working); v != 42 || err != nil {
				t.Errorf("got %v, %v", v, err)
			}
			if st := s.Status(); st.Alone != 1 || st.Running != 1 {
				t.Errorf("%+v", st)
			}
		})
		if _, err := Do(WithKey(t.Context(), "other"), s, working); err != nil || s.Status().Led != 2 {
			t.Errorf("with room again: %v, %+v", err, s.Status())
		}
	})
}

// Whatever callers come, leave and fail, nobody suffers from another's leaving,
// and nothing is left behind.
func TestSingleflightLeaksNothingInAStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustSingleflight(t, SingleflightConfig{FlightsMax: 20})
		keys := []string{"a", "b", "c", ""}
		for i := range 2000 {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			arrives, patience, takes := rng.IntN(5000), rng.IntN(100), rng.IntN(200)
			key, ending := keys[rng.IntN(len(keys))], rng.IntN(10)
			go func() {
				time.Sleep(time.Duration(arrives) * time.Millisecond)
				ctx, cancel := context.WithTimeout(WithKey(context.Background(), key), time.Duration(patience)*time.Millisecond)
				defer cancel()
				defer func() { _ = recover() }()
				_, err := Do(ctx, s, func(ctx context.Context) (int, error) {
					err := sleep(ctx, time.Duration(takes)*time.Millisecond)
					switch ending {
					case 0:
						panic("boom")
					case 1:
						return goexit(ctx)
					}
					return 1, err
				})
				if err != nil && ctx.Err() == nil {
					t.Errorf("a caller with time left got %v", err)
				}
			}()
		}
		afterLosers()
		wantIdle(t, s)
		if st := s.Status(); st.Joined < 100 || st.Led < 100 {
			t.Errorf("%+v: too few calls met to prove anything", st)
		}
	})
}
