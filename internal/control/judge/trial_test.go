package judge

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/google/go-cmp/cmp"
)

const took = 20 * time.Millisecond

func begin(t *testing.T, c Config) *Trial {
	t.Helper()
	j, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return j.Begin()
}

// add counts requests of which the first ones fail.
func add(t *Trial, arm Arm, failing, succeeding int) {
	for range failing {
		t.Add(arm, Request{Failed: true})
	}
	for range succeeding {
		t.Add(arm, Request{Took: took})
	}
}

// check returns a verdict's check.
func (v Verdict) check(t *testing.T, name string) Check {
	t.Helper()
	for _, c := range v.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q in %+v", name, v.Checks)
	return Check{}
}

func TestNoDataIsInconclusive(t *testing.T) {
	for name, requests := range map[string]func(*Trial){
		"none":                func(*Trial) {},
		"of the canary alone": func(x *Trial) { add(x, Canary, 0, 500) },
		"of the baseline":     func(x *Trial) { add(x, Baseline, 2, 5000) },
		"a few of each":       func(x *Trial) { add(x, Baseline, 0, 5000); add(x, Canary, 0, 99) },
	} {
		trial := begin(t, Config{})
		requests(trial)
		v := trial.Verdict()
		if v.Decision != Inconclusive {
			t.Errorf("%s: %s, %s", name, v.Decision, v.Why)
		}
		if _, err := json.Marshal(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGoodCanaryPasses(t *testing.T) {
	trial := begin(t, Config{})
	for range 200 {
		add(trial, Baseline, 0, 19)
		add(trial, Canary, 0, 1)
	}
	v := trial.Verdict()
	if v.Decision != Pass {
		t.Fatalf("%s: %s", v.Decision, v.Why)
	}
	if !strings.Contains(v.Why, "canary 0 errors of 200 (0%), baseline 0 errors of 3800 (0%): p = 1 > 0.0002") {
		t.Errorf("why: %s", v.Why)
	}
}

func TestErrorsOfTheCanaryFailIt(t *testing.T) {
	trial := begin(t, Config{FailuresInRow: -1, Latency: []Quantile{}, Objective: 0.6})
	for range 200 {
		add(trial, Baseline, 0, 20)
	}
	add(trial, Baseline, 3, 0)
	failed := 0
	for i := 0; failed == 0 && i < 240; i++ {
		trial.Add(Canary, Request{Took: took})
		if trial.Add(Canary, Request{Failed: true}) {
			failed = i + 1
		}
	}
	if failed == 0 || failed > 8 {
		t.Fatalf("failed after %d errors, want a few", failed)
	}
	v := trial.Verdict()
	if c := v.check(t, "errors"); v.Decision != Fail || c.Decision != Fail || c.P > c.Below || !strings.HasPrefix(v.Why, "errors: canary ") || !strings.Contains(v.Why, "baseline 3 errors of 4003 (0.075%): p = ") {
		t.Errorf("got %s: %s", v.Decision, v.Why)
	}
	// A failure is for good.
	add(trial, Canary, 0, 100_000)
	if again := trial.Verdict(); again.Decision != Fail || again.Why != v.Why {
		t.Errorf("then %s: %s", again.Decision, again.Why)
	}
}

func TestErrorsOfBothAreNobodysFault(t *testing.T) {
	trial := begin(t, Config{})
	add(trial, Baseline, 0, 2000)
	add(trial, Canary, 0, 200)
	for range 50 { // an outage of what both depend on
		add(trial, Baseline, 10, 0)
		add(trial, Canary, 1, 0)
	}
	if v := trial.Verdict(); v.Decision != Inconclusive || !strings.Contains(v.Why, "the baseline breaks it as well: 500 errors of 2500 (20.0%)") {
		t.Errorf("got %s: %s", v.Decision, v.Why)
	}
}

// TestFailuresInARowFailACanaryWithoutTraffic: five requests a minute, and half
// of them fail.
func TestFailuresInARowFailACanaryWithoutTraffic(t *testing.T) {
	trial := begin(t, Config{Objective: 0.6, Latency: []Quantile{}})
	add(trial, Canary, 0, 40)
	for i := 0; ; i++ {
		trial.Add(Baseline, Request{Took: took})
		if trial.Add(Canary, Request{Failed: true}) {
			if i < 4 {
				t.Errorf("failed after %d", i+1)
			}
			break
		}
		if i == 20 {
			t.Fatal("did not fail")
		}
	}
	// The same failures, of the baseline too.
	trial = begin(t, Config{Latency: []Quantile{}})
	add(trial, Baseline, 0, 40)
	add(trial, Canary, 0, 40)
	for range 20 {
		trial.Add(Baseline, Request{Failed: true})
		if trial.Add(Canary, Request{Failed: true}) {
			t.Fatalf("blamed for an outage: %s", trial.Verdict().Why)
		}
	}
	if c := trial.Verdict().check(t, "failures in a row"); c.Decision != Inconclusive || !strings.Contains(c.Why, "meanwhile the baseline had 19 errors of 19 (100%)") {
		t.Errorf("got %+v", c)
	}
}

func TestVersionAloneIsHeldToTheObjective(t *testing.T) {
	j, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	trial := j.BeginAlone()
	if v := trial.Verdict(); v.Decision != Inconclusive {
		t.Errorf("nothing: %s", v.Decision)
	}
	add(trial, Canary, 0, 300)
	if v := trial.Verdict(); v.Decision != Pass {
		t.Errorf("300 that succeed: %s, %s", v.Decision, v.Why)
	}
	trial = j.BeginAlone()
	for n := 1; ; n++ {
		trial.Add(Canary, Request{Took: took})
		if trial.Add(Canary, Request{Failed: true}) {
			if n > 8 {
				t.Errorf("failed after %d errors", n)
			}
			break
		}
		if n == 100 {
			t.Fatal("half of the requests fail, and it does not")
		}
	}
}

func TestHigherLatencyFails(t *testing.T) {
	for _, test := range []struct {
		canary, baseline time.Duration
		want             Decision
	}{
		{30 * time.Millisecond, 20 * time.Millisecond, Fail},
		{20 * time.Millisecond, 20 * time.Millisecond, Pass},
		{10 * time.Millisecond, 20 * time.Millisecond, Pass},
		{24 * time.Millisecond, 20 * time.Millisecond, Pass},    // a fifth, of the quarter that is tolerated
		{900 * time.Microsecond, 100 * time.Microsecond, Pass},  // within the slack
		{2500 * time.Microsecond, 100 * time.Microsecond, Fail}, // beyond it
		{time.Hour, 20 * time.Millisecond, Fail}, {0, 0, Pass},  // beyond the buckets
	} {
		trial := begin(t, Config{})
		for range 400 {
			trial.Add(Canary, Request{Took: test.canary})
			trial.Add(Baseline, Request{Took: test.baseline})
		}
		v := trial.Verdict()
		if v.Decision != test.want {
			t.Errorf("%v against %v: %s, %s", test.canary, test.baseline, v.Decision, v.Why)
		}
	}
}

func TestWeighBeginsAnewAndForgetsNothing(t *testing.T) {
	trial := begin(t, Config{Objective: 0.6, FailuresInRow: -1})
	add(trial, Baseline, 1, 1900)
	add(trial, Canary, 0, 97)
	add(trial, Canary, 2, 0)
	before := trial.Verdict()
	if before.Decision == Fail {
		t.Fatalf("failed at once: %s", before.Why)
	}
	trial.Weigh()
	if v := trial.Verdict(); v.Decision != Inconclusive {
		t.Errorf("after the change, without a request: %s", v.Decision)
	}
	needed := func(trial *Trial) int {
		for n := 1; ; n++ {
			add(trial, Baseline, 0, 10)
			add(trial, Canary, 0, 9)
			if trial.Add(Canary, Request{Failed: true}) || n == 1000 {
				return n
			}
		}
	}
	went, fresh := needed(trial), needed(begin(t, Config{Objective: 0.6, FailuresInRow: -1}))
	if went >= fresh {
		t.Errorf("with evidence from before it takes %d errors, without %d", went, fresh)
	}
}

func TestTrialGoesOnAfterARestart(t *testing.T) {
	c := Config{Series: []Series{{Name: "cpu", Query: "cpu", Max: ptr(0.8)}}}
	trial := begin(t, c)
	add(trial, Baseline, 1, 1900)
	add(trial, Canary, 2, 97)
	trial.Weigh()
	add(trial, Baseline, 1, 900)
	add(trial, Canary, 1, 120)
	trial.Add(Canary, Request{Failed: true})
	text, err := json.Marshal(trial.Record())
	if err != nil {
		t.Fatal(err)
	}
	var record Record
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	again := trial.judge.Resume(record)
	want, got := trial.Verdict(), again.Verdict()
	want.Course, got.Course = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the verdict changed (-before +after):\n%s", diff)
	}
	for n := 0; !again.Add(Canary, Request{Failed: true}); n++ {
		if n == 20 {
			t.Fatal("does not fail")
		}
	}
	if v := trial.judge.Resume(again.Record()).Verdict(); v.Decision != Fail {
		t.Errorf("a failure did not outlast the restart: %s", v.Decision)
	}
	if err := json.Unmarshal([]byte(`[[5000,1]]`), &record.Versions[0].Latency); err == nil {
		t.Error("took a bucket that there is not")
	}
}

func TestCourseIsBounded(t *testing.T) {
	trial := begin(t, Config{})
	for range 5000 {
		add(trial, Canary, 1, 9)
		add(trial, Baseline, 1, 9)
	}
	course := trial.Verdict().Course
	if len(course) > courseMax+1 || len(course) < courseMax/2 {
		t.Errorf("%d points", len(course))
	}
	last := course[len(course)-1]
	if last.Canary.Requests != 50_000 || last.Baseline.Requests != 50_000 {
		t.Errorf("the last is %+v", last)
	}
	for i, p := range course[1:] {
		if p.Canary.Requests < course[i].Canary.Requests {
			t.Fatalf("goes back at %d", i)
		}
	}
}

func TestManyMayAddAtOnce(t *testing.T) {
	trial := begin(t, Config{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			add(trial, Arm(i%2), 1, 500)
			trial.Verdict()
			trial.Record()
		})
	}
	all.Wait()
	if r := trial.Record(); r.Versions[Canary].Requests != 2004 || r.Versions[Baseline].Errors != 4 {
		t.Errorf("counted %+v and %+v", r.Versions[Canary].Counts, r.Versions[Baseline].Counts)
	}
}

func ptr(x float64) *float64 { return &x }

func TestSeriesHoldsTheCanaryToABound(t *testing.T) {
	series := Series{Name: "cpu", Query: "cpu", Max: ptr(0.8), Min: ptr(0.1)}
	for _, test := range []struct {
		values []float64
		want   Decision
		why    string
	}{
		{nil, Inconclusive, "0 values of the canary, of the 3 that it takes"},
		{[]float64{0.9, 0.9}, Inconclusive, "2 values"},
		{[]float64{0.9, 0.95, 0.5}, Pass, "canary 0.5, 2 of the last 3 values above the max of 0.8"},
		{[]float64{0.2, 0.9, 0.95, 0.85}, Fail, "canary 0.85, 3 of the last 3 values above the max of 0.8"},
		{[]float64{0.05, 0.01, 0}, Fail, "3 of the last 3 values below the min of 0.1"},
	} {
		r := &readings{canary: test.values}
		c := series.withDefaults().judge(r, false)
		if c.Decision != test.want || !strings.Contains(c.Why, test.why) {
			t.Errorf("%v: %s, %s", test.values, c.Decision, c.Why)
		}
		series.Warn = true
		if c := series.withDefaults().judge(r, false); c.Decision == Fail {
			t.Errorf("%v: failed by a warning", test.values)
		}
		series.Warn = false
	}
}

func TestSeriesIsComparedWithTheBaseline(t *testing.T) {
	series := []Series{{Name: "cpu", Query: "cpu", Compare: &Compare{Direction: Increase}}}
	trial := begin(t, Config{Series: series})
	trial.Read("cpu", about(10, 1, 9), about(10.1, 1, 30))
	trial.Read("memory", about(10, 1, 9), nil) // nobody asked for it
	if c := trial.Verdict().check(t, "cpu"); c.Decision != Inconclusive {
		t.Errorf("9 values: %+v", c)
	}
	trial.Read("cpu", about(10.2, 1, 21), nil)
	if c := trial.Verdict().check(t, "cpu"); c.Decision != Pass {
		t.Errorf("alike: %+v", c)
	}
	trial.Read("cpu", about(15, 1, 1000), nil)
	v := trial.Verdict()
	if c := v.check(t, "cpu"); c.Decision != Fail || v.Decision != Fail || c.P > 0.001 {
		t.Errorf("half as much again: %+v", c)
	}
}

// TestSeriesMayBeLookedAtAllTheTime: a canary that is no worse is blamed as
// seldom as the confidence says, with a look after every value.
func TestSeriesMayBeLookedAtAllTheTime(t *testing.T) {
	const trials = 300
	dice, blamed := rand.New(rand.NewPCG(5, 5)), 0
	for range trials {
		trial := begin(t, Config{Series: []Series{{Name: "cpu", Query: "cpu", Compare: &Compare{Confidence: 0.9, Tolerance: 0.01}}}})
		for range 120 {
			trial.Read("cpu", []float64{10 + dice.NormFloat64()}, []float64{10 + dice.NormFloat64()})
			if trial.Verdict().check(t, "cpu").Decision == Fail {
				blamed++
				break
			}
		}
	}
	if blamed > trials/10 || blamed == 0 {
		t.Errorf("blamed %d of %d", blamed, trials)
	}
}

func TestConfigIsChecked(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
	wrong := Config{Alpha: 2, RequestsMin: -1, Objective: 1, Broken: 2, FailuresInRow: 1,
		Latency: []Quantile{{Of: 1, Tolerance: -1, Slack: -1}},
		Series: []Series{{Name: "a"}, {Name: "a", Max: ptr(1), Min: ptr(2), Points: 1000,
			Compare: &Compare{Direction: "up", Effect: "size", Tolerance: 1, Confidence: 1, Increase: -1, Decrease: -1, CriticalIncrease: -1, CriticalDecrease: -1}}}}
	_, err := New(wrong)
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("got %v", err)
	}
	fields := map[string]bool{}
	for _, err := range joined.Unwrap() {
		var field *policy.FieldError
		if !errors.As(err, &field) {
			t.Fatalf("%v is no FieldError", err)
		}
		fields[field.Field] = true
	}
	for _, want := range []string{"alpha", "requestsMin", "objective", "broken", "failuresInRow", "latency[0].of", "latency[0].tolerance", "latency[0].slack",
		"series[0].max", "series[1].name", "series[1].min", "series[1].points", "series[1].compare.direction", "series[1].compare.effect", "series[1].compare.tolerance",
		"series[1].compare.confidence", "series[1].compare.increase", "series[1].compare.decrease", "series[1].compare.criticalIncrease", "series[1].compare.criticalDecrease"} {
		if !fields[want] {
			t.Errorf("nothing is said of %s: %v", want, fields)
		}
	}
	c := Config{}.WithDefaults()
	if diff := cmp.Diff(c, c.WithDefaults()); diff != "" || c.Broken != 0.1 && (c.Broken < 0.0999 || c.Broken > 0.1001) {
		t.Errorf("defaults of defaults differ, or broken is %v:\n%s", c.Broken, diff)
	}
}
