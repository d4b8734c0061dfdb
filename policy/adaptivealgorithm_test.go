package policy

import (
	"testing"
	"time"
)

func TestVegasKeepsGoodputUnderOverload(t *testing.T) {
	results := simulate(t, AdaptiveConfig{Algorithm: AdaptiveVegas}, storm("calm", .5), storm("3x", 3), storm("calm again", .5),
		storm("10x", 10), storm("10x slower", 9, tenTimesSlower), storm("calm at last", .5))
	// It goes down in small steps, so a callee that becomes ten times slower
	// costs it some seconds, where the gradient loses one.
	if got := results[4].recovery(); got > 4*time.Second {
		t.Errorf("%s: recovered after %v", results[4].name, got)
	}
	for i, share := range []float64{.98, .9, .98, .9, .6, .9} {
		if got := results[i].share(); got < share {
			t.Errorf("%s: goodput is %.0f%% of what is possible, want %.0f%%", results[i].name, 100*got, 100*share)
		}
	}
	if p99 := results[1].quantile(.99); p99 > 250*time.Millisecond {
		t.Errorf("p99 is %v at 3x", p99)
	}
}

// What AIMD is told to hold it holds about, whatever is usual.
func TestAIMDHoldsItsLatencyUnderOverload(t *testing.T) {
	results := simulate(t, AdaptiveConfig{Algorithm: AdaptiveAIMD, LatencyMax: 100 * time.Millisecond}, storm("calm", .5), storm("3x", 3),
		storm("calm again", .5), storm("10x", 10), storm("calm at last", .5))
	for i, share := range []float64{.98, .9, .98, .9, .98} {
		if got := results[i].share(); got < share {
			t.Errorf("%s: goodput is %.0f%% of what is possible, want %.0f%%", results[i].name, 100*got, 100*share)
		}
	}
	for _, i := range []int{1, 3} {
		if p99 := results[i].quantile(.99); p99 > 300*time.Millisecond {
			t.Errorf("%s: p99 is %v", results[i].name, p99)
		}
	}
}

// A callee that hangs gives no success to measure: timeouts alone must do.
func TestAIMDShrinksWhenCallsTimeOut(t *testing.T) {
	a := newAIMD(100, time.Second)
	a.Bound(4, 1000)
	for i := range 2000 {
		end := time.Duration(i) * 10 * time.Millisecond
		a.Observe(AdaptiveSample{Start: end, End: end + 2*time.Second, InFlight: 100, Class: Failure})
	}
	if e := a.Estimate(); e.Limit > 50 || e.Why != "calls time out, so it shrinks" {
		t.Errorf("%+v", e)
	}
	low := a.limit
	for i := range 2000 {
		end := time.Minute + time.Duration(i)*10*time.Millisecond
		a.Observe(AdaptiveSample{Start: end - 10*time.Millisecond, End: end, InFlight: int(a.limit), Class: Success})
	}
	if a.limit < low+50 {
		t.Errorf("the limit has not grown again: %v after %v", a.limit, low)
	}
}

func TestAdaptiveSetChangesTheAlgorithm(t *testing.T) {
	a := newAdaptive(t, AdaptiveConfig{Initial: 50})
	for _, algorithm := range AdaptiveAlgorithm("").Enum() {
		if err := a.Set(AdaptiveConfig{Algorithm: AdaptiveAlgorithm(algorithm)}); err != nil {
			t.Fatal(err)
		}
		if limit := a.Status().Limit; limit != 50 {
			t.Errorf("%s begins with %d, want the limit as it was", algorithm, limit)
		}
	}
	if _, isAIMD := a.estimator.(*aimd); !isAIMD {
		t.Errorf("the estimator is %T", a.estimator)
	}
	kept := a.estimator
	if err := a.Set(AdaptiveConfig{Algorithm: AdaptiveAIMD, Max: 30}); err != nil || a.estimator != kept || a.Status().Limit != 30 {
		t.Errorf("%v, limit %d", err, a.Status().Limit)
	}
	err := a.Set(AdaptiveConfig{Algorithm: "guess", LatencyMax: -1})
	wantProblem(t, err, "algorithm")
	wantProblem(t, err, "latencyMax")
}
