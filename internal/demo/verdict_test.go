package demo

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/capacity"
)

var update = flag.Bool("update", false, "write the golden files anew")

// recorded is what a run brought, with every promise kept.
func recorded() measurement {
	one := func(requests, failed uint64, p99 time.Duration) capacity.Stats {
		return capacity.Stats{
			Duration: 4500 * time.Millisecond, Requests: requests, OK: requests - failed, Failed: failed, Broken: failed,
			Latency: capacity.Quantiles{P50: 42 * time.Millisecond, P99: p99},
		}
	}
	after := func(d time.Duration) *time.Duration { return &d }
	const watched = 9 * time.Second
	m := measurement{capacity: 293, lasted: 56 * time.Second}
	add := func(name, title string, with, without capacity.Stats, found *detection, healedWith, healedWithout *time.Duration) {
		m.stretches = append(m.stretches, stretch{name, title, with.Duration, watched, with, without, found, healedWith, healedWithout})
	}
	add(calmName, calmTitle, one(441, 0, 46*time.Millisecond), one(441, 0, 45*time.Millisecond), nil, after(0), after(0))
	finds := []time.Duration{2 * time.Millisecond, 420 * time.Millisecond, 299 * time.Millisecond, 1286 * time.Millisecond}
	for i, f := range faults {
		found := &detection{After: finds[i], By: "gateway: ejected: it has its reasons"}
		healed := after(4500 * time.Millisecond)
		if i%2 == 1 {
			healed = nil
		}
		add(f.name, f.title, one(668, uint64(i)%2, 80*time.Millisecond), one(668, 200, 2*time.Second), found, after(finds[i]), healed)
	}
	with := one(7033, 0, 127*time.Millisecond)
	with.Duration, with.OK, with.Shed = 8*time.Second, 2349, 4684
	without := one(7033, 6150, 2060*time.Millisecond)
	without.Duration = 8 * time.Second
	add(overloadName, overloadTitle, with, without, &detection{After: 140 * time.Millisecond, By: "gateway: the adaptive limit sheds load"}, after(20*time.Millisecond), nil)
	return m
}

func TestVerdictForPeople(t *testing.T) {
	text := recorded().verdict().text(paint{})
	golden(t, "verdict.txt", []byte(text))
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestVerdictForMachines(t *testing.T) {
	var b bytes.Buffer
	o := Options{JSON: true, Out: &b}
	if err := o.print(recorded().verdict()); err != nil {
		t.Fatal(err)
	}
	golden(t, "verdict.json", b.Bytes())
	var back Verdict
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(recorded().verdict(), back); diff != "" {
		t.Error(diff)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestPromisesAreBroken(t *testing.T) {
	if v := recorded().verdict(); !v.Kept || len(v.Promises) != len(faults)+3 {
		t.Fatalf("not kept as recorded: %+v", v.Promises)
	}
	const found, served, recovered = 4, 5, 6 // after those of the faults
	slow := 5 * time.Second
	for name, c := range map[string]struct {
		spoil  func(m *measurement)
		breaks int
	}{
		"users fail":                     {func(m *measurement) { m.stretches[1].with.Failed = 20 }, 0},
		"users are refused":              {func(m *measurement) { m.stretches[2].with.Shed = 20 }, 1},
		"nobody asked":                   {func(m *measurement) { m.stretches[3].with = capacity.Stats{} }, 2},
		"no better than without":         {func(m *measurement) { m.stretches[4].without.Failed = 2 }, 3},
		"a fault is not detected":        {func(m *measurement) { m.stretches[1].found = nil }, found},
		"a fault is detected late":       {func(m *measurement) { m.stretches[2].found = &detection{After: slow} }, found},
		"users do not get well":          {func(m *measurement) { m.stretches[3].healedWith = nil }, found},
		"users get well late":            {func(m *measurement) { m.stretches[4].healedWith = &slow }, found},
		"overload is served badly":       {func(m *measurement) { m.stretches[5].with.OK = 1800 }, served},
		"overload is served no better":   {func(m *measurement) { m.stretches[5].without.OK = 2400 }, served},
		"the overload is not recovered":  {func(m *measurement) { m.stretches[5].healedWith = nil }, recovered},
		"the overload is recovered late": {func(m *measurement) { m.stretches[5].healedWith = &slow }, recovered},
	} {
		t.Run(name, func(t *testing.T) {
			m := recorded()
			c.spoil(&m)
			v := m.verdict()
			for i, p := range v.Promises {
				if p.Kept != (i != c.breaks) {
					t.Errorf("kept %v: %s (%s)", p.Kept, p.Text, p.Figures)
				}
			}
			if v.Kept || !strings.Contains(v.text(paint{}), "1 of 7 promises were not kept") {
				t.Errorf("kept %v: %s", v.Kept, v.conclusion(paint{}))
			}
		})
	}
}

func TestLateLoadIsTold(t *testing.T) {
	m := recorded()
	m.stretches[2].with.Lag.P99 = 30 * time.Millisecond
	v := m.verdict()
	if v.Void != "" || !v.Faults[2].With.Late || v.Faults[2].Without.Late {
		t.Errorf("void %q, late %v and %v", v.Void, v.Faults[2].With.Late, v.Faults[2].Without.Late)
	}
	if text := v.text(paint{}); !strings.Contains(text, "~80 ms") || !strings.Contains(text, "sent 30 ms") {
		t.Errorf("a latency is told as if it were the service's:\n%s", text)
	}
}

func TestVeryLateLoadVoidsTheRun(t *testing.T) {
	m := recorded()
	m.stretches[2].without.Lag.P99 = time.Second
	v := m.verdict()
	if v.Kept || !strings.Contains(v.Void, m.stretches[2].title) {
		t.Errorf("kept %v, void %q", v.Kept, v.Void)
	}
	if text := v.text(paint{}); !strings.Contains(text, "void") || strings.Contains(text, "promises were") {
		t.Errorf("a void run is told as if it were good:\n%s", text)
	}
}
