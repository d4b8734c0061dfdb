package policy

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimitsForgetKeysThatAreFreshAgain: a key that has all of its limit again
// is as good as unknown, wherever its place is in the table, and keeps no other
// key out.
func TestLimitsForgetKeysThatAreFreshAgain(t *testing.T) {
	for _, full := range []WhenKeysFull{RejectWhenFull, ShareWhenFull} {
		for keysMax, keys := range map[int]int{1: 1, 50: 50, 5000: 2500} { // of several shards one may be full before the others
			synctest.Test(t, func(t *testing.T) {
				one := newRateLimit(t, RateLimitConfig{Requests: 1e6})
				k := newKeyed(t, KeyedRateLimitConfig{Requests: 1, Per: time.Minute, KeysMax: keysMax, WhenFull: full})
				for round := range 3 {
					refused := 0
					for i := range keys {
						key := k.Of(fmt.Sprint(round, " ", i))
						if s := key.Status(); s.Left != 1 || s.RetryAfter != 0 {
							t.Fatalf("%v of %d, round %d: the state of key %d is said to be %+v", full, keysMax, round, i, s)
						}
						if (Limits{one.Limit(), key}).Allow() != nil {
							refused++
						}
					}
					if refused > 0 {
						t.Errorf("%v of %d, round %d: %d are refused", full, keysMax, round, refused)
					}
					time.Sleep(2 * time.Minute)
				}
			})
		}
	}
}

// TestLimitsTellThatKeysFindNoPlace, as a limit alone does.
func TestLimitsTellThatKeysFindNoPlace(t *testing.T) {
	for _, full := range []WhenKeysFull{RejectWhenFull, ShareWhenFull} {
		var told atomic.Int64
		one := newRateLimit(t, RateLimitConfig{Requests: 1000})
		k := newKeyed(t, KeyedRateLimitConfig{Requests: 1, Per: time.Hour, KeysMax: 1, WhenFull: full, Observer: Observer(func(Event) { told.Add(1) }).Only(EventKeysFull)})
		for _, key := range []string{"a", "a", "b", "c"} { // only the first two have a place
			_ = Limits{one.Limit(), k.Of(key)}.Allow()
		}
		if s := k.Total(); s.KeysFull != 2 || told.Load() == 0 {
			t.Errorf("%v: %d calls are counted, and %d told of", full, s.KeysFull, told.Load())
		}
	}
}
