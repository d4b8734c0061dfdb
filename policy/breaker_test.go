package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tell gives the breaker the results of calls, one after another.
func tell(t testing.TB, b *Breaker, classes ...Class) {
	t.Helper()
	for _, class := range classes {
		p, err := b.Allow()
		if err != nil {
			t.Fatalf("rejected: %v", err)
		}
		p.Done(class)
	}
}

func wantState(t testing.TB, b *Breaker, want BreakerState) {
	t.Helper()
	if s := b.Status(); s.State != want || b.State() != want {
		t.Fatalf("the breaker is %v (%s), want %v", s.State, s.Why, want)
	}
}

// trip makes the breaker open, by failures.
func trip(t testing.TB, b *Breaker) {
	t.Helper()
	for range 1000 {
		p, err := b.Allow()
		if err != nil {
			break
		}
		p.Done(Failure)
	}
	wantState(t, b, BreakerOpen)
}

// waitOpen sleeps until the breaker lets a probe through.
func waitOpen(b *Breaker) { time.Sleep(b.Status().RetryAfter) }

func times(n int, class Class) []Class { return slices.Repeat([]Class{class}, n) }

func TestBreakerGoesRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes []string
		b := mustBreaker(t, BreakerConfig{Name: "shop", RampUp: time.Second, Observer: Observer(func(e Event) {
			if e.Policy != "breaker" || e.Name != "shop" || e.Kind != "state" || e.Why == "" || e.At.IsZero() {
				t.Errorf("incomplete event %+v", e)
			}
			changes = append(changes, e.From+" > "+e.To)
		}).Only(EventState)})
		tell(t, b, times(4, Failure)...)
		wantState(t, b, BreakerClosed)
		tell(t, b, Failure)
		wantState(t, b, BreakerOpen)

		_, err := b.Allow()
		var rejected *Rejected
		if !errors.Is(err, ErrOpen) || !errors.As(err, &rejected) || rejected.RetryAfter <= 4*time.Second || rejected.RetryAfter > 6*time.Second {
			t.Errorf("rejected with %#v", err)
		}
		if b.Ready() {
			t.Error("an open breaker is ready")
		}
		waitOpen(b)
		if !b.Ready() {
			t.Error("not ready though the open period is over")
		}
		tell(t, b, Success) // the first probe
		wantState(t, b, BreakerHalfOpen)
		tell(t, b, Success)
		wantState(t, b, BreakerRampingUp)
		time.Sleep(time.Second)
		tell(t, b, Success)
		wantState(t, b, BreakerClosed)

		want := []string{"closed > open", "open > half-open", "half-open > ramping-up", "ramping-up > closed"}
		if diff := cmp.Diff(want, changes); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBreakerTripsOnFailuresInARowHoweverFarApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 5, FailureRate: -1})
		for range 4 {
			tell(t, b, Failure)
			time.Sleep(19 * time.Second)
		}
		wantState(t, b, BreakerClosed)
		tell(t, b, Failure)
		wantState(t, b, BreakerOpen)
	})
}

func TestBreakerForgivesARunThatASuccessBroke(t *testing.T) {
	b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 5, FailureRate: -1})
	for range 20 {
		tell(t, b, Failure, Failure, Failure, Failure, Success)
	}
	wantState(t, b, BreakerClosed)
}

func TestBreakerCountsNeitherIgnoredNorShed(t *testing.T) {
	b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 2, MinimumCalls: 3, FailureRate: 0.1})
	tell(t, b, Failure)
	tell(t, b, times(50, Ignored)...)
	tell(t, b, times(50, Shed)...)
	wantState(t, b, BreakerClosed)
	tell(t, b, Failure)
	wantState(t, b, BreakerOpen)
}

func TestBreakerTripsOnTheFailureRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := BreakerConfig{ConsecutiveFailures: -1, FailureRate: 0.5, MinimumCalls: 10}
		b := mustBreaker(t, c)
		tell(t, b, times(5, Success)...)
		tell(t, b, times(4, Failure)...)
		wantState(t, b, BreakerClosed) // too few calls, and under half
		tell(t, b, Failure)
		wantState(t, b, BreakerOpen)
		if why := b.Status().Why; !strings.Contains(why, "5 of 10 calls failed") {
			t.Errorf("why is %q", why)
		}
	})
}

func TestBreakerWindowForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: -1, MinimumCalls: 10, Window: 10 * time.Second})
		tell(t, b, times(9, Failure)...)
		time.Sleep(11 * time.Second)
		tell(t, b, times(9, Failure)...)
		wantState(t, b, BreakerClosed)
		tell(t, b, Failure)
		wantState(t, b, BreakerOpen)
	})
}

func TestBreakerTripsOnSlowCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{FailureRate: -1, SlowCallDuration: time.Second, SlowCallRate: 0.8, MinimumCalls: 10, Window: time.Minute})
		call := func(d time.Duration) {
			p, err := b.Allow()
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
			p.Done(Success)
		}
		call(0)
		call(time.Second - 1)
		for range 7 {
			call(time.Second)
		}
		wantState(t, b, BreakerClosed)
		call(time.Second)
		wantState(t, b, BreakerOpen)
		if why := b.Status().Why; !strings.Contains(why, "8 of 10 calls took 1s or longer") {
			t.Errorf("why is %q", why)
		}
	})
}

func TestBreakerOpenPeriodGrowsToItsBoundAndShrinksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{OpenDuration: time.Second, OpenDurationMax: 10 * time.Second})
		trip(t, b)
		for i, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
			want *= time.Second
			if got := b.Status().RetryAfter; got < want*9/10 || got > want*11/10 {
				t.Errorf("open period %d lasts %v, want %v within a tenth", i, got, want)
			}
			waitOpen(b)
			tell(t, b, Failure, Failure)
			wantState(t, b, BreakerOpen)
		}
		waitOpen(b)
		tell(t, b, Success, Success)
		time.Sleep(11 * time.Second)
		trip(t, b)
		if got := b.Status().RetryAfter; got > 1100*time.Millisecond {
			t.Errorf("after it was closed for long the open period is still %v", got)
		}
	})
}

func TestBreakerRampsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{RampUp: 10 * time.Second})
		trip(t, b)
		waitOpen(b)
		tell(t, b, Success, Success)
		admitted := func() int {
			n := 0
			for range 1000 {
				if p, err := b.Allow(); err == nil {
					n++
					p.Done(Success)
				} else if !b.Ready() {
					t.Error("ramping up and not ready")
				}
			}
			return n
		}
		for _, step := range []struct{ min, max int }{{50, 160}, {260, 440}, {470, 640}} {
			if n := admitted(); n < step.min || n > step.max {
				t.Errorf("%v into the ramp %d of 1000 were admitted, want %d to %d", b.Status().Since, n, step.min, step.max)
			}
			time.Sleep(2500 * time.Millisecond)
		}
		time.Sleep(2500 * time.Millisecond)
		if n := admitted(); n != 1000 {
			t.Errorf("after the ramp %d of 1000 were admitted", n)
		}
		wantState(t, b, BreakerClosed)
	})
}

func TestBreakerTripsWhileRampingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{RampUp: 10 * time.Second})
		trip(t, b)
		waitOpen(b)
		tell(t, b, Success, Success)
		time.Sleep(9 * time.Second)
		for range 50 {
			if p, err := b.Allow(); err == nil {
				p.Done(Failure)
			}
		}
		wantState(t, b, BreakerOpen)
	})
}

// TestBreakerCountsFailuresInARowAcrossTheEndOfItsRampUp has the fifth come
// right after it.
func TestBreakerCountsFailuresInARowAcrossTheEndOfItsRampUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 5, FailureRate: -1, RampUp: 10 * time.Second})
		b.Trip("a test")
		b.Close("a test")
		time.Sleep(10*time.Second - 1)
		for failed := 0; failed < 4; {
			if p, err := b.Allow(); err == nil {
				p.Done(Failure)
				failed++
			}
		}
		wantState(t, b, BreakerRampingUp)
		time.Sleep(time.Second)
		tell(t, b, Failure)
		wantState(t, b, BreakerOpen)
	})
}

func TestBreakerForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{})
		b.Force(true, "maintenance")
		time.Sleep(time.Hour)
		_, err := b.Allow()
		var rejected *Rejected
		if !errors.As(err, &rejected) || rejected.RetryAfter != 0 || b.Ready() {
			t.Errorf("forced open: got %v, ready %v", err, b.Ready())
		}
		if s := b.Status(); !s.Forced || s.Why != "maintenance" || s.Since != time.Hour || s.RetryAfter != 0 {
			t.Errorf("status %+v", s)
		}
		b.Force(false, "we know")
		tell(t, b, times(100, Failure)...)
		wantState(t, b, BreakerClosed)
		b.Auto()
		tell(t, b, times(5, Failure)...)
		wantState(t, b, BreakerOpen)
		b.Auto() // nothing is forced: it changes nothing
		wantState(t, b, BreakerOpen)
	})
}

func TestBreakerSetKeepsState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 5, FailureRate: -1})
		tell(t, b, times(4, Failure)...)
		before, err := b.Allow()
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Set(BreakerConfig{ConsecutiveFailures: 5, FailureRate: -1, Window: time.Minute}); err != nil {
			t.Fatal(err)
		}
		before.Done(Failure) // the call began before the change and still counts
		wantState(t, b, BreakerOpen)
		if err := b.Set(BreakerConfig{Window: time.Second}); err != nil {
			t.Fatal(err)
		}
		wantState(t, b, BreakerOpen)
		if err := b.Set(BreakerConfig{Window: -1}); err == nil {
			t.Error("a bad configuration was taken")
		}
		wantState(t, b, BreakerOpen)
	})
}

func TestBreakerSetWindowCountsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := BreakerConfig{ConsecutiveFailures: -1, MinimumCalls: 10, RampUp: time.Nanosecond}
		b := mustBreaker(t, c)
		trip(t, b)
		waitOpen(b)
		tell(t, b, Success, Success) // ramping up
		c.Window = time.Minute
		if err := b.Set(c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		tell(t, b, times(5, Failure)...)
		time.Sleep(30 * time.Second)
		tell(t, b, times(5, Failure)...) // only the new window reaches back so far
		wantState(t, b, BreakerOpen)
	})
}

func TestBreakerDoneCountsOnce(t *testing.T) {
	b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 2})
	p, _ := b.Allow()
	p.Done(Failure)
	p.Done(Failure)
	wantState(t, b, BreakerClosed)
	var zero BreakerPermit
	zero.Done(Failure)
}

func TestBreakerConfigTellsEveryProblem(t *testing.T) {
	err := BreakerConfig{
		FailureRate: 2, SlowCallRate: Ratio(nan()), SlowCallDuration: -1, MinimumCalls: -1, Window: time.Nanosecond,
		OpenDuration: time.Minute, OpenDurationMax: time.Second, Probes: 1001, ProbeTimeout: -1, RampUp: 1 << 62,
	}.Validate()
	want := []string{"failureRate", "slowCallRate", "slowCallDuration", "minimumCalls", "window", "openDurationMax", "probes", "probeTimeout", "rampUp"}
	if diff := cmp.Diff(want, fields(err)); diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := NewBreaker(BreakerConfig{Window: -1}); err == nil {
		t.Error("a bad configuration made a breaker")
	}
	if err := (BreakerConfig{OpenDuration: time.Hour}).Validate(); err != nil {
		t.Errorf("a long open duration alone: %v", err)
	}
}

// fields are the names of the fields that the FieldErrors in err are about.
func fields(err error) []string {
	var names []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			names = append(names, fields(e)...)
		}
	} else if f := (*FieldError)(nil); errors.As(err, &f) {
		names = append(names, f.Field)
	}
	return names
}
