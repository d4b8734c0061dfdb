package policy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func newFault(t testing.TB, c FaultConfig) *Fault {
	t.Helper()
	f, err := NewFault(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFaultKeepsItsShare draws often enough that a biased draw would show. The
// bounds are five standard deviations: chance fails it once in two million.
func TestFaultKeepsItsShare(t *testing.T) {
	for _, share := range []float64{0, 0.001, 0.1, 0.5, 1} {
		f := newFault(t, FaultConfig{
			Delay: FaultDelay{Share: Ratio(share), Duration: time.Second},
			Abort: FaultAbort{Share: Ratio(share)},
		})
		const draws = 100_000
		var delays, aborts, both float64
		for range draws {
			delay, abort := f.Decide()
			if delay == time.Second {
				delays++
			}
			if abort {
				aborts++
			}
			if abort && delay > 0 {
				both++
			}
		}
		within := func(what string, got, p float64) {
			t.Helper()
			if off := math.Abs(got - draws*p); off > 5*math.Sqrt(draws*p*(1-p)) {
				t.Errorf("share %v: %v of %d calls %s", share, got, draws, what)
			}
		}
		within("were delayed", delays, share)
		within("were aborted", aborts, share)
		within("were both", both, share*share)
		if s := f.Status(); s.Delayed != uint64(delays) || s.Aborted != uint64(aborts) {
			t.Errorf("got %+v", s)
		}
	}
}

func TestFaultDelaysAndAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFault(t, FaultConfig{Delay: FaultDelay{Share: 1, Duration: time.Second}})
		calls := 0
		next := NextFunc(func(context.Context) Result { calls++; return Result{Value: calls} })
		began := time.Now()
		if r := f.Do(t.Context(), next); r.Value != 1 || time.Since(began) != time.Second {
			t.Errorf("delayed: %+v after %v", r, time.Since(began))
		}
		own := errors.New("own")
		for _, c := range []struct {
			abort FaultAbort
			want  error
		}{
			{FaultAbort{Share: 1}, ErrInjected},
			{FaultAbort{Share: 1, Err: own}, own},
		} {
			if err := f.Set(FaultConfig{Abort: c.abort}); err != nil {
				t.Fatal(err)
			}
			if r := f.Do(t.Context(), next); calls != 1 || r.Class != Failure || !errors.Is(r.Err, c.want) {
				t.Errorf("aborted: %+v after %d calls", r, calls)
			}
		}
		if err := f.Set(FaultConfig{}); err != nil {
			t.Fatal(err)
		}
		if r := f.Do(t.Context(), next); r.Value != 2 {
			t.Errorf("healed: %+v", r)
		}
	})
}

func TestFaultDelayEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFault(t, FaultConfig{Delay: FaultDelay{Share: 1, Duration: time.Hour}})
		next := NextFunc(func(context.Context) Result { t.Error("called"); return Result{} })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if r := f.Do(ctx, next); r.Class != Failure || !errors.Is(r.Err, context.DeadlineExceeded) {
			t.Errorf("at its deadline: %+v", r)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if r := f.Do(ctx, next); r.Class != Ignored || !errors.Is(r.Err, context.Canceled) {
			t.Errorf("cancelled: %+v", r)
		}
	})
}

func TestFaultConfigTellsEveryProblem(t *testing.T) {
	_, err := NewFault(FaultConfig{Delay: FaultDelay{Share: 0.5, Spread: 2}, Abort: FaultAbort{Share: 2, Status: 20}, For: -1, Keys: []string{""}})
	wantFields(t, err, "delay.duration", "delay.spread", "abort.share", "abort.status", "for", "keys")
	_, err = NewFault(FaultConfig{Delay: FaultDelay{Duration: math.MaxInt64, Spread: 1}}) // the sum would overflow
	wantFields(t, err, "delay.duration")
	if f := newFault(t, FaultConfig{}); f.AbortStatus() != 503 {
		t.Errorf("status %d by default", f.AbortStatus())
	}
}

// aborts reports whether the fault aborts a call of the key.
func aborts(f *Fault, key string) bool {
	r := f.Do(WithKey(context.Background(), key), NextFunc(func(context.Context) Result { return Result{} }))
	return errors.Is(r.Err, ErrInjected)
}

func TestFaultHitsItsKeysOnly(t *testing.T) {
	f := newFault(t, FaultConfig{Abort: FaultAbort{Share: 1}, Keys: []string{"ada", "bob"}})
	for key, want := range map[string]bool{"ada": true, "bob": true, "eve": false, "": false} {
		if got := aborts(f, key); got != want {
			t.Errorf("%q: aborted %v", key, got)
		}
	}
	if _, abort := f.Decide(); abort {
		t.Error("a call without a key was aborted")
	}
	own := func(context.Context) string { return "bob" }
	if err := f.Set(FaultConfig{Abort: FaultAbort{Share: 1}, Keys: []string{"bob"}, Key: own}); err != nil {
		t.Fatal(err)
	}
	if !aborts(f, "eve") {
		t.Error("its KeyFunc was passed over")
	}
	if err := f.Set(FaultConfig{}); err != nil || aborts(f, "bob") {
		t.Errorf("not healed: %v", err)
	}
}

// TestFaultPerKeyIsConsistent: a key is hit always or never, in each Fault
// alike, the share of keys is kept, and a larger one includes a smaller.
func TestFaultPerKeyIsConsistent(t *testing.T) {
	const keys = 20_000
	perKey := func(share Ratio) *Fault {
		return newFault(t, FaultConfig{Abort: FaultAbort{Share: share}, PerKey: true})
	}
	fifth, again, half := perKey(0.2), perKey(0.2), perKey(0.5)
	var hit, hitHalf float64
	for i := range keys {
		key := fmt.Sprintf("user-%d", i)
		first := aborts(fifth, key)
		if aborts(fifth, key) != first || aborts(again, key) != first {
			t.Fatalf("%s: hit and not hit", key)
		}
		larger := aborts(half, key)
		if first && !larger {
			t.Fatalf("%s: hit by 20%% and not by 50%%", key)
		}
		if first {
			hit++
		}
		if larger {
			hitHalf++
		}
	}
	for share, got := range map[float64]float64{0.2: hit, 0.5: hitHalf} {
		if off := math.Abs(got - keys*share); off > 5*math.Sqrt(keys*share*(1-share)) {
			t.Errorf("%v of %d keys were hit, want %v of them", got, keys, share)
		}
	}
	without := 0
	for range 1000 {
		if aborts(half, "") {
			without++
		}
	}
	if without < 400 || without > 600 { // over six standard deviations
		t.Errorf("%d of 1000 calls without a key were hit, want about half", without)
	}
}

func TestFaultDrawsDelayAndAbortOfAKeyByThemselves(t *testing.T) {
	f := newFault(t, FaultConfig{Delay: FaultDelay{Share: 0.5, Duration: 1}, Abort: FaultAbort{Share: 0.5}, PerKey: true})
	var both int
	for i := range 10_000 {
		delay, abort := f.decide(t.Context(), f.plan.Load(), fmt.Sprint(i))
		if delay > 0 && abort != nil {
			both++
		}
	}
	if both < 2250 || both > 2750 {
		t.Errorf("%d of 10000 keys got both, want about a quarter", both)
	}
}

func TestFaultEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := FaultConfig{Abort: FaultAbort{Share: 1}, For: time.Minute}
		f := newFault(t, c)
		time.Sleep(time.Minute - 1)
		if !aborts(f, "") || f.Status().Over {
			t.Error("ended early")
		}
		time.Sleep(1)
		if aborts(f, "") || !f.Status().Over {
			t.Error("did not end")
		}
		if err := f.Set(c); err != nil {
			t.Fatal(err)
		}
		if !aborts(f, "") || f.Status().Over {
			t.Error("was not renewed")
		}
	})
}

func TestFaultSpreadsItsDelays(t *testing.T) {
	f := newFault(t, FaultConfig{Delay: FaultDelay{Share: 1, Duration: time.Second, Spread: 0.2}})
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		d, _ := f.Decide()
		least, most = min(least, d), max(most, d)
	}
	if least < 800*time.Millisecond || least > 810*time.Millisecond || most > 1200*time.Millisecond || most < 1190*time.Millisecond {
		t.Errorf("between %v and %v", least, most)
	}
}
