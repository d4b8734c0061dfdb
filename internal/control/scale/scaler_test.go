package scale

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// warm are replicas that have been ready for an hour and use so much CPU.
func warm(cpu ...float64) []Replica {
	all := make([]Replica, len(cpu))
	for i, x := range cpu {
		all[i] = Replica{Endpoint: fmt.Sprintf("127.0.0.1:%d", 9001+i), Started: start.Add(-2 * time.Hour), Ready: true, Changed: start.Add(-time.Hour),
			Used: &Usage{CPU: x, Memory: 1e9 * x, At: start, Over: 15 * time.Second}}
	}
	return all
}

func scaler(t *testing.T, c Config) *Scaler {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func half() *Amount { return &Amount{Value: 0.5} }

func after(d time.Duration) *time.Duration { return &d }

// TestOneStep is what the first decision is, by the rules of Kubernetes. It holds
// the number when the past would have it fall; windows are of no length here.
func TestOneStep(t *testing.T) {
	at := func(r Replica, change func(*Replica)) Replica { change(&r); return r }
	unknown := func(r *Replica) { r.Used = nil }
	pending := func(r *Replica) { r.Started, r.Ready, r.Used = time.Time{}, false, nil }
	young := func(r *Replica) { r.Started, r.Changed = start.Add(-20*time.Second), start.Add(-5*time.Second) }
	one := warm(1)[0]
	cpu := Config{Min: 1, Max: 10, CPU: half()}
	share := Config{Min: 1, Max: 10, CPU: &Amount{Value: 0.5, Percent: true}, Requests: Usage{CPU: 2}}
	queue := func(m Metric) Config { return Config{Min: 1, Max: 10, Metrics: []Metric{m}} }
	for _, test := range []struct {
		name     string
		config   Config
		wanted   int
		replicas []Replica
		metrics  []Reading
		want     int
	}{
		{"twice as much as it should be", cpu, 2, warm(1, 1), nil, 4},
		{"by the average", cpu, 2, warm(0.4, 0.8), nil, 3},
		{"within the tolerance", cpu, 2, warm(0.54, 0.54), nil, 2},
		{"just outside", cpu, 2, warm(0.56, 0.56), nil, 3},
		{"half", cpu, 4, warm(0.25, 0.25, 0.25, 0.25), nil, 2},
		{"not below min", Config{Min: 3, Max: 10, CPU: half()}, 4, warm(0.05, 0.05, 0.05, 0.05), nil, 3},
		{"not above max", Config{Max: 5, CPU: half()}, 4, warm(2, 2, 2, 2), nil, 5},
		{"of the request", share, 2, warm(2, 2), nil, 4},
		{"more than max run", cpu, 12, warm(0.5, 0.5), nil, 10},
		{"fewer than min run", Config{Min: 3, Max: 10, CPU: half()}, 2, warm(0.5, 0.5), nil, 3},
		{"none wanted", cpu, 0, nil, nil, 0},
		{"memory", Config{Max: 10, Memory: &Amount{Value: 1e9}}, 2, warm(1.5, 1.5), nil, 3},
		{"the one that wants most", Config{Max: 10, CPU: half(), Memory: &Amount{Value: 1e9}}, 2, warm(1.5, 1.5), nil, 6},

		{"nobody measured", cpu, 3, []Replica{at(one, unknown), at(one, unknown), at(one, unknown)}, nil, 3},
		{"one not measured, more wanted: it uses nothing", cpu, 3, append(warm(1, 1), at(one, unknown)), nil, 4},
		{"one not measured, fewer wanted: it uses what it should", cpu, 3, append(warm(0.1, 0.1), at(one, unknown)), nil, 2},
		{"of the request: it uses all of it", share, 4, append(warm(0.1, 0.1, 0.1), at(one, unknown)), nil, 3},
		{"one not measured would turn it round", cpu, 3, append(warm(0.6, 0.6), at(one, unknown)), nil, 3},
		{"one does not run yet: it uses nothing", cpu, 3, append(warm(1, 1), at(one, pending)), nil, 4},
		{"fewer wanted: it does not count", cpu, 3, append(warm(0.25, 0.25), at(one, pending)), nil, 1},
		{"one is busy starting", cpu, 3, append(warm(0.5, 0.5), at(warm(9)[0], young)), nil, 3},
		{"one was ready and is not: its load counts", cpu, 2, append(warm(1), at(one, func(r *Replica) { r.Ready = false })), nil, 4},
		{"one never got ready: it does not", cpu, 2, append(warm(0.5), at(one, func(r *Replica) { r.Ready, r.Changed = false, r.Started.Add(time.Second) })), nil, 2},
		{"one is going", cpu, 2, append(warm(0.5, 0.5), at(one, func(r *Replica) { r.Gone = true })), nil, 2},

		{"a value", queue(Metric{Query: "q", Value: 100}), 2, warm(0, 0), []Reading{{Sum: 250}}, 5},
		{"a value that is right", queue(Metric{Query: "q", Value: 100}), 2, warm(0, 0), []Reading{{Sum: 108}}, 2},
		{"for each replica", queue(Metric{Query: "q", PerReplica: 100}), 2, warm(0, 0), []Reading{{Sum: 450}}, 5},
		{"for each, that is right", queue(Metric{Query: "q", PerReplica: 100}), 4, warm(0, 0, 0, 0), []Reading{{Sum: 380}}, 4},
		{"each of theirs", queue(Metric{Query: "q", Each: 10}), 2, warm(0, 0), []Reading{{Each: map[string]float64{"127.0.0.1:9001": 30, "127.0.0.1:9002": 10}}}, 4},
		{"each, one without a series", queue(Metric{Query: "q", Each: 10}), 2, warm(0, 0), []Reading{{Each: map[string]float64{"127.0.0.1:9001": 30}}}, 3},
		{"an absurd value", queue(Metric{Query: "q", Value: 1}), 2, warm(0, 0), []Reading{{Sum: 1e300}}, 6},
		{"a value below zero", queue(Metric{Query: "q", Value: 1}), 2, warm(0, 0), []Reading{{Sum: -5}}, 1},
		{"a value, and nobody is ready", queue(Metric{Query: "q", Value: 1}), 2, []Replica{at(one, func(r *Replica) { r.Ready = false })}, []Reading{{Sum: 1}}, 2},
		{"no value", queue(Metric{Query: "q", Value: 100}), 2, warm(0, 0), []Reading{{Err: errors.New("down")}}, 2},
		{"no value, and fewer by CPU", Config{Max: 10, CPU: half(), Metrics: []Metric{{Query: "q", Value: 1}}}, 3, warm(0.1, 0.1, 0.1), []Reading{{Err: errors.New("down")}}, 3},
		{"no value, and more by CPU", Config{Max: 10, CPU: half(), Metrics: []Metric{{Query: "q", Value: 1}}}, 2, warm(1, 1), []Reading{{Err: errors.New("down")}}, 4},
	} {
		test.config.Down.Window = after(0)
		s := scaler(t, test.config)
		d := s.Step(View{Now: start, Wanted: test.wanted, Replicas: test.replicas, Metrics: test.metrics})
		if d.Replicas != test.want {
			t.Errorf("%s: %d, want %d: %s; %s", test.name, d.Replicas, test.want, d.Why, d.Limit)
		}
		if d.Why == "" {
			t.Errorf("%s: no reason", test.name)
		}
	}
}

// story steps a scaler every 15 s with replicas that use what is there to do.
func story(s *Scaler, wanted int, load []float64) (numbers []int, last Decision) {
	for i, l := range load {
		used := make([]float64, wanted)
		for r := range used {
			used[r] = l / float64(wanted)
		}
		last = s.Step(View{Now: start.Add(time.Duration(i) * 15 * time.Second), Wanted: wanted, Replicas: warm(used...)})
		wanted = last.Replicas
		numbers = append(numbers, wanted)
	}
	return numbers, last
}

func steady(x float64, n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = x
	}
	return all
}

func want(t *testing.T, what string, got []int, wanted string) {
	t.Helper()
	if text := strings.Trim(fmt.Sprint(got), "[]"); text != wanted {
		t.Errorf("%s: %s, want %s", what, text, wanted)
	}
}

func TestGrowsByTheDefaultPolicies(t *testing.T) {
	numbers, _ := story(scaler(t, Config{Max: 100, CPU: half()}), 1, steady(40, 6))
	want(t, "4 or double in 15 s", numbers, "5 10 20 40 80 80")
}

func TestShrinksAfterFiveMinutes(t *testing.T) {
	load := append(steady(5, 4), steady(1, 30)...)
	numbers, _ := story(scaler(t, Config{Max: 100, CPU: half()}), 10, load)
	// 10 were recommended last at the fourth step; twenty steps later that is out
	// of the window.
	want(t, "down", numbers[20:26], "10 10 10 2 2 2")
}

func TestDipDoesNotShrink(t *testing.T) {
	load := append(append(steady(5, 4), steady(1, 10)...), steady(5, 30)...)
	numbers, _ := story(scaler(t, Config{Max: 100, CPU: half()}), 10, load)
	for i, n := range numbers {
		if n != 10 {
			t.Fatalf("%d at step %d", n, i)
		}
	}
}

func TestPoliciesBoundTheChange(t *testing.T) {
	up := func(r Rules) Config { return Config{Max: 100, CPU: half(), Up: r} }
	down := func(r Rules) Config {
		r.Window = after(0)
		return Config{Max: 100, CPU: half(), Down: r}
	}
	minute := []Policy{{Replicas: 2, Period: time.Minute}}
	two := []Policy{{Replicas: 2, Period: 15 * time.Second}, {Percent: 10, Period: 15 * time.Second}}
	for _, test := range []struct {
		name   string
		config Config
		from   int
		load   float64
		want   string
	}{
		{"two a minute", up(Rules{Policies: minute}), 2, 40, "4 4 4 4 6 6 6 6 8"},
		{"the most of two", up(Rules{Policies: two}), 30, 400, "33 37 41"},
		{"the least of two", up(Rules{Policies: two, Select: SelectMin}), 30, 400, "32 34 36"},
		{"none up", up(Rules{Select: SelectDisabled}), 2, 40, "2 2 2"},
		{"down two a minute", down(Rules{Policies: minute}), 10, 0.5, "8 8 8 8 6 6 6 6 4"},
		{"down the most of two", down(Rules{Policies: two}), 30, 0.5, "27 24 21 18 16"},
		{"down the least of two", down(Rules{Policies: two, Select: SelectMin}), 30, 0.5, "28 26 24 22 20 18 16"},
		{"none down", down(Rules{Select: SelectDisabled}), 10, 0.5, "10 10"},
	} {
		numbers, last := story(scaler(t, test.config), test.from, steady(test.load, len(strings.Fields(test.want))))
		want(t, test.name, numbers, test.want)
		if last.Limit == "" {
			t.Errorf("%s: nothing says what limits it", test.name)
		}
	}
}

func TestWindowUpTakesTheLeast(t *testing.T) {
	c := Config{Max: 100, CPU: half(), Up: Rules{Window: after(time.Minute)}}
	load := append(append(steady(1, 2), 20), steady(1, 6)...)
	numbers, _ := story(scaler(t, c), 2, load)
	want(t, "a peak of 15 s", numbers, "2 2 2 2 2 2 2 2 2")
	numbers, _ = story(scaler(t, c), 2, append(steady(1, 2), steady(2, 6)...))
	want(t, "one that stays", numbers, "2 2 2 2 2 4 4 4")
}

func TestToleranceOfItsOwn(t *testing.T) {
	none := 0.0
	c := Config{Max: 100, CPU: half(), Up: Rules{Tolerance: &none}}
	numbers, _ := story(scaler(t, c), 2, []float64{1.04})
	want(t, "none up", numbers, "3")
	c = Config{Max: 100, CPU: half(), Down: Rules{Tolerance: &none, Window: after(0)}}
	numbers, _ = story(scaler(t, c), 20, []float64{9.4})
	want(t, "none down", numbers, "19")
	numbers, _ = story(scaler(t, c), 20, []float64{10.6})
	want(t, "a tenth up all the same", numbers, "20")
}

func TestMemoryOfAScalerIsBounded(t *testing.T) {
	s := scaler(t, Config{Max: 100, CPU: half(), Down: Rules{Window: after(time.Hour)}})
	for i := range 3 * pastMax {
		s.Step(View{Now: start.Add(time.Duration(i) * time.Millisecond), Wanted: 2 + i%2, Replicas: warm(0.5, 0.9)})
	}
	if len(s.past) > pastMax {
		t.Errorf("%d recommendations", len(s.past))
	}
	s.Step(View{Now: start.Add(48 * time.Hour), Wanted: 2, Replicas: warm(0.5, 0.5)})
	if len(s.past)+len(s.ups)+len(s.downs) > 2 {
		t.Errorf("after two days it remembers %d, %d and %d", len(s.past), len(s.ups), len(s.downs))
	}
}

func TestConfigIsChecked(t *testing.T) {
	negative, whole := -time.Second, 1.0
	wrong := Config{Min: 3, Max: 2, CPU: &Amount{Value: 0.5, Percent: true}, Memory: &Amount{},
		Metrics: []Metric{{Value: 1, Each: 1}, {Query: "q", Value: -1}},
		Up:      Rules{Window: &negative, Tolerance: &whole, Select: "some", Policies: []Policy{{Replicas: 1, Percent: 1}, {Percent: 10, Period: time.Hour}}}}
	_, err := New(wrong)
	for _, field := range []string{"min", "cpu", "memory", "metrics[0].query", "metrics[0]", "metrics[1]", "up.window", "up.tolerance", "up.select", "up.policies[0]", "up.policies[1].period"} {
		found := false
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			var f *policy.FieldError
			found = found || errors.As(e, &f) && f.Field == field
		}
		if !found {
			t.Errorf("nothing is said of %s: %v", field, err)
		}
	}
	if _, err := New(Config{Max: 3}); err == nil || !strings.Contains(err.Error(), "cpu: want cpu, memory or metrics") {
		t.Errorf("got %v", err)
	}
	if s := scaler(t, Config{Max: 3, Requests: Usage{CPU: 1}}); *s.config.CPU != (Amount{0.8, true}) {
		t.Errorf("by default it scales by %v", s.config.CPU)
	}
	if _, err := New(Config{CPU: half()}); err == nil {
		t.Error("took no max")
	}
}

func TestAmountIsReadAndWritten(t *testing.T) {
	for text, want := range map[string]Amount{"0.5": {0.5, false}, "500m": {0.5, false}, "300Mi": {300 << 20, false}, "1G": {1e9, false}, "80%": {0.8, true}, "2": {2, false}} {
		var a Amount
		if err := a.UnmarshalText([]byte(text)); err != nil || a != want {
			t.Errorf("%s: %v, %v", text, a, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "NaN", "1e999", "5%%", "80 %"} {
		if err := new(Amount).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("took %q", text)
		}
	}
	for want, a := range map[string]Amount{"0.5": {0.5, false}, "80%": {0.8, true}, "300Mi": {300 << 20, false}, "0.00123": {0.00123, false}, "1230": {1230, false}} {
		if got := a.String(); got != want {
			t.Errorf("%v is written as %s", a.Value, got)
		}
	}
}
