package capacity

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// starts runs a schedule slice by slice, as the generator does.
func starts(s *schedule, length time.Duration, rate func(time.Duration) float64) []time.Duration {
	var all []time.Duration
	for from := time.Duration(0); from < length; from += slice {
		for {
			at, more := s.next(rate(from), from+slice)
			if !more {
				break
			}
			all = append(all, at)
		}
	}
	return all
}

func steady(rate float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return rate }
}

func TestScheduleConstantStartsAtEvenDistances(t *testing.T) {
	got := starts(newSchedule(Constant, 0), time.Second+slice, steady(4))
	want := []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, 750 * time.Millisecond, time.Second}
	if diff := cmp.Diff(want, got, roundTo(time.Microsecond)); diff != "" {
		t.Error(diff)
	}
}

func roundTo(d time.Duration) cmp.Option {
	return cmp.Transformer("round", func(x time.Duration) int64 { return int64(x.Round(d) / d) })
}

func TestScheduleNumberFollowsRate(t *testing.T) {
	tests := []struct {
		name    string
		arrival Arrival
		rate    func(time.Duration) float64
		want    float64
		within  float64
	}{
		{"constant", Constant, steady(777), 7770, 1},
		{"faster than a slice", Constant, steady(50_000), 500_000, 1},
		{"slower than a second", Constant, steady(0.5), 5, 1},
		{"ramp", Constant, func(d time.Duration) float64 { return 100 * d.Seconds() }, 5000, 30},
		{"step", Constant, func(d time.Duration) float64 {
			if d < 5*time.Second {
				return 100
			}
			return 300
		}, 2000, 1},
		{"poisson", Poisson, steady(1000), 10_000, 400}, // four standard deviations
		{"zero", Constant, steady(0), 0, 0},
		{"negative", Poisson, steady(-5), 0, 0},
		{"not a number", Constant, steady(math.NaN()), 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := starts(newSchedule(test.arrival, 7), 10*time.Second, test.rate)
			if math.Abs(float64(len(got))-test.want) > test.within {
				t.Errorf("%d starts, want %v ± %v", len(got), test.want, test.within)
			}
		})
	}
}

func TestSchedulePauseEndsWhenRateRises(t *testing.T) {
	// At one request in 100 s, the next start lies far away; the new rate must
	// not wait for it.
	got := starts(newSchedule(Constant, 0), 2*time.Second, func(d time.Duration) float64 {
		if d < time.Second {
			return 0.01
		}
		return 100
	})
	if len(got) < 99 || got[0] > 1020*time.Millisecond {
		t.Errorf("%d starts, the first %v", len(got), got)
	}
}

func TestSchedulePoissonGapsAreExponential(t *testing.T) {
	got := starts(newSchedule(Poisson, 3), 100*time.Second, steady(100))
	var long, short int
	for i := 1; i < len(got); i++ {
		switch gap := got[i] - got[i-1]; {
		case gap > 20*time.Millisecond: // exp(-2) = 13.5%
			long++
		case gap < time.Millisecond: // 1-exp(-0.1) = 9.5%
			short++
		}
	}
	n := float64(len(got))
	if l, s := float64(long)/n, float64(short)/n; math.Abs(l-0.135) > 0.02 || math.Abs(s-0.095) > 0.02 {
		t.Errorf("share of long gaps %.3f, of short gaps %.3f", l, s)
	}
}

func TestSchedulePoissonIsRepeatable(t *testing.T) {
	a := starts(newSchedule(Poisson, 5), time.Second, steady(100))
	b := starts(newSchedule(Poisson, 5), time.Second, steady(100))
	other := starts(newSchedule(Poisson, 6), time.Second, steady(100))
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(a, other) {
		t.Error("another seed gives the same starts")
	}
}

func TestParseArrival(t *testing.T) {
	for _, a := range []Arrival{Constant, Poisson} {
		if got, err := ParseArrival(a.String()); err != nil || got != a {
			t.Errorf("ParseArrival(%q) = %v, %v", a, got, err)
		}
	}
	if _, err := ParseArrival("bursty"); err == nil {
		t.Error("an unknown word is accepted")
	}
}
