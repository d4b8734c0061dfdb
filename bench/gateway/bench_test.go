package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/bench/rig"
	"github.com/afloat-dev/afloat/internal/capacity"
)

// TestMain is the program itself where a test has started it as the load.
func TestMain(m *testing.M) {
	if os.Getenv(pacing) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestMeasuresEveryProxy runs the whole measurement, as short as it gets, and
// asks whether the figures can be true: their order, not their size.
func TestMeasuresEveryProxy(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real proxies")
	}
	if err := checkMachine(); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{haproxy, nginx, "wrk"} {
		if _, err := rig.Find(name); err != nil {
			t.Skip(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	o := options{rounds: 1, duration: time.Second, connections: []int{8}, idle: 1000, settle: 100 * time.Millisecond}
	b, err := newBench(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	r, err := b.measure(ctx)
	if err != nil {
		t.Fatal(err)
	}
	rows := 3*len(variants) + 1 // httputil.ReverseProxy is plain alone
	for _, p := range b.proxies {
		if p.name == caddy {
			rows += 2
		}
	}
	if len(r.Rows) != rows || len(r.PacedRows) != 3 || len(r.Idle) != 3 {
		t.Fatalf("%d rows, %d paced and %d idle figures, want %d, 3 and 3", len(r.Rows), len(r.PacedRows), len(r.Idle), rows)
	}
	for _, s := range r.Paced {
		if s.Void == "" && (s.P50 <= 0 || s.P99 < s.P50) {
			t.Errorf("%s, paced: p50 %.3f ms, p99 %.3f ms", s.Proxy, s.P50, s.P99)
		}
	}
	for _, s := range r.Samples {
		checkSample(t, s)
	}
	for _, one := range r.Rows {
		// Zero over zero, where the cost was too little to be read, is no number.
		if one.CPU > 0 && one.Proxy == afloat && one.AfloatTo != 1 {
			t.Errorf("Afloat costs %.2f of itself", one.AfloatTo)
		}
	}
	for _, m := range r.Idle {
		if m.KiB < 0 || m.KiB > 1000 {
			t.Errorf("%s: an idle connection costs %.1f KiB", m.Proxy, m.KiB)
		}
	}
}

// checkSample has wide bounds: a request costs a proxy more than a microsecond
// and less than ten milliseconds. Where the machine had time for next to none,
// their cost is too little to be read.
func checkSample(t *testing.T, s sample) {
	t.Helper()
	if s.Requests > 20_000 && s.CPU < 0.1 || s.CPU > 1000 {
		t.Errorf("%s, %s: %.2f CPU seconds per 100k requests", s.Proxy, s.Variant, s.CPU)
	}
	if s.Rate <= 0 || s.P50 <= 0 || s.P99 < s.P50 {
		t.Errorf("%s, %s: %.0f requests/s, p50 %.3f ms, p99 %.3f ms", s.Proxy, s.Variant, s.Rate, s.P50, s.P99)
	}
	if s.Memory < 0.5 || s.Memory > 500 {
		t.Errorf("%s, %s: %.1f MiB of memory", s.Proxy, s.Variant, s.Memory)
	}
}

func TestRoundIsVoidUnlessWorkIsEqual(t *testing.T) {
	good := loadResult{Requests: 1000, Bytes: 1000 * 1200}
	change := func(f func(*loadResult)) *loadResult { r := good; f(&r); return &r }
	for _, c := range []struct {
		name   string
		result *loadResult
		served int64
		void   bool
	}{
		{"all served", &good, 1005, false},
		{"health checks", &good, 1050, false},
		{"answers of another status", change(func(r *loadResult) { r.StatusErrors = 1 }), 1000, true},
		{"timeouts", change(func(r *loadResult) { r.Timeouts = 1 }), 1000, true},
		{"short answers", change(func(r *loadResult) { r.Bytes = 1000 * 300 }), 1000, true},
		{"answers from a cache", &good, 900, true},
		{"repeated requests", &good, 2000, true},
		{"nothing", &loadResult{}, 0, true},
	} {
		if got := fault(c.result, c.served, 64) != ""; got != c.void {
			t.Errorf("%s: void is %v, want %v", c.name, got, c.void)
		}
	}
}

func TestReportHoldsMediansOfGoodRounds(t *testing.T) {
	var r report
	for _, variant := range variants {
		for _, p := range []string{afloat, haproxy, nginx} {
			for i, cpu := range []float64{5, 1, 3} {
				if p == afloat {
					cpu *= 2
				}
				r.Samples = append(r.Samples, sample{Variant: variant, Proxy: p, Connections: 64, Round: i + 1, CPU: cpu})
			}
			r.Samples = append(r.Samples, sample{Variant: variant, Proxy: p, Connections: 64, Round: 4, CPU: 1000, Void: "neighbours"})
		}
	}
	if err := r.summarize(); err != nil {
		t.Fatal(err)
	}
	want := row{Variant: variantPlain, Connections: 64, Proxy: afloat, Rounds: 3, Void: 1,
		CPU: 6, CPUMin: 2, CPUMax: 10, AfloatTo: 1}
	if diff := cmp.Diff(want, r.Rows[0]); diff != "" {
		t.Error(diff)
	}
	if got := r.Rows[1]; got.Proxy != haproxy || got.AfloatTo != 2 {
		t.Errorf("Afloat costs %.2f of %s", got.AfloatTo, got.Proxy)
	}
	for i := range r.Samples {
		r.Samples[i].Void = "neighbours"
	}
	if err := r.summarize(); err == nil {
		t.Error("a report of nothing but void rounds")
	}
}

func TestTableWarnsOfBusyMachine(t *testing.T) {
	r := report{Rows: []row{{Proxy: afloat, Others: 0.02}, {Proxy: nginx, Others: 0.05}}}
	warns := func() bool {
		var b strings.Builder
		if err := r.write(&b); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(b.String(), "busy")
	}
	if warns() {
		t.Error("warns of a calm machine")
	}
	r.Rows[1].Others = 0.5
	if !warns() {
		t.Error("does not warn of a busy machine")
	}
}

func TestTableSaysThatPacedRoundsWereVoid(t *testing.T) {
	r := report{Rows: []row{{Proxy: afloat}}, PacedRows: []pacedRow{{Proxy: afloat, Void: 3}}}
	text := func() string {
		var b strings.Builder
		if err := r.write(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got := text(); !strings.Contains(got, "were void") || strings.Contains(got, "half of what HAProxy") {
		t.Error(got)
	}
	r.PacedRows[0].P99 = 2
	if got := text(); strings.Contains(got, "were void") || !strings.Contains(got, "half of what HAProxy") {
		t.Error(got)
	}
	r.PacedRows[0].Rate = 3000
	r.Rows = append(r.Rows, row{Variant: variantPolicies, Proxy: haproxy, Rate: 10000})
	if got := text(); !strings.Contains(got, "30% of what HAProxy answers at most") {
		t.Error(got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	o, err := parse([]string{"-rounds", "2", "-duration", "3s", "-connections", "1, 20", "-json"})
	if err != nil {
		t.Fatal(err)
	}
	if o.rounds != 2 || o.duration != 3*time.Second || !cmp.Equal(o.connections, []int{1, 20}) || !o.json {
		t.Errorf("got %+v", o)
	}
	for _, bad := range []string{"-rounds=0", "-duration=1500ms", "-duration=0s", "-connections=0", "-connections=", "-idle=-1"} {
		if _, err := parse([]string{bad}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestMissingProxyIsNamed(t *testing.T) {
	if _, err := findProxies(t.Context(), options{afloat: "/bin/true"}, t.TempDir()); err != nil && !strings.Contains(err.Error(), "apt-get install") {
		t.Error(err)
	}
}

// TestLoadEndsWithContext stands for Ctrl-C.
func TestLoadEndsWithContext(t *testing.T) {
	wrk, err := rig.Find("wrk")
	if err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := &bench{wrk: wrk, script: "testdata/report.lua"}
	if _, err := b.load(ctx, "127.0.0.1:9", 1, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestPacedRoundIsVoidUnlessAllIsAnswered(t *testing.T) {
	for _, c := range []struct {
		name  string
		stats capacity.Stats
		void  bool
	}{
		{"all answered", capacity.Stats{Requests: 100, OK: 100}, false},
		{"some under way at the end", capacity.Stats{Requests: 100, OK: 98, Pending: 2}, false},
		{"some refused", capacity.Stats{Requests: 100, OK: 98, Shed: 2}, true},
		{"some never sent", capacity.Stats{Requests: 100, OK: 99, Overrun: 1}, true},
		{"nothing", capacity.Stats{}, true},
	} {
		if got := newPacedSample(c.stats).Void != ""; got != c.void {
			t.Errorf("%s: void is %v, want %v", c.name, got, c.void)
		}
	}
}
