package policy

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// reserve books calls one by one and returns their delays.
func reserve(t *testing.T, l *RateLimit, n int) (all []Reservation, delays []time.Duration) {
	t.Helper()
	for range n {
		r, err := l.Reserve(1)
		if err != nil {
			t.Fatal(err)
		}
		all, delays = append(all, r), append(delays, r.Delay())
	}
	return all, delays
}

func TestReserveBooksATimeAhead(t *testing.T) {
	const ms = time.Millisecond
	for algorithm, want := range map[LimitAlgorithm][]time.Duration{
		TokenBucket:          {0, 0, 500 * ms, 1000 * ms, 1500 * ms},
		LeakyBucket:          {0, 500 * ms, 1000 * ms, 1500 * ms, 2000 * ms},
		SlidingWindow:        {0, 0, 1000 * ms, 1000 * ms, 2000 * ms},
		SlidingWindowCounter: {0, 0, 1500 * ms, 2000 * ms, 2500 * ms},
		FixedWindow:          {0, 0, 1000 * ms, 1000 * ms, 2000 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 2, Algorithm: algorithm, WaitMax: 2500 * ms})
			all, got := reserve(t, l, 5)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", algorithm, diff)
			}
			if err := l.Allow(); !errors.Is(err, ErrLimited) {
				t.Errorf("%s: a call overtook those that are booked: %v", algorithm, err)
			}
			time.Sleep(want[3])
			if d := all[3].Delay(); d != 0 {
				t.Errorf("%s: %v are left of a delay that is over", algorithm, d)
			}
			if d := all[4].Delay(); d != want[4]-want[3] {
				t.Errorf("%s: %v are left, want %v", algorithm, d, want[4]-want[3])
			}
		})
	}
}

func TestReserveRefusesWhatIsTooFarAhead(t *testing.T) {
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 2, Algorithm: algorithm, WaitMax: 10 * time.Second})
			for range 100 {
				if r, err := l.Reserve(1); err == nil && r.Delay() > 10*time.Second {
					t.Fatalf("%s: booked for in %v", algorithm, r.Delay())
				}
			}
			r, err := l.Reserve(1)
			if rejected, ok := errors.AsType[*Rejected](err); !ok || rejected.RetryAfter <= 10*time.Second || r.Delay() != 0 {
				t.Errorf("%s: got %v, %v", algorithm, r, err)
			}
			if _, err := l.Reserve(3); !errors.Is(err, ErrLimited) {
				t.Errorf("%s: more than a burst: %v", algorithm, err)
			}
			if r, err := l.Reserve(0); err != nil || r.Delay() != 0 {
				t.Errorf("%s: nothing: %v, %v", algorithm, r, err)
			}
		})
	}
}

func TestCancelGivesBackOnce(t *testing.T) {
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 5, Algorithm: algorithm, WaitMax: time.Minute})
			r, err := l.Reserve(5)
			if err != nil {
				t.Fatal(err)
			}
			r.Cancel()
			if n := admitted(l, 10); n != 5 {
				t.Errorf("%s: %d are admitted after a cancel, want 5", algorithm, n)
			}
			r.Cancel()
			if n := admitted(l, 10); n != 0 {
				t.Errorf("%s: a second cancel gave back %d more", algorithm, n)
			}
			last, err := l.Reserve(2)
			if err != nil {
				t.Fatal(err)
			}
			before := last.Delay()
			last.Cancel()
			if again, err := l.Reserve(2); err != nil || again.Delay() != before {
				t.Errorf("%s: the place is free in %v, want %v (%v)", algorithm, again.Delay(), before, err)
			}
		})
	}
}

func TestCancelAfterSetGivesNothing(t *testing.T) {
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			l := newRateLimit(t, RateLimitConfig{Requests: 5, Per: time.Minute, Algorithm: algorithm})
			r, err := l.Reserve(5)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Set(RateLimitConfig{Requests: 5, Per: time.Hour, Algorithm: algorithm}); err != nil {
				t.Fatal(err)
			}
			r.Cancel()
			if n := admitted(l, 10); n != 0 {
				t.Errorf("%s: %d more were admitted", algorithm, n)
			}
		})
	}
}

// TestReserveLetsThoseWhoWaitGoFirst: they have booked nothing, and reserving
// again and again would hold them up for ever.
func TestReserveLetsThoseWhoWaitGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, RateLimitConfig{Requests: 1, WaitMax: time.Minute})
		admitted(l, 1)
		began, done := time.Now(), make(chan error)
		go func() { done <- l.Wait(t.Context()) }()
		synctest.Wait()
		if _, err := l.Reserve(1); !errors.Is(err, ErrLimited) {
			t.Errorf("got %v", err)
		}
		if err := <-done; err != nil || time.Since(began) != time.Second {
			t.Errorf("who waited was admitted after %v: %v", time.Since(began), err)
		}
	})
}
