package policy

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestRateLimitFollowsItsScale(t *testing.T) {
	for _, algorithm := range bursting {
		synctest.Test(t, func(t *testing.T) {
			share, asked := 1.0, 0
			l := newRateLimit(t, RateLimitConfig{Requests: 1000, Algorithm: algorithm,
				Scale: func() float64 { asked++; return share }})
			for _, step := range []struct {
				share float64
				want  int
			}{{1, 1000}, {0.5, 500}, {0, 10}, {math.NaN(), 10}, {-1, 10}, {7, 1000}} {
				share = step.share
				time.Sleep(2 * time.Second)
				admitted(l, 1) // it asks
				time.Sleep(2 * time.Second)
				if n := admitted(l, 2000); n != step.want || l.Status().Burst != step.want {
					t.Errorf("%s: at %v: %d are admitted, want %d; %+v", algorithm, step.share, n, step.want, l.Status())
				}
			}
			if asked != 12 {
				t.Errorf("%s: asked %d times, want once for each moment", algorithm, asked)
			}
		})
	}
}

func TestRateLimitSetKeepsTheScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newRateLimit(t, RateLimitConfig{Requests: 100, Scale: func() float64 { return 0.5 }})
		admitted(l, 1)
		if err := l.Set(RateLimitConfig{Requests: 10}); err != nil {
			t.Fatal(err)
		}
		if s := l.Status(); s.Requests != 5 || s.Burst != 5 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestKeyedRateLimitFollowsItsScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		share, asked := 1.0, 0
		c := KeyedRateLimitConfig{Requests: 1000, KeysMax: 2, Scale: func() float64 { asked++; return share }}
		k := newKeyed(t, c)
		_ = k.Allow("ann")
		_ = k.Allow("bob")
		for _, step := range []struct {
			share float64
			want  int
		}{{1, 1000}, {0.5, 500}, {0, 10}, {math.NaN(), 10}, {7, 1000}} {
			share = step.share
			for range 2 {
				time.Sleep(2 * time.Second)
				_, _ = k.Allow("ann"), k.Allow("bob") // they ask
			}
			time.Sleep(2 * time.Second)
			for _, key := range []string{"ann", "bob"} {
				if n := admittedOf(k, key, 2000); n != step.want || k.Status(key).Burst != step.want || k.Total().Burst != step.want {
					t.Errorf("at %v: %d of %s are admitted, want %d; %+v", step.share, n, key, step.want, k.Total())
				}
			}
			if n := admittedOf(k, "of the others", 2000); n != step.want {
				t.Errorf("at %v: %d of keys without a place are admitted, want %d", step.share, n, step.want)
			}
		}
		if asked > 20 {
			t.Errorf("asked %d times, want once for each moment", asked)
		}
	})
}

// A load that goes up and down must not give keys back what they have used up,
// nor take more from them.
func TestKeyedRateLimitKeepsTheShareWhateverItsScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		share := 1.0
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 1000, Per: 1000 * time.Hour, Scale: func() float64 { return share }})
		admittedOf(k, "half", 500)
		admittedOf(k, "all", 1000)
		for i := range 1000 {
			share = 0.5 + float64(i%7)/14
			time.Sleep(scaleEvery)
			_ = k.Allow("another")
		}
		share = 1
		time.Sleep(scaleEvery)
		_ = k.Allow("another")
		if half, all := k.Status("half").Left, k.Status("all").Left; half < 499 || half > 501 || all > 1 {
			t.Errorf("%v and %v of 1000 are left, want 500 and 0", half, all)
		}
	})
}

func TestKeyedRateLimitSetKeepsTheScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 100, Scale: func() float64 { return 0.5 }})
		_ = k.Allow("ann")
		if err := k.Set(KeyedRateLimitConfig{Requests: 10}); err != nil {
			t.Fatal(err)
		}
		if s := k.Total(); s.Requests != 5 || s.Burst != 5 {
			t.Errorf("got %+v", s)
		}
		wantFields(t, k.Set(KeyedRateLimitConfig{Requests: 10, Algorithm: FixedWindow}), "scale")
	})
}
