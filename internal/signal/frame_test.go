package signal_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/supervise"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

// noon is when the views of the tests are taken.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// wave is a minute of a signal that swells, or that is there from a second on.
func wave(from, base, height float64) []float64 {
	values := make([]float64, 60)
	for i := range values {
		if float64(i) >= from {
			values[i] = base + height*math.Sin(float64(i)/6)
		}
	}
	return values
}

// calm is a view in which all is well.
func calm() signal.View {
	return signal.View{
		Name: "shop.yaml", Time: noon, UptimeSeconds: 134,
		Listeners: []gateway.ListenerStatus{{Address: "127.0.0.1:8080", Connections: 12}},
		Services: []signal.ServiceView{{
			Signals: signal.ServiceSignals{
				Service: "cart", Seconds: 5, Requests: 6170, Rate: 1234, P50Seconds: .0031, P95Seconds: .008,
				P99Seconds: .0124, InFlight: 5, Limit: 20,
			},
			History: signal.History{
				Service: "cart", End: noon, Rate: wave(0, 1200, 100), FailedShare: make([]float64, 60), P99Seconds: wave(0, .012, .002),
			},
			Endpoints: []gateway.EndpointStatus{
				{Address: "127.0.0.1:9001", State: "up", Breaker: "closed", InFlight: 2, LatencySeconds: .0029},
				{Address: "127.0.0.1:9002", State: "up", Breaker: "closed", InFlight: 3, LatencySeconds: .0031},
			},
		}},
		Events: []signal.Event{{Time: noon.Add(-134 * time.Second), Level: signal.LevelGood, What: "listening", Why: "127.0.0.1:8080"}},
	}
}

// stormy is a view of two services, one of them in trouble.
func stormy() signal.View {
	v := calm()
	cart := &v.Services[0]
	cart.Signals.FailedShare, cart.Signals.P99Seconds = .023, .31
	cart.Signals.InFlight, cart.Signals.Queued = 20, 4
	cart.History.FailedShare = wave(40, .2, .1)
	cart.Rollout = "rollout stalled: no replica of revision 7c1f was ready within 10m0s"
	cart.Endpoints[1].Breaker = "ramping-up"
	cart.Endpoints = append(cart.Endpoints,
		gateway.EndpointStatus{Address: "127.0.0.1:9003", State: "ejected", SinceSeconds: 12, Breaker: "open",
			RetryAfterSeconds: 3, Why: "31 % of 214 tries failed, the others 0.4 %"},
		gateway.EndpointStatus{Address: "127.0.0.1:9004", State: "draining", SinceSeconds: 2, InFlight: 1},
	)
	cart.Replicas = []supervise.ReplicaStatus{
		{ID: 1, Phase: supervise.PhaseReady, Ports: []supervise.Port{{Addr: "127.0.0.1:9001"}}, Restarts: 1},
		{ID: 2, Phase: supervise.PhaseReady, Ports: []supervise.Port{{Addr: "127.0.0.1:9002"}}},
		{ID: 3, Phase: supervise.PhaseReady, Ports: []supervise.Port{{Addr: "127.0.0.1:9003"}}},
		{ID: 4, Phase: supervise.PhaseStopping, Ports: []supervise.Port{{Addr: "127.0.0.1:9004"}}},
		{ID: 5, Phase: supervise.PhaseBackoff, Ports: []supervise.Port{{Addr: "127.0.0.1:9005"}}, Since: noon.Add(-3 * time.Second),
			NextTry: noon.Add(5 * time.Second), Why: "exited with status 1"},
	}
	v.Services = append(v.Services, signal.ServiceView{
		Signals: signal.ServiceSignals{Service: "stock", Rate: 3.4, P50Seconds: .00085, P99Seconds: 1.2, InFlight: 1},
		History: signal.History{Service: "stock", End: noon, Rate: wave(20, 3, 2), P99Seconds: wave(20, 1, .3)},
		Endpoints: []gateway.EndpointStatus{
			{Address: "10.0.0.7:80", State: "down", SinceSeconds: 4000, Breaker: "closed", Why: "connection refused"},
		},
	})
	v.All = signal.ServiceSignals{Rate: 1237.4, FailedShare: .0229, P50Seconds: .0031, P99Seconds: .31, InFlight: 21}
	v.Events = append(v.Events,
		signal.Event{Time: noon.Add(-12 * time.Second), Level: signal.LevelBad, What: "endpoint ejected", Who: "cart 127.0.0.1:9003",
			Why: "31 % of 214 tries failed, the others 0.4 %"},
		signal.Event{Time: noon.Add(-3 * time.Second), Level: signal.LevelBad, What: "exited", Who: "cart replica 5", Why: "exited with status 1"},
		signal.Event{Time: noon.Add(-2 * time.Second), Level: signal.LevelNote, What: "config applied", Why: "shop.yaml"},
	)
	return v
}

// crowded is a view of more services than most terminals have lines.
func crowded() signal.View {
	v := stormy()
	for i := range 30 {
		s := v.Services[i%2]
		s.Signals.Service = fmt.Sprintf("service-%02d", i)
		v.Services = append(v.Services, s)
	}
	return v
}

func narrated() signal.View {
	v := stormy()
	v.Section = func(width int) []string {
		return []string{"\x1b[1m step 3 of 5\x1b[0m  a replica answers 30 % errors", fmt.Sprintf(" %d columns are mine", width)}
	}
	return v
}

func TestFrameIsAsDrawn(t *testing.T) {
	for _, test := range []struct {
		name          string
		view          signal.View
		width, height int
	}{
		{"calm", calm(), 100, 24},
		{"stormy", stormy(), 100, 32},
		{"stormy-narrow", stormy(), 60, 32},
		{"stormy-smallest", stormy(), 60, 16},
		{"stormy-wide", stormy(), 140, 40},
		{"crowded", crowded(), 80, 24},
		{"narrated", narrated(), 100, 30},
		{"empty", signal.View{Time: noon}, 80, 24},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := signal.Frame(test.view, test.width, test.height)
			golden(t, test.name, withoutColour(strings.Join(lines, "\n")+"\n"))
		})
	}
	golden(t, "stormy-coloured", strings.ReplaceAll(strings.Join(signal.Frame(stormy(), 100, 32), "\n")+"\n", "\x1b", "␛"))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); -update accepts it:\n%s", path, diff)
	}
}

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

func withoutColour(s string) string { return colour.ReplaceAllString(s, "") }

// A terminal must never be told to do more than colour text, and no line may
// be longer than it is wide, whatever a service says.
func TestFrameFitsEverySizeAndObeysNobody(t *testing.T) {
	hostile := narrated()
	evil := "\x1b[2J\x1b]0;owned\x07\u202e\u009b31m\xff\n世界 e\u0301 🙂 " + strings.Repeat("long ", 50)
	hostile.Name = evil
	hostile.Services[0].Signals.Service = evil
	hostile.Services[0].Endpoints[2].Why = evil
	hostile.Services[0].Endpoints[2].Address = evil
	hostile.Events[0].Why, hostile.Events[1].Who = evil, evil
	hostile.Section = func(int) []string { return []string{evil, "\x1b[31mred" + evil, "\x1b[", "\x1b"} }
	for name, v := range map[string]signal.View{"calm": calm(), "crowded": crowded(), "hostile": hostile, "empty": {}} {
		for _, width := range []int{-1, 0, 1, 5, 20, 59, 60, 61, 79, 80, 99, 100, 133, 200, 400} {
			for height := -1; height < 70; height++ {
				lines := signal.Frame(v, width, height)
				if len(lines) > max(height, 1) {
					t.Fatalf("%s: %d lines for a height of %d", name, len(lines), height)
				}
				for _, line := range lines {
					checkLine(t, name, line, max(width, 1))
				}
			}
		}
	}
}

func checkLine(t *testing.T, name, line string, width int) {
	t.Helper()
	text, columns := withoutColour(line), 0
	for _, r := range text {
		switch {
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			t.Fatalf("%s: %U is drawn in %q", name, r, line)
		case r == '\u0301':
		case r == '世' || r == '界' || r == '🙂':
			columns += 2
		default:
			columns++
		}
	}
	if columns > width {
		t.Fatalf("%s: %d columns for a width of %d: %q", name, columns, width, text)
	}
}

func TestFrameKeepsEventsAndTroubleInSight(t *testing.T) {
	text := withoutColour(strings.Join(signal.Frame(stormy(), 80, 20), "\n"))
	for _, want := range []string{"cart", "stock", "ejected 12s", "backoff 3s", "config applied"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in sight:\n%s", want, text)
		}
	}
}

func TestFrameLeavesOutServicesThatAreWellFirst(t *testing.T) {
	v := calm()
	v.Services = nil
	for i := range 100 {
		s := calm().Services[0]
		s.Signals.Service = fmt.Sprintf("service-%02d", i)
		if i == 57 {
			s.Endpoints[1].State = "down"
		}
		v.Services = append(v.Services, s)
	}
	text := withoutColour(strings.Join(signal.Frame(v, 80, 24), "\n"))
	for _, want := range []string{"service-00", "service-57", "83 services more"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in sight:\n%s", want, text)
		}
	}
}

func TestViewCanBeDrawnByAnotherProcess(t *testing.T) {
	text, err := json.Marshal(stormy())
	if err != nil {
		t.Fatal(err)
	}
	var got signal.View
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(signal.Frame(stormy(), 100, 32), signal.Frame(got, 100, 32)); diff != "" {
		t.Errorf("frame after JSON (-want +got):\n%s", diff)
	}
}

func TestLinesNameAllSignals(t *testing.T) {
	want := `12:00:00  cart  1,234/s  failed 2.3 %  p50 3.1 ms  p99 310 ms  20 of 20 + 4  2 of 4 up
12:00:00  stock  3.4/s  failed 0 %  p50 850 µs  p99 1.2 s  1 in flight  0 of 1 up
`
	if diff := cmp.Diff(want, signal.Lines(stormy())); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func BenchmarkFrame(b *testing.B) {
	v := stormy()
	b.ReportAllocs()
	for b.Loop() {
		signal.Frame(v, 100, 32)
	}
}
