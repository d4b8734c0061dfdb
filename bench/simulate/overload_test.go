package simulate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/chart"
	"github.com/afloat-dev/afloat/policy"
)

// protections are what is before the service, in the order of the tables.
var protections = []struct {
	name  string
	drawn bool
	build func() guard
}{
	{"none", true, func() guard { return guard{client: naive(), server: policy.Chain()} }},
	{"throttle at the clients", false, func() guard { return guard{client: clientsWith(throttle()), server: policy.Chain()} }},
	{"throttle, window of 1 s", true, func() guard {
		return guard{client: clientsWith(must(policy.NewThrottle(policy.ThrottleConfig{Window: time.Second, MinPerSecond: 10}))), server: policy.Chain()}
	}},
	{"rate limit, twice too high", true, func() guard { return guard{client: naive(), server: rateLimit(2 * capacity)} }},
	{"rate limit, set right", true, func() guard { return guard{client: naive(), server: rateLimit(0.95 * capacity)} }},
	{"bulkhead, set right", false, func() guard {
		return guard{client: naive(), server: policy.Chain(must(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: workers + 4, QueueMax: 100, WaitMax: 100 * time.Millisecond})))}
	}},
	{"aimd, 100 ms", false, func() guard {
		return guard{client: naive(), server: adaptive(policy.AdaptiveConfig{Algorithm: policy.AdaptiveAIMD, LatencyMax: 100 * time.Millisecond})}
	}},
	{"vegas", true, func() guard {
		return guard{client: naive(), server: adaptive(policy.AdaptiveConfig{Algorithm: policy.AdaptiveVegas})}
	}},
	{"gradient", true, func() guard { return guard{client: naive(), server: adaptive(policy.AdaptiveConfig{})} }},
	{"gradient and throttle", false, func() guard {
		return guard{client: clientsWith(throttle()), server: adaptive(policy.AdaptiveConfig{})}
	}},
	{"gradient, clients are told", false, func() guard { return guard{client: careful(), server: adaptive(policy.AdaptiveConfig{}), told: true} }},
}

// clientsWith is a naive client with one policy more.
func clientsWith(p policy.Policy) *policy.Pipeline {
	return policy.Chain(
		must(policy.NewRetry(policy.RetryConfig{Attempts: naiveTries - 1, Delay: 100 * time.Millisecond, Budget: policy.BudgetConfig{Off: true}})), p,
		must(policy.NewTimeout(policy.TimeoutConfig{Timeout: patience})))
}

const second = time.Second

// overload is a calm of half the capacity, five seconds of more than it, and
// calm again.
func overload(load float64) scenario {
	return scenario{usual: 0.5, during: load, from: 3 * second, to: 8 * second, length: 24 * second}
}

var loads = []float64{1.5, 2, 3, 5, 10}

// gentle are loads that only the picture shows.
var gentle = []float64{0.5, 0.9, 1.1, 1.25}

// alwaysAt is the load that is simulated with every test.
const alwaysAt = 3.

// row is a table's row for each load: what was measured, or "".
func row(name string, of func(*record) string, records map[float64]*record) []string {
	cells := []string{name}
	for _, load := range loads {
		if r := records[load]; r != nil {
			cells = append(cells, of(r))
		} else {
			cells = append(cells, "")
		}
	}
	return cells
}

func TestOverload(t *testing.T) {
	if raceEnabled {
		t.Skip("a minute of figures that the race detector does not change")
	}
	head := []string{"Offered"}
	for _, load := range loads {
		head = append(head, fmt.Sprintf("%gx", load))
	}
	held, p99 := table{name: "goodput", head: head}, table{name: "p99", head: head}
	back := table{name: "recovery", head: head}
	over := chart.Chart{Title: "Goodput over offered load", X: "offered load, in capacities", Y: "answered, of the capacity",
		XMost: 10, XTick: 1, YMost: 1.05, YTick: 0.25, Label: percent}
	through := chart.Chart{Title: "Three times the capacity for five seconds", X: "seconds", Y: "answered, of the capacity",
		XMost: 24, XTick: 2, YMost: 1.25, YTick: 0.25, Label: percent, From: 3, To: 8, Happens: "3x the capacity"}
	for _, p := range protections {
		records, limits := map[float64]*record{}, strings.Contains(p.name, "gradient") || strings.Contains(p.name, "vegas") || strings.Contains(p.name, "aimd")
		shares := chart.Line{Name: p.name}
		for _, load := range append(gentle, loads...) {
			if !*update && load != alwaysAt && (load != 1.5 || !limits) || load < loads[0] && !p.drawn {
				continue
			}
			r := run(t, overload(load), p.build)
			records[load] = r
			shares.Points = append(shares.Points, chart.Point{X: load, Y: r.held()})
			if limits && load > 1 {
				wantHeld(t, fmt.Sprintf("%s at %gx", p.name, load), r, !strings.Contains(p.name, "throttle"))
			}
		}
		if p.name == "none" && records[alwaysAt].held() > 0.1 {
			t.Errorf("without anything the goodput is %.2f: this shows nothing", records[alwaysAt].held())
		}
		held.rows = append(held.rows, row(p.name, func(r *record) string { return percent(r.held()) }, records))
		p99.rows = append(p99.rows, row(p.name, func(r *record) string { return milliseconds(r.quantile(.99)) }, records))
		back.rows = append(back.rows, row(p.name, recovered, records))
		if p.drawn {
			over.Lines = append(over.Lines, shares)
			through.Lines = append(through.Lines, chart.Line{Name: p.name, Points: records[alwaysAt].curve()})
		}
	}
	held.settle(t)
	p99.settle(t)
	back.settle(t)
	picture(t, "overload-load.svg", "Goodput over offered load. With a limit before the service it stays at the capacity; without any it falls to nothing at twice the capacity.", over)
	picture(t, "overload-time.svg", "Goodput through an overload of three times the capacity. Without a limit it falls to nothing and stays there when the overload is over; with one it stays at the capacity.", through)
}

// wantHeld fails unless the goodput was nine tenths of the capacity and, where
// that is promised, all was well within a second.
func wantHeld(t *testing.T, name string, r *record, prompt bool) {
	t.Helper()
	if got := r.held(); got < 0.9 {
		t.Errorf("%s: the goodput is %.0f%% of the capacity, want 90%%", name, 100*got)
	}
	if after, ok := r.recovery(); prompt && (!ok || after > time.Second) {
		t.Errorf("%s: it was well again after %v, want 1s", name, after)
	}
}

func TestPrioritiesUnderOverload(t *testing.T) {
	w := table{name: "priorities", head: []string{"Offered", "of it critical", "normal", "low", "sheddable"}}
	for _, load := range loads {
		if !*update && load > alwaysAt {
			w.rows = append(w.rows, []string{fmt.Sprintf("%gx", load)})
			continue
		}
		sc := overload(load)
		sc.classes = []float64{0.1, 0.2, 0.3, 0.4}
		r := run(t, sc, func() guard { return guard{client: naive(), server: adaptive(policy.AdaptiveConfig{})} })
		cells, room := []string{fmt.Sprintf("%gx", load)}, 1.
		for class, share := range sc.classes {
			got := float64(r.answered[class]) / float64(r.offered[class])
			cells = append(cells, percent(got))
			if possible := min(room/(load*share), 1); class < 2 && got < 0.9*possible {
				t.Errorf("at %gx, %.0f%% of class %d are answered, want about %.0f%%", load, 100*got, class, 100*possible)
			}
			room = max(room-load*share, 0)
		}
		w.rows = append(w.rows, cells)
	}
	w.settle(t)
}
