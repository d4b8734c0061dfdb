package main

import (
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/internal/control/judge"
)

func TestVerdictIsDrawnUpToWhereTheVersionFails(t *testing.T) {
	j, err := judge.New(judge.Config{})
	if err != nil {
		t.Fatal(err)
	}
	trial := j.Begin()
	draw := func() string {
		v := trial.Verdict()
		return drawVerdict(&v)
	}
	if got := draw(); strings.Contains(got, "█") || !strings.Contains(got, "p = 1, fails at 0.0002") {
		t.Errorf("of nothing: %q", got)
	}
	for range 200 {
		trial.Add(judge.Baseline, judge.Request{})
	}
	for range 6 {
		trial.Add(judge.Canary, judge.Request{Failed: true})
	}
	if got := draw(); !strings.Contains(got, "█ p = ") || !strings.Contains(got, "▂") && !strings.Contains(got, "▃") {
		t.Errorf("of one that fails: %q", got)
	}
	v := j.BeginAlone().Verdict()
	if got := drawVerdict(&v); got != "" {
		t.Errorf("of a version alone: %q", got)
	}
}
