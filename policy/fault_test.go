package policy

import (
	"context"
	"errors"
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
	_, err := NewFault(FaultConfig{Delay: FaultDelay{Share: 0.5}, Abort: FaultAbort{Share: 2, Status: 20}})
	wantFields(t, err, "delay.duration", "abort.share", "abort.status")
	if f := newFault(t, FaultConfig{}); f.AbortStatus() != 503 {
		t.Errorf("status %d by default", f.AbortStatus())
	}
}
