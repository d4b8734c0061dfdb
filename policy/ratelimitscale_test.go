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
