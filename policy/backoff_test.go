package policy

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBackoffGrows(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		backoff Backoff
		max     time.Duration
		want    []time.Duration
	}{
		{BackoffConstant, time.Second, []time.Duration{25 * ms, 25 * ms, 25 * ms, 25 * ms, 25 * ms}},
		{BackoffLinear, time.Second, []time.Duration{25 * ms, 50 * ms, 75 * ms, 100 * ms, 125 * ms}},
		{BackoffLinear, 60 * ms, []time.Duration{25 * ms, 50 * ms, 60 * ms, 60 * ms, 60 * ms}},
		{BackoffExponential, time.Second, []time.Duration{25 * ms, 50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1000 * ms, 1000 * ms}},
		{BackoffFibonacci, time.Second, []time.Duration{25 * ms, 25 * ms, 50 * ms, 75 * ms, 125 * ms, 200 * ms, 325 * ms, 525 * ms, 850 * ms, 1000 * ms, 1000 * ms}},
		{"", time.Second, []time.Duration{25 * ms, 50 * ms, 100 * ms}},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.backoff, test.max), func(t *testing.T) {
			c := RetryConfig{Backoff: test.backoff, Delay: 25 * ms, DelayMax: test.max, Jitter: JitterNone}.WithDefaults()
			var got []time.Duration
			for n := range test.want {
				got = append(got, c.wait(n+1, 0))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestJitterStaysWithinItsBounds(t *testing.T) {
	const d = 100 * time.Millisecond
	tests := []struct {
		jitter   Jitter
		min, max time.Duration
	}{
		{JitterFull, 0, d},
		{JitterEqual, d / 2, d},
		{JitterNone, d, d},
	}
	for _, test := range tests {
		t.Run(string(test.jitter), func(t *testing.T) {
			c := RetryConfig{Backoff: BackoffConstant, Delay: d, Jitter: test.jitter}.WithDefaults()
			low, high := d, time.Duration(0)
			for range 2000 {
				wait := c.wait(1, 0)
				low, high = min(low, wait), max(high, wait)
			}
			if low < test.min || high > test.max {
				t.Errorf("waits of %v to %v, want %v to %v", low, high, test.min, test.max)
			}
			if spread := (test.max - test.min) * 9 / 10; high-low < spread {
				t.Errorf("waits of %v to %v are hardly spread", low, high)
			}
		})
	}
}

func TestBackoffNeverOverflows(t *testing.T) {
	for _, backoff := range Backoff("").Enum() {
		for _, jitter := range Jitter("").Enum() {
			for _, delay := range []time.Duration{1, time.Hour, durationMax} {
				c := RetryConfig{Attempts: 100, Backoff: Backoff(backoff), Jitter: Jitter(jitter), Delay: delay, DelayMax: durationMax}
				if err := c.Validate(); err != nil {
					t.Fatal(err)
				}
				c = c.WithDefaults()
				for n := 1; n <= 100; n++ {
					if wait := c.wait(n, durationMax); wait < 0 || wait > durationMax {
						t.Fatalf("%s %s of %v: repeat %d waits %v", backoff, jitter, delay, n, wait)
					}
				}
			}
		}
	}
}

// The bounds are those of the source: between Delay and three times the wait
// before, and never more than DelayMax.
func TestDecorrelatedJitterFollowsTheWaitBefore(t *testing.T) {
	const ms = time.Millisecond
	c := RetryConfig{Delay: 10 * ms, DelayMax: time.Second, Jitter: JitterDecorrelated}.WithDefaults()
	for _, last := range []time.Duration{0, 10 * ms, 100 * ms, time.Second} {
		low, high := time.Hour, time.Duration(0)
		for range 2000 {
			wait := c.wait(2, last)
			low, high = min(low, wait), max(high, wait)
		}
		most := min(3*max(last, c.Delay), c.DelayMax)
		if low < c.Delay || low > c.Delay+(most-c.Delay)/10 || high > most || high < most-most/10 {
			t.Errorf("after %v waits are %v to %v, want %v to %v", last, low, high, c.Delay, most)
		}
	}
}
