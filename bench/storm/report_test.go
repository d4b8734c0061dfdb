package main

import (
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/capacity"
)

func seconds(s float64) *float64 { return &s }

// reportOf makes a report of one storm's results.
func reportOf(t *testing.T, s *storm, results ...result) *report {
	t.Helper()
	r := &report{storms: []*storm{s}, gateways: gateways(options{}), Results: results, Rounds: 3}
	for i := range r.Results {
		r.Results[i].Storm = s.name
	}
	r.summarize()
	return r
}

func rounds(gateway string, failed ...uint64) (all []result) {
	for i, n := range failed {
		all = append(all, result{Gateway: gateway, Round: i + 1, Requests: 1000, Failed: n})
	}
	return all
}

func join(all ...[]result) (joined []result) {
	for _, one := range all {
		joined = append(joined, one...)
	}
	return joined
}

func TestAfloatLosesBeyondNoiseOnly(t *testing.T) {
	s := &storm{name: "gale"}
	promised := &storm{name: "gale", failedMax: 0.001}
	for _, c := range []struct {
		name    string
		storm   *storm
		results []result
		lost    int
	}{
		{"none failed", s, join(rounds(ours, 0, 0, 0), rounds("haproxy", 0, 0, 0), rounds("nginx", 0, 0, 0)), 0},
		{"fewer failed", s, join(rounds(ours, 1, 2, 3), rounds("haproxy", 50, 60, 70), rounds("nginx", 9, 9, 9)), 0},
		{"more failed", s, join(rounds(ours, 50, 60, 55), rounds("haproxy", 10, 12, 11), rounds("nginx", 90, 90, 90)), 1},
		{"more than both", s, join(rounds(ours, 50, 60, 55), rounds("haproxy", 10, 12, 11), rounds("nginx", 20, 20, 20)), 2},
		{"within the floor", s, join(rounds(ours, 3, 3, 3), rounds("haproxy", 0, 0, 0), rounds("nginx", 0, 0, 0)), 0},
		{"within the spread", s, join(rounds(ours, 10, 50, 60), rounds("haproxy", 5, 20, 40), rounds("nginx", 80, 80, 80)), 0},
		{"one round, a little", s, join(rounds(ours, 25), rounds("haproxy", 0), rounds("nginx", 0)), 0},
		{"one round, much", s, join(rounds(ours, 100), rounds("haproxy", 0), rounds("nginx", 0)), 2},
		{"a promise kept", promised, join(rounds(ours, 1, 0, 1), rounds("haproxy", 9, 9, 9), rounds("nginx", 9, 9, 9)), 0},
		{"a promise broken", promised, join(rounds(ours, 2, 2, 2), rounds("haproxy", 9, 9, 9), rounds("nginx", 9, 9, 9)), 1},
	} {
		r := reportOf(t, c.storm, c.results...)
		if len(r.Losses) != c.lost || len(r.Unjudged) != 0 {
			t.Errorf("%s: lost %q, not judged %q", c.name, r.Losses, r.Unjudged)
		}
		if err := r.verdict(); (err != nil) != (c.lost > 0) {
			t.Errorf("%s: the verdict is %v", c.name, err)
		}
	}
}

func TestCriticalRequestsAreJudged(t *testing.T) {
	critical := func(gateway string, failed uint64) (all []result) {
		for _, one := range rounds(gateway, 500, 500, 500) {
			one.Critical, one.CriticalFailed = 100, failed
			all = append(all, one)
		}
		return all
	}
	s := &storm{name: "gale", critical: 10}
	if r := reportOf(t, s, join(critical(ours, 50), critical("haproxy", 0), critical("nginx", 60))...); len(r.Losses) != 1 {
		t.Errorf("lost %q, want once, to HAProxy", r.Losses)
	}
	r := reportOf(t, s, join(critical(ours, 0), critical("haproxy", 0), critical("nginx", 60))...)
	if len(r.Losses) != 0 {
		t.Errorf("lost %q", r.Losses)
	}
	if text := r.tables(); !strings.Contains(text, "| ... of which critical | **0** | **0** | 60.0% |") {
		t.Errorf("the table is\n%s", text)
	}
}

func TestVoidTrialsDoNotCount(t *testing.T) {
	s := &storm{name: "gale", title: "a gale"}
	bad := result{Gateway: ours, Requests: 1000, Failed: 1000, Void: "a busy machine"}
	r := reportOf(t, s, join([]result{bad}, rounds(ours, 4, 2, 3), rounds("haproxy", 50, 50, 50))...)
	own := r.find("gale", ours)
	if own.Rounds != 3 || own.Void != 1 || own.Share.Median != 0.003 || own.Share.Min != 0.002 || own.Share.Max != 0.004 {
		t.Errorf("got %+v", own)
	}
	if len(r.Losses) != 0 || len(r.Unjudged) != 1 {
		t.Errorf("lost %q, not judged %q, want nginx", r.Losses, r.Unjudged)
	}
	text := r.tables()
	for _, want := range []string{"| a gale | **0.30%** | 5.00% | void |", "1 trial void", "not judged: gale: every trial of nginx is void"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	only := reportOf(t, s, bad)
	if len(only.Losses) != 0 || len(only.Unjudged) == 0 {
		t.Errorf("lost %q, not judged %q", only.Losses, only.Unjudged)
	}
	if r.verdict() != nil || only.verdict() == nil {
		t.Errorf("the verdicts are %v, and %v where nothing could be compared", r.verdict(), only.verdict())
	}
}

func TestAfloatTakesOutInTimeAndNobodyElse(t *testing.T) {
	s := &storm{name: "gale", judged: true, takenOutMax: 400 * time.Millisecond}
	says := func(takenOut *float64, mistaken int) (all []result) {
		for _, one := range rounds(ours, 0, 0, 0) {
			one.TakenOut, one.Mistaken = takenOut, &mistaken
			all = append(all, one)
		}
		return all
	}
	for name, c := range map[string]struct {
		says []result
		lost int
	}{
		"in time":             {says(seconds(0.3), 0), 0},
		"late":                {says(seconds(0.5), 0), 1},
		"never":               {says(nil, 0), 1},
		"others too":          {says(seconds(0.3), 1), 1},
		"late, but one round": {says(seconds(0.5), 1)[:1], 0},
	} {
		if r := reportOf(t, s, join(c.says, rounds("haproxy", 0, 0, 0), rounds("nginx", 0, 0, 0))...); len(r.Losses) != c.lost {
			t.Errorf("%s: lost %q", name, r.Losses)
		}
	}
}

func TestAfloatKeepsItsOwnPromises(t *testing.T) {
	s := &storm{name: "gale", title: "a gale", failedMax: 0.01}
	r := reportOf(t, s, join(rounds(ours, 20, 20, 20), rounds("haproxy", 50, 50, 50))...)
	if err := r.verdict(); err == nil || !strings.Contains(err.Error(), "promises 1.00%") {
		t.Errorf("the verdict is %v", err)
	}
}

func TestTimesOfRoundsAreMediansThatMayBeNever(t *testing.T) {
	for _, c := range []struct {
		all  []*float64
		want string
	}{
		{[]*float64{seconds(1), seconds(3), seconds(2)}, "2.0 s"},
		{[]*float64{seconds(1), nil, seconds(2)}, "2.0 s"},
		{[]*float64{nil, nil, seconds(2)}, "-"},
		{[]*float64{nil, seconds(2)}, "-"},
	} {
		results := rounds(ours, make([]uint64, len(c.all))...)
		for i := range results {
			results[i].Detected = c.all[i]
		}
		r := reportOf(t, &storm{name: "gale"}, results...)
		if got := secondsOf(r.find("gale", ours).Detected); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestTableWarnsOfBusyMachine(t *testing.T) {
	calm := rounds(ours, 0)
	if text := reportOf(t, &storm{name: "gale"}, calm...).tables(); strings.Contains(text, "not calm") {
		t.Errorf("warns of a calm machine:\n%s", text)
	}
	calm[0].Others = 0.5
	if text := reportOf(t, &storm{name: "gale"}, calm...).tables(); !strings.Contains(text, "in 1 of 1 trials") {
		t.Errorf("does not warn of a busy machine:\n%s", text)
	}
}

func TestPercentTellsFewFromNone(t *testing.T) {
	for share, want := range map[float64]string{0: "0", 0.00004: "0.00%", 0.0004: "0.04%", 0.0123: "1.23%", 0.0999: "10.0%", 0.5: "50.0%", 1: "100.0%"} {
		if got := percent(share); got != want {
			t.Errorf("%v is %s, want %s", share, got, want)
		}
	}
}

func TestResultAddsClassesUp(t *testing.T) {
	var f figures
	f[reads] = capacity.Stats{Requests: 100, OK: 90, Failed: 6, Timeouts: 6, Shed: 4, Duration: time.Second,
		LatencyOK: capacity.Quantiles{P50: 20 * time.Millisecond, P99: 90 * time.Millisecond}}
	f[writes] = capacity.Stats{Requests: 50, OK: 40, Failed: 10, Status5xx: 7, Broken: 3, Duration: time.Second,
		Lag: capacity.Quantiles{P99: 3 * time.Millisecond, Max: 4 * time.Millisecond}}
	f[critical] = capacity.Stats{Requests: 10, OK: 9, Shed: 1, Duration: time.Second}
	r := newResult(&f)
	want := result{Requests: 160, Failed: 21, Refused: 5, Errors: 7, Timeouts: 6, Broken: 3, Writes: 50, WritesFailed: 10,
		Critical: 10, CriticalFailed: 1, P50: 20, P99: 90, Goodput: 139, Lag: 3, LagMax: 4}
	if r != want {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
	if r.share() != 21.0/160 || r.criticalShare() != 0.1 {
		t.Errorf("shares %v and %v", r.share(), r.criticalShare())
	}
}

func TestTrialIsVoidWhenTheLoadWasLate(t *testing.T) {
	fine := capacity.Stats{Requests: 1000, OK: 1000}
	change := func(f func(*capacity.Stats)) (all figures) {
		all[reads], all[writes] = fine, fine
		f(&all[writes])
		return all
	}
	good := change(func(*capacity.Stats) {})
	for _, c := range []struct {
		name          string
		calm, counted figures
		void          bool
	}{
		{"all well", good, good, false},
		{"failures in the fault", good, change(func(s *capacity.Stats) { s.OK = 0 }), false},
		{"one in a hundred late", good, change(func(s *capacity.Stats) { s.Lag.P99 = 2 * capacity.LagMax }), true},
		{"one very late", good, change(func(s *capacity.Stats) { s.Lag.Max = 2 * lagMax }), true},
		{"not sent", good, change(func(s *capacity.Stats) { s.Overrun = 1 }), true},
		{"nothing due", good, figures{}, true},
		{"failures before", change(func(s *capacity.Stats) { s.OK -= 100 }), good, true},
		{"a failure before", change(func(s *capacity.Stats) { s.OK-- }), good, false},
		{"under way before", change(func(s *capacity.Stats) { s.OK -= 100; s.Pending = 100 }), good, false},
	} {
		if got := void(&c.calm, &c.counted); (got != "") != c.void {
			t.Errorf("%s: void is %q", c.name, got)
		}
	}
}
