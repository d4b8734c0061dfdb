package simulate

import (
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/chart"
	"github.com/afloat-dev/afloat/policy"
)

// triggers are what begins an outage. Each is over at the time to.
var triggers = []struct {
	name       string
	during     float64 // the load
	from, to   time.Duration
	begin, end func(*station)
}{
	{"load spike", 3, 5 * second, 8 * second, nil, nil},
	{"service five times slower", vulnerable, 5 * second, 8 * second, func(s *station) { s.slow = 5 }, func(s *station) { s.slow = 1 }},
	{"service hangs", vulnerable, 5 * second, 8 * second, func(s *station) { s.workers = 0 }, func(s *station) { s.workers = workers }},
	{"cache lost", vulnerable, 5 * second, 5*second + binWidth, func(s *station) { s.cached = 0 }, nil},
	{"nine of ten answers fail", vulnerable, 5 * second, 8 * second, func(s *station) { s.failing = 0.9 }, func(s *station) { s.failing = 0 }},
}

// vulnerable is a load that a service bears easily until something happens.
const vulnerable = 0.8

var defences = []struct {
	name  string
	build func() guard
}{
	{"unprotected", func() guard { return guard{client: naive(), server: policy.Chain()} }},
	{"retry budget", func() guard { return guard{client: careful(), server: policy.Chain()} }},
	{"adaptive limit", func() guard { return guard{client: naive(), server: adaptive(policy.AdaptiveConfig{})} }},
	{"both", func() guard { return guard{client: careful(), server: adaptive(policy.AdaptiveConfig{}), told: true} }},
}

// TestMetastableOutages has every trigger push the service into an outage that
// stays when the trigger is over, as N. Bronson et al. describe them (HotOS
// 2021), and shows that with the policies it heals.
func TestMetastableOutages(t *testing.T) {
	if raceEnabled {
		t.Skip("a minute of figures that the race detector does not change")
	}
	w := table{name: "outages", head: []string{"Trigger"}}
	for _, d := range defences {
		w.head = append(w.head, d.name)
	}
	var charts []chart.Chart
	for _, trigger := range triggers {
		sc := scenario{usual: vulnerable, during: trigger.during, from: trigger.from, to: trigger.to, length: 25 * second, begin: trigger.begin, end: trigger.end}
		cells := []string{trigger.name}
		c := chart.Chart{Title: upper(trigger.name), X: "seconds", Y: "answered, of the capacity",
			XMost: 25, XTick: 5, YMost: 1.25, YTick: 0.25, Label: percent, From: sc.from.Seconds(), To: sc.to.Seconds(), Happens: "trigger"}
		for i, d := range defences {
			r := run(t, sc, d.build)
			cells = append(cells, recovered(r))
			c.Lines = append(c.Lines, chart.Line{Name: d.name, Points: r.curve()})
			before, last := r.goodput(2*second, 5*second), r.goodput(20*second, 25*second)
			if before < 0.9*vulnerable {
				t.Errorf("%s, %s: the goodput is %.2f before the trigger", trigger.name, d.name, before)
			}
			_, healed := r.recovery()
			switch {
			case i == 0 && last > 0.1:
				t.Errorf("%s: unprotected the goodput is %.2f in the end: no outage to heal", trigger.name, last)
			case d.name == "both" && (!healed || last < 0.95*vulnerable):
				t.Errorf("%s: with the policies the goodput is %.2f in the end", trigger.name, last)
			}
		}
		w.rows = append(w.rows, cells)
		charts = append(charts, c)
	}
	w.settle(t)
	picture(t, "overload-outages.svg", "Goodput over time through five triggers of an outage. Unprotected, the service stays down when the trigger is over; with the policies it heals each time.", charts...)
}
