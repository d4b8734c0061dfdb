package gateway

import "testing"

func TestHealthVerdictTakesResultsInARow(t *testing.T) {
	c := HealthConfig{UnhealthyThreshold: 3, HealthyThreshold: 2}
	var v healthVerdict
	down := false
	for i, step := range []struct {
		ok   bool
		want verdict
	}{
		{true, verdictSame}, {false, verdictSame}, {false, verdictSame}, {true, verdictSame}, {false, verdictSame},
		{false, verdictSame}, {false, verdictDown}, {false, verdictSame}, {true, verdictSame}, {false, verdictSame},
		{true, verdictSame}, {true, verdictUp}, {true, verdictSame}, {false, verdictSame},
	} {
		got := v.after(step.ok, down, c)
		if got != step.want {
			t.Fatalf("result %d: got %d, want %d", i, got, step.want)
		}
		down = got == verdictDown || down && got != verdictUp
	}
}

func TestEndpointTakenDownByTrafficProvesItsHealthAnew(t *testing.T) {
	c := HealthConfig{UnhealthyThreshold: 2, HealthyThreshold: 2}
	var v healthVerdict
	for range 10 {
		v.after(true, false, c)
	}
	v = healthVerdict{} // as watchHealth does when it is told
	if got := v.after(true, true, c); got != verdictSame {
		t.Fatalf("one success after it went down: %d", got)
	}
	if got := v.after(true, true, c); got != verdictUp {
		t.Fatalf("two successes after it went down: %d", got)
	}
}

func TestUntilCheckIsSpreadALittle(t *testing.T) {
	e := &endpoint{}
	c := HealthConfig{}.WithDefaults()
	for range 1000 {
		if d := e.untilCheck(c); d < c.Interval*95/100 || d > c.Interval*106/100 {
			t.Fatalf("%v for an interval of %v", d, c.Interval)
		}
	}
	e.down.Store(true)
	if d := e.untilCheck(c); d > recoveryInterval*106/100 {
		t.Fatalf("%v until an endpoint that is down is asked", d)
	}
}
