package policy

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTripAndCloseFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{Probes: 1, OpenDuration: time.Second, OpenDurationMax: time.Hour})
		b.Trip("an outlier")
		wantState(t, b, BreakerOpen)
		if why := b.Status().Why; why != "an outlier" {
			t.Errorf("why is %q", why)
		}
		waitOpen(b)
		late, err := b.Allow()
		if err != nil {
			t.Fatal(err)
		}
		b.Trip("an outlier still") // while half-open: the period grows
		if period := b.Status().RetryAfter; period < 1800*time.Millisecond {
			t.Errorf("the second open period is %v, want about 2s", period)
		}
		late.Done(Success)
		wantState(t, b, BreakerOpen)
		b.Close("its health check passed")
		tell(t, b, Success)
		wantState(t, b, BreakerClosed)
	})
}

// TestCloseRampsUp as good probes do.
func TestCloseRampsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBreaker(t, BreakerConfig{RampUp: 10 * time.Second})
		b.Trip("an outlier")
		b.Close("its health check passed")
		wantState(t, b, BreakerRampingUp)
		time.Sleep(10 * time.Second)
		tell(t, b, Success)
		wantState(t, b, BreakerClosed)
	})
}

func TestTripAndCloseLeaveAForcedBreakerAlone(t *testing.T) {
	b := mustBreaker(t, BreakerConfig{})
	b.Force(false, "we know")
	b.Trip("an outlier")
	wantState(t, b, BreakerClosed)
	b.Force(true, "maintenance")
	b.Close("its health check passed")
	wantState(t, b, BreakerOpen)
}

func TestIsolatedBreakerSaysSo(t *testing.T) {
	b := mustBreaker(t, BreakerConfig{})
	b.Isolate("maintenance")
	_, err := b.Allow()
	if rejected, ok := errors.AsType[*Rejected](err); !ok || !errors.Is(err, ErrIsolated) || !errors.Is(err, ErrOpen) || rejected.RetryAfter != 0 {
		t.Errorf("rejected with %v", err)
	}
	if s := b.Status(); s.State != BreakerOpen || !s.Forced || !s.Isolated || s.Why != "maintenance" || b.Ready() {
		t.Errorf("%+v", s)
	}
	b.Force(true, "by hand")
	if _, err := b.Allow(); errors.Is(err, ErrIsolated) || !errors.Is(err, ErrOpen) {
		t.Errorf("forced open, it rejects with %v", err)
	}
	b.Isolate("maintenance")
	b.Auto()
	tell(t, b, Success)
	wantState(t, b, BreakerClosed)
}
