package policy

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestRejectedIsGivenAgainWhileItHolds(t *testing.T) {
	var l lastRejected
	kinds := map[error]*digest{}
	for _, reason := range []error{ErrFull, ErrOpen} {
		kinds[reason] = &digest{events: &events{policy: "test"}, reason: reason}
	}
	again := func(reason error, after time.Duration) *Rejected {
		return l.refuse(kinds[reason], after, "", "")
	}
	first := again(ErrFull, time.Second)
	given := l.last.Load()
	for _, test := range []struct {
		reason error
		after  time.Duration
		again  bool
	}{
		{ErrFull, time.Second, true},
		{ErrFull, time.Second - time.Millisecond, true},
		{ErrFull, time.Second - time.Millisecond - 1, false}, // too late
		{ErrFull, time.Second + 1, false},                    // too soon
		{ErrOpen, time.Second, false},
	} {
		l.last.Store(given)
		got := again(test.reason, test.after)
		if (got == first) != test.again {
			t.Errorf("%v after %v: the same one is %v", test.reason, test.after, got == first)
		}
		if late := got.RetryAfter - test.after; got.Reason != test.reason || got.Policy != "test" || late < 0 || late > time.Millisecond {
			t.Errorf("%v after %v: got %+v", test.reason, test.after, got)
		}
	}
	first = again(ErrFull, 100*time.Microsecond)
	if got := again(ErrFull, 99*time.Microsecond); got == first {
		t.Error("a RetryAfter of 99 microseconds was rounded up by more than a hundredth")
	}
	if first.RetryAfter != 100*time.Microsecond {
		t.Error("one that was given out has changed")
	}
}

// TestRefusalsAllocateNothing has policies refuse for some time.
func TestRefusalsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	synctest.Test(t, func(t *testing.T) { // where the clock stands still
		breaker := mustBreaker(t, BreakerConfig{})
		breaker.Trip("test")
		bulkhead, err := NewBulkhead(BulkheadConfig{MaxConcurrent: 1})
		limit, err2 := NewRateLimit(RateLimitConfig{Requests: 1, Per: time.Hour})
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		_, _ = bulkhead.TryAcquire()
		_ = limit.Allow()
		for name, refused := range map[string]func() error{
			"breaker":    func() error { _, err := breaker.Allow(); return err },
			"bulkhead":   func() error { _, err := bulkhead.TryAcquire(); return err },
			"rate limit": limit.Allow,
		} {
			err := refused()
			if _, ok := errors.AsType[*Rejected](err); !ok {
				t.Errorf("%s: %v", name, err)
			}
			if n := testing.AllocsPerRun(100, func() { err = refused() }); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	})
}
