package judge

import "testing"

// TestCourseEndsAtWhatTheChecksFound: what decides can be seen coming.
func TestCourseEndsAtWhatTheChecksFound(t *testing.T) {
	trial := begin(t, Config{FailuresInRow: 3})
	add(trial, Baseline, 0, 40)
	add(trial, Canary, 0, 5)
	var last Point
	for range 3 {
		add(trial, Canary, 1, 0)
		add(trial, Baseline, 0, 100)
		v := trial.Verdict()
		p := v.Course[len(v.Course)-1]
		want := map[string]float64{"errors": p.P, "objective": p.Objective, "failures in a row": p.InRow}
		for _, c := range v.Checks {
			if at, ok := want[c.Name]; ok && c.Decision != Fail && at != c.P {
				t.Errorf("%s: the course is at %v and the check at %v", c.Name, at, c.P)
			}
		}
		if last.P > 0 && (p.P >= last.P || p.Objective >= last.Objective || p.InRow >= last.InRow) {
			t.Errorf("%+v after %+v", p, last)
		}
		last = p
	}
}
