package main

import (
	"testing"
)

// TestJudgeKeepsItsPromises simulates a few releases of every scenario.
// go run ./bench/judge does a thousand.
func TestJudgeKeepsItsPromises(t *testing.T) {
	releases := 10
	if testing.Short() {
		releases = 2
	}
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			if o := s.simulate(releases); !s.holds(o) {
				t.Errorf("want %s; %d of %d failed after %v errors, %d inconclusive: %s", s.want, o.failed, o.releases, o.errors, o.inconclusive, o.why)
			}
		})
	}
}
