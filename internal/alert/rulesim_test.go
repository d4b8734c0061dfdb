package alert

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
	"go.yaml.in/yaml/v3"
)

// ruleSim evaluates rules over a database whose time is the test's own.
type ruleSim struct {
	t       *testing.T
	db      *tsdb.DB
	engine  *promql.Engine
	groups  []*rules.Group
	now     time.Time
	every   time.Duration // between samples
	counts  map[string]float64
	firing  map[string]bool
	history []string // what fired (+) and what ended (-), in order
}

func newRuleSim(t *testing.T, every time.Duration, c Config) *ruleSim {
	t.Helper()
	db, err := tsdb.Open(t.TempDir(), nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &ruleSim{t: t, db: db, every: every, counts: map[string]float64{}, firing: map[string]bool{},
		now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	s.engine = promql.NewEngine(promql.EngineOpts{MaxSamples: 5_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: expressions,
		NoStepSubqueryIntervalFn: func(int64) int64 { return 1000 }})
	c = c.WithDefaults()
	sets, err := rulesOf(&c)
	if err != nil {
		t.Fatal(err)
	}
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(s.engine, db), NotifyFunc: s.notify, Context: t.Context(),
		Appendable: db, Queryable: db, Logger: discard, ResendDelay: resendEvery, GroupLoader: sets, Parser: expressions,
	})
	groups, errs := manager.LoadGroups(c.Every, labels.EmptyLabels(), "", nil, false, sets.names...)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, g := range groups {
		s.groups = append(s.groups, g)
	}
	return s
}

func (s *ruleSim) notify(_ context.Context, _ string, told ...*rules.Alert) {
	for _, a := range told {
		name := a.Labels.Get("alertname")
		for _, l := range []string{"burn", "service"} {
			if v := a.Labels.Get(l); v != "" {
				name += " " + v
			}
		}
		over := !a.ResolvedAt.IsZero()
		if over == !s.firing[name] {
			continue
		}
		s.firing[name] = !over
		s.history = append(s.history, map[bool]string{true: "-", false: "+"}[over]+name)
	}
}

// lasts goes on for a time; each says what the metrics are.
func (s *ruleSim) lasts(d time.Duration, each func(add func(name string, by float64), set func(name string, to float64))) *ruleSim {
	s.t.Helper()
	ctx := s.t.Context()
	for range d / s.every {
		s.now = s.now.Add(s.every)
		app := s.db.Appender(ctx)
		put := func(name string, value float64) {
			if _, err := app.Append(0, series(s.t, name), s.now.UnixMilli(), value); err != nil {
				s.t.Fatal(err)
			}
		}
		each(func(name string, by float64) {
			s.counts[name] += by
			put(name, s.counts[name])
		}, put)
		if err := app.Commit(); err != nil {
			s.t.Fatal(err)
		}
		for _, g := range s.groups {
			if s.now.UnixNano()%int64(g.Interval()) == 0 {
				g.Eval(ctx, s.now)
				for _, r := range g.Rules() {
					if err := r.LastError(); err != nil {
						s.t.Fatalf("%s: %v", r.Name(), err)
					}
				}
			}
		}
	}
	return s
}

// ask evaluates an expression now.
func (s *ruleSim) ask(text string) float64 {
	s.t.Helper()
	q, err := s.engine.NewInstantQuery(s.t.Context(), s.db, nil, text, s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	defer q.Close()
	v, err := q.Exec(s.t.Context()).Vector()
	if err != nil || len(v) != 1 {
		s.t.Fatalf("%s: got %v, %v", text, v, err)
	}
	return v[0].F
}

func (s *ruleSim) want(history ...string) {
	s.t.Helper()
	if !slices.Equal(s.history, history) {
		s.t.Errorf("got %v, want %v", s.history, history)
	}
}

// series reads name{label="value",...}.
func series(t *testing.T, text string) labels.Labels {
	name, rest, _ := strings.Cut(text, "{")
	b := labels.NewBuilder(labels.FromStrings("__name__", name))
	for pair := range strings.SplitSeq(strings.TrimSuffix(rest, "}"), ",") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			b.Set(k, strings.Trim(v, `"`))
		}
	}
	return b.Labels()
}

const (
	totalOf  = `afloat_requests_total{route="r",service="cart",code="200"}`
	failedOf = `afloat_requests_failed_total{route="r",service="cart",reason="service_error"}`
	limited  = `afloat_requests_failed_total{route="r",service="cart",reason="rate_limited"}`
)

// traffic is so many requests a second, of which a share fails.
func (s *ruleSim) traffic(perSecond, share float64) func(func(string, float64), func(string, float64)) {
	return func(add func(string, float64), _ func(string, float64)) {
		n := perSecond * s.every.Seconds()
		add(totalOf, n)
		add(failedOf, n*share)
		add(limited, 0)
	}
}

func TestHighErrorsFireAndEnd(t *testing.T) {
	s := newRuleSim(t, time.Second, Config{})
	s.lasts(5*time.Minute, s.traffic(50, 0.01)).want()
	s.lasts(2*time.Minute, s.traffic(50, 0.2)).want("+HighErrors cart")
	s.lasts(30*time.Second, s.traffic(50, 0.01)).want("+HighErrors cart", "-HighErrors cart")
	s.lasts(5*time.Minute, s.traffic(50, 0.01)).want("+HighErrors cart", "-HighErrors cart")
}

func TestShortBurstAndLittleTrafficAreQuiet(t *testing.T) {
	s := newRuleSim(t, time.Second, Config{})
	s.lasts(2*time.Minute, s.traffic(50, 0)).lasts(15*time.Second, s.traffic(50, 0.5)).lasts(3*time.Minute, s.traffic(50, 0)).want()
	s = newRuleSim(t, time.Second, Config{})
	s.lasts(10*time.Minute, s.traffic(0.2, 0.5)).want()
}

func TestClientsOverTheirLimitAreQuiet(t *testing.T) {
	s := newRuleSim(t, time.Second, Config{})
	s.lasts(10*time.Minute, func(add func(string, float64), _ func(string, float64)) {
		add(totalOf, 100)
		add(failedOf, 0)
		add(limited, 90)
	}).want()
}

// TestSoakIsQuiet is an hour of what is normal: failures here and there, an
// endpoint that is ejected for a minute, a busy spell, a deployment.
func TestSoakIsQuiet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := newRuleSim(t, 5*time.Second, Config{})
	second := 0.0
	s.lasts(time.Hour, func(add func(string, float64), set func(string, float64)) {
		second += 5
		n := float64(200 + r.IntN(200))
		add(totalOf, n)
		add(failedOf, float64(r.IntN(5)))
		add(`afloat_service_shed_total{service="cart"}`, float64(r.IntN(2)))
		set(`afloat_service_in_flight{service="cart"}`, float64(r.IntN(20)))
		set(`afloat_service_queued{service="cart"}`, float64(r.IntN(2)))
		set(`afloat_service_limit{service="cart"}`, 20)
		for i, name := range []string{"1", "2", "3"} {
			out := i == 1 && int(second)%600 < 60
			set(`afloat_endpoint_up{service="cart",endpoint="`+name+`"}`, bit(!out))
			set(`afloat_endpoint_state{service="cart",endpoint="`+name+`",state="ejected"}`, bit(out))
		}
		add(`afloat_replica_restarts_total{service="cart",replica="1"}`, bit(int(second) == 1800))
		set(`afloat_certificate_not_before_seconds{certificate="shop"}`, float64(s.now.Unix())-86400)
		set(`afloat_certificate_not_after_seconds{certificate="shop"}`, float64(s.now.Unix())+89*86400)
		set(`afloat_config_refused{}`, bit(int(second)%900 < 30))
		set(`process_open_fds{}`, 100)
		set(`process_max_fds{}`, 1024)
	}).want()
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func TestEachBuiltinRuleFires(t *testing.T) {
	for name, each := range map[string]func(s *ruleSim, add, set func(string, float64)){
		"Saturated cart": func(_ *ruleSim, _, set func(string, float64)) {
			set(`afloat_service_in_flight{service="cart"}`, 20)
			set(`afloat_service_queued{service="cart"}`, 5)
			set(`afloat_service_limit{service="cart"}`, 20)
		},
		"Shedding cart": func(_ *ruleSim, add, _ func(string, float64)) {
			add(totalOf, 100)
			add(`afloat_service_shed_total{service="cart"}`, 10)
		},
		"FewFileDescriptors": func(_ *ruleSim, _, set func(string, float64)) {
			set(`process_open_fds{}`, 1000)
			set(`process_max_fds{}`, 1024)
		},
		"EndpointOut cart": func(_ *ruleSim, _, set func(string, float64)) {
			set(`afloat_endpoint_up{service="cart",endpoint="1"}`, 1)
			set(`afloat_endpoint_up{service="cart",endpoint="2"}`, 0)
			set(`afloat_endpoint_state{service="cart",endpoint="2",state="ejected"}`, 1)
		},
		"ProcessRestarts cart": func(_ *ruleSim, add, _ func(string, float64)) {
			add(`afloat_replica_restarts_total{service="cart",replica="1"}`, 0.1)
		},
		"RolloutStalled cart": func(_ *ruleSim, _, set func(string, float64)) {
			set(`afloat_rollout_stalled{service="cart"}`, 1)
		},
		"CertificateExpires": func(s *ruleSim, _, set func(string, float64)) {
			set(`afloat_certificate_not_before_seconds{certificate="shop"}`, float64(s.now.Unix())-80*86400)
			set(`afloat_certificate_not_after_seconds{certificate="shop"}`, float64(s.now.Unix())+10*86400)
		},
		"CertificateExpired": func(s *ruleSim, _, set func(string, float64)) {
			set(`afloat_certificate_not_before_seconds{certificate="shop"}`, float64(s.now.Unix())-90*86400)
			set(`afloat_certificate_not_after_seconds{certificate="shop"}`, float64(s.now.Unix())-60)
		},
		"NoticesFail": func(_ *ruleSim, add, _ func(string, float64)) {
			add(`afloat_notices_failed_total{receiver="team",integration="webhook"}`, 1)
			add(`afloat_notices_total{receiver="team",integration="webhook"}`, 0)
		},
		"JournalUnwritten": func(_ *ruleSim, _, set func(string, float64)) { set(`afloat_journal_unwritten{}`, 3) },
		"MetricsLost": func(_ *ruleSim, add, _ func(string, float64)) {
			add(`afloat_store_failures_total{doing="keep"}`, 1)
		},
		"MemoryShort": func(_ *ruleSim, _, set func(string, float64)) {
			set(`afloat_memory_state{state="enough"}`, 0)
			set(`afloat_memory_state{state="low_refused"}`, 1)
		},
		"Lagging":       func(_ *ruleSim, _, set func(string, float64)) { set(`afloat_lag_seconds{}`, 0.5) },
		"ConfigRefused": func(_ *ruleSim, _, set func(string, float64)) { set(`afloat_config_refused{}`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newRuleSim(t, 5*time.Second, Config{})
			s.lasts(15*time.Minute, func(add, set func(string, float64)) { each(s, add, set) })
			if !slices.Contains(s.history, "+"+name) || len(s.history) != 1 {
				t.Errorf("got %v", s.history)
			}
		})
	}
}

// TestOwnTroublesEnd has all of them at once: each fires in its time, once, and
// ends.
func TestOwnTroublesEnd(t *testing.T) {
	s := newRuleSim(t, 5*time.Second, Config{})
	state := func(bad float64) func(add, set func(string, float64)) {
		return func(add, set func(string, float64)) {
			add(`afloat_notices_failed_total{receiver="team",integration="webhook"}`, bad)
			add(`afloat_notices_total{receiver="team",integration="webhook"}`, 1-bad)
			add(`afloat_store_failures_total{doing="keep"}`, bad)
			add(`afloat_store_dropped_total{reason="late"}`, 0)
			set(`afloat_journal_unwritten{}`, bad)
			set(`afloat_memory_state{state="enough"}`, 1-bad)
			set(`afloat_memory_state{state="low_refused"}`, bad)
			set(`afloat_lag_seconds{}`, 0.5*bad)
			set(`afloat_endpoint_up{service="cart",endpoint="1"}`, 1)
			set(`afloat_endpoint_up{service="cart",endpoint="2"}`, 1-bad)
			set(`afloat_endpoint_state{service="cart",endpoint="2",state="ejected"}`, bad)
		}
	}
	s.lasts(10*time.Minute, state(0)).want()
	s.lasts(4*time.Minute, state(1))
	if s.firing["EndpointOut cart"] || s.firing["Lagging"] || s.firing["MetricsLost"] {
		t.Errorf("too early: %v", s.history)
	}
	s.lasts(8*time.Minute, state(1))
	names := []string{"NoticesFail", "JournalUnwritten", "MetricsLost", "MemoryShort", "Lagging", "EndpointOut cart"}
	for _, name := range names {
		if !s.firing[name] {
			t.Errorf("%s does not fire: %v", name, s.history)
		}
	}
	s.lasts(8*time.Minute, state(0))
	if len(s.history) != 2*len(names) {
		t.Errorf("got %v", s.history)
	}
	for name, firing := range s.firing {
		if firing {
			t.Errorf("%s does not end", name)
		}
	}
}

// TestSlowResponsesFireAndEnd has a service whose slow requests become many.
func TestSlowResponsesFireAndEnd(t *testing.T) {
	s := newRuleSim(t, 5*time.Second, Config{})
	fast, slow := int64(0), int64(0)
	run := func(d time.Duration, goodPer, slowPer int64) {
		s.lasts(d, func(add, _ func(string, float64)) {
			fast, slow = fast+goodPer, slow+slowPer
			add(totalOf, float64(goodPer+slowPer))
			h := &histogram.Histogram{
				Schema: 0, ZeroThreshold: 1e-9, Count: uint64(fast + slow), Sum: 1,
				// Buckets of schema 0: (1/16, 1/8] and (2, 4].
				PositiveSpans:   []histogram.Span{{Offset: -3, Length: 1}, {Offset: 4, Length: 1}},
				PositiveBuckets: []int64{fast, slow - fast},
			}
			app := s.db.Appender(t.Context())
			if _, err := app.AppendHistogram(0, series(t, `afloat_request_duration_seconds{route="r",service="cart"}`), s.now.UnixMilli(), h, nil); err != nil {
				t.Fatal(err)
			}
			if err := app.Commit(); err != nil {
				t.Fatal(err)
			}
		})
	}
	run(40*time.Minute, 100, 1)
	s.want()
	run(15*time.Minute, 80, 20)
	s.want("+SlowResponses cart")
	run(8*time.Minute, 100, 1)
	s.want("+SlowResponses cart", "-SlowResponses cart")
}

func TestCertificateExpiresBeforeItHasExpired(t *testing.T) {
	s := newRuleSim(t, 15*time.Second, Config{})
	end := s.now.Add(20 * time.Minute)
	s.lasts(30*time.Minute, func(_, set func(string, float64)) {
		set(`afloat_certificate_not_before_seconds{certificate="shop"}`, float64(end.Unix())-90*86400)
		set(`afloat_certificate_not_after_seconds{certificate="shop"}`, float64(end.Unix()))
	})
	if s.firing["CertificateExpires"] || !s.firing["CertificateExpired"] || s.history[0] != "+CertificateExpires" || len(s.history) != 3 {
		t.Errorf("got %v", s.history)
	}
}

func TestWithoutLeavesRulesOut(t *testing.T) {
	s := newRuleSim(t, time.Second, Config{Without: []string{"HighErrors"}})
	s.lasts(5*time.Minute, s.traffic(50, 0.5)).want()
	c := Config{Without: []string{"all"}}
	if builtin(&c) != nil || c.noticesOutages() {
		t.Error("all leaves something")
	}
}

// days makes an objective's windows short: an hour of its rules is 2 minutes.
const days = 24 * time.Hour

func TestBudgetThatBurnsFastIsTold(t *testing.T) {
	c := Config{Without: []string{"all"}, Objectives: map[string]ObjectiveConfig{"cart": {Target: 0.999, Window: days}}}
	s := newRuleSim(t, time.Second, c)
	s.lasts(10*time.Minute, s.traffic(50, 0.0005)).want()
	if left := s.ask(`slo:budget_left{slo="cart"}`); left < 0.4 || left > 0.6 {
		t.Errorf("half of the budget is used at half of its pace; got %v left", left)
	}
	s.lasts(2*time.Minute, s.traffic(50, 0.05))
	if !s.firing["BudgetBurns fast cart"] {
		t.Fatalf("got %v", s.history)
	}
	s.lasts(time.Minute, s.traffic(50, 0))
	if s.firing["BudgetBurns fast cart"] {
		t.Errorf("it does not end: %v", s.history)
	}
	if burn := s.ask(`slo:burn:fast{slo="cart"}`); burn < 14 {
		t.Errorf("over the long window it still burns; got %v", burn)
	}
}

// TestBudgetGoesOnWhereItsServiceIsAnother has an objective that was of another
// service until now, whose series are still in the window.
func TestBudgetGoesOnWhereItsServiceIsAnother(t *testing.T) {
	c := Config{Without: []string{"all"}, Objectives: map[string]ObjectiveConfig{"shop": {Service: "cart", Target: 0.999, Window: days}}}
	s := newRuleSim(t, time.Second, c)
	app := s.db.Appender(t.Context())
	for i := range 60 {
		at := s.now.Add(time.Duration(i-120) * time.Second).UnixMilli()
		for name, value := range map[string]float64{"bad": 0, "total": 50} {
			if _, err := app.Append(0, series(t, `slo:`+name+`:step{slo="shop",service="basket"}`), at, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	s.lasts(2*time.Minute, s.traffic(50, 0.05))
	if !s.firing["BudgetBurns fast shop"] && !s.firing["BudgetBurns fast cart"] {
		t.Errorf("got %v, firing %v", s.history, s.firing)
	}
	if left := s.ask(`slo:budget_left{slo="shop"}`); left > 0 {
		t.Errorf("%v of the budget is left", left)
	}
}

func TestBudgetOfLittleTrafficIsQuiet(t *testing.T) {
	c := Config{Without: []string{"all"}, Objectives: map[string]ObjectiveConfig{"cart": {Target: 0.999, Window: days}}}
	s := newRuleSim(t, time.Second, c)
	beat := 0
	s.lasts(20*time.Minute, func(add, _ func(string, float64)) {
		beat++
		add(totalOf, bit(beat%10 == 0))
		add(failedOf, bit(beat%300 == 0)) // 3% of a request each 10 s
	})
	for name := range s.firing {
		if strings.Contains(name, "fast") || strings.Contains(name, "steady") {
			t.Errorf("got %v", s.history)
		}
	}
}

func TestSlowBurnIsATicket(t *testing.T) {
	c := Config{Without: []string{"all"}, Objectives: map[string]ObjectiveConfig{"cart": {Target: 0.999, Window: days}}}
	s := newRuleSim(t, time.Second, c)
	s.lasts(10*time.Minute, s.traffic(50, 0.002)).want("+BudgetBurns slow cart")
}

func TestLatencyObjectiveCountsWhatIsSlow(t *testing.T) {
	c := Config{Without: []string{"all"}, Objectives: map[string]ObjectiveConfig{
		"cart": {Target: 0.99, Window: days, Within: 300 * time.Millisecond},
	}}
	s := newRuleSim(t, time.Second, c)
	ctx := t.Context()
	fast, slow := int64(0), int64(0)
	run := func(d time.Duration, goodPer, slowPer int64) {
		s.lasts(d, func(add, _ func(string, float64)) {
			fast, slow = fast+goodPer, slow+slowPer
			add(totalOf, float64(goodPer+slowPer))
			app := s.db.Appender(ctx)
			h := &histogram.Histogram{
				Schema: 0, ZeroThreshold: 1e-9, Count: uint64(fast + slow), Sum: 1,
				// Buckets of schema 0: (1/16, 1/8] and (1/2, 1].
				PositiveSpans:   []histogram.Span{{Offset: -3, Length: 1}, {Offset: 2, Length: 1}},
				PositiveBuckets: []int64{fast, slow - fast},
			}
			if _, err := app.AppendHistogram(0, series(t, `afloat_request_duration_seconds{route="r",service="cart"}`), s.now.UnixMilli(), h, nil); err != nil {
				t.Fatal(err)
			}
			if err := app.Commit(); err != nil {
				t.Fatal(err)
			}
		})
	}
	run(5*time.Minute, 100, 0)
	s.want()
	run(3*time.Minute, 70, 30)
	if !s.firing["BudgetBurns fast cart"] {
		t.Errorf("got %v", s.history)
	}
}

func TestOwnCountersMakeAnObjective(t *testing.T) {
	c := Config{Without: []string{"all"}, Objectives: map[string]ObjectiveConfig{
		"jobs": {Target: 0.99, Window: days, Service: "worker", Bad: `jobs_total{outcome="lost"}`, Total: `jobs_total`},
	}}
	s := newRuleSim(t, time.Second, c)
	s.lasts(8*time.Minute, func(add, _ func(string, float64)) {
		add(`jobs_total{outcome="done"}`, 7)
		add(`jobs_total{outcome="lost"}`, 3)
	})
	if !s.firing["BudgetBurns fast worker"] {
		t.Errorf("got %v", s.history)
	}
}

func TestPromtoolAgrees(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; make test installs it")
	}
	dir := t.TempDir()
	check := func(name string, text []byte) (string, error) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(promtool, "check", "rules", path).CombinedOutput()
		return string(out), err
	}
	if out, err := check("builtin.yaml", Builtin); err != nil {
		t.Errorf("promtool refuses the built-in rules: %s", out)
	}
	made := objectives(map[string]ObjectiveConfig{
		"cart": {Target: 0.999}, "fast": {Target: 0.99, Service: "cart", Route: "buy", Within: 300 * time.Millisecond, Window: 7 * days},
		"jobs": {Target: 0.9, Good: "sum(good_total)", Total: "all_total"},
	})
	text, err := yaml.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := check("objectives.yaml", text); err != nil {
		t.Errorf("promtool refuses the rules of objectives: %s\n%s", out, text)
	}
	for name, text := range wrongRules {
		_, ours := ParseRules(RuleSource{name, []byte(text)})
		_, theirs := check(name, []byte(text))
		if (ours == nil) != (theirs == nil) {
			t.Errorf("%s: we say %v, promtool says %v", name, ours, theirs)
		}
	}
}

// wrongRules are texts, of which only fine can be used.
var wrongRules = map[string]string{
	"fine":       "groups:\n- name: a\n  rules:\n  - alert: X\n    expr: up == 0\n    for: 1m\n",
	"expression": "groups:\n- name: a\n  rules:\n  - alert: X\n    expr: up ==\n",
	"field":      "groups:\n- name: a\n  rules:\n  - alert: X\n    exprs: up\n",
	"twice":      "groups:\n- name: a\n- name: a\n",
	"both":       "groups:\n- name: a\n  rules:\n  - alert: X\n    record: y\n    expr: up\n",
	"duration":   "groups:\n- name: a\n  rules:\n  - alert: X\n    expr: up\n    for: soon\n",
	"template":   "groups:\n- name: a\n  rules:\n  - alert: X\n    expr: up\n    annotations: {summary: '{{ $labels.'}\n",
	"yaml":       "groups: [\n",
}

func TestMistakesHaveTheirPlaces(t *testing.T) {
	for name, want := range map[string]string{
		"expression": `expression:5:11: group "a", rule 1, "X": could not parse expression`,
		"field":      "field:5:1: field exprs not found",
		"twice":      `twice:3:9: groupname: "a" is repeated`,
		"both":       "both:5:13: 4:12: group",
		"duration":   "duration:",
	} {
		_, err := ParseRules(RuleSource{name, []byte(wrongRules[name])})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}
