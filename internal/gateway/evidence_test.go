package gateway

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

const ms = time.Millisecond

func ejected(samples ...sample) []sample { return outliers(samples, OutlierConfig{}.WithDefaults()) }

func TestFailureOfAllEjectsNobodyAsAnOutlier(t *testing.T) {
	samples := []sample{
		{tally: tally{tries: 100, failures: 50}, enough: true, mean: ms},
		{tally: tally{tries: 100, failures: 45}, enough: true, mean: ms},
		{tally: tally{tries: 100, failures: 55}, enough: true, mean: ms},
	}
	if found := ejected(samples...); len(found) > 0 {
		t.Fatalf("ejected %+v", found)
	}
}

func TestOneLongRequestIsNotTakenForAHang(t *testing.T) {
	other := sample{tally: tally{tries: 500}, span: 250 * ms, mean: 5 * ms, silent: 2 * ms, owed: 2}
	polled := sample{tally: tally{tries: 2}, span: 10 * time.Second, mean: 5 * ms, silent: 60 * ms, owed: 10}
	idle := sample{silent: time.Hour}
	for _, c := range []struct {
		name        string
		owed        int64
		owing, mean time.Duration
		others      sample
		hangs       bool
	}{
		{"a request for half a second", 1, 500 * ms, 5 * ms, other, false},
		{"three requests for half a second", 3, 500 * ms, 5 * ms, other, true},
		{"three requests for a moment", 3, 200 * ms, 5 * ms, other, false},
		{"three requests that are long by nature", 3, 500 * ms, 100 * ms, other, false},
		{"long polls, of which the others hold as many", 10, 2000 * ms, 5 * ms, polled, false},
		{"three requests while the others have none", 3, 2000 * ms, 5 * ms, idle, false},
		{"none", 0, 0, 5 * ms, other, false},
	} {
		s := sample{tally: tally{tries: 100}, mean: c.mean, owed: c.owed, owing: c.owing, silent: c.owing}
		patience := s.patience([]sample{c.others, s, c.others}, 1)
		if got := s.owing > patience && new(doubt).hangs(&s, HealthConfig{}); got != c.hangs {
			t.Errorf("%s: %v, with a patience of %v", c.name, got, patience)
		}
	}
}

func TestTwoFailuresMakeNoOutlier(t *testing.T) {
	other := sample{tally: tally{tries: 100}, past: tally{tries: 1000}, enough: true}
	for failures, want := range map[uint64]int{2: 0, 3: 1} {
		s := sample{tally: tally{tries: 12, failures: failures}, enough: true}
		if found := ejected(s, other, other); len(found) != want {
			t.Errorf("%d of 12: got %+v", failures, found)
		}
	}
}

func TestOutlierIsWhatChanceDoesNotMake(t *testing.T) {
	for _, c := range []struct {
		name                              string
		failures, tries, others, ofOthers uint64
		want                              bool
	}{
		{"a tenth where others have none of few", 2, 20, 0, 40, false},
		{"three of ten where 2% is usual", 3, 10, 20, 1000, false},
		{"six of twelve where 2% is usual", 6, 12, 20, 1000, true},
		{"a third where others have none of many", 4, 12, 0, 1000, true},
		{"a third where others have a third", 40, 120, 80, 240, false},
		{"12% of many where others have 1%", 120, 1000, 20, 2000, true},
		{"all of few, and of the others nothing is known", 3, 3, 0, 0, false},
	} {
		if got := unlikely(c.failures, c.tries, c.others, c.ofOthers); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

// An hour of three endpoints that do their work equally badly.
func TestUsualFailuresAndLongRequestsEjectNobody(t *testing.T) {
	const perSecond, checksPerSecond = 60, 4
	random := rand.New(rand.NewPCG(1, 2))
	counts := make([]mark, 3)
	histories := make([]history, 3)
	for range 3600 * checksPerSecond {
		samples := make([]sample, 3)
		for i := range counts {
			for range perSecond / checksPerSecond / 3 {
				counts[i].tries++
				if random.Float64() < 0.03 {
					counts[i].failures++
				}
				if random.Float64() < 0.3 {
					counts[i].slow++
				}
			}
			h := &histories[i]
			h.keep = 10 * checksPerSecond
			h.add(counts[i])
			samples[i] = h.recent(10, time.Second/checksPerSecond)
		}
		if found := ejected(samples...); len(found) > 0 {
			t.Fatalf("ejected: %s", found[0].why)
		}
	}
}

func TestSlowLimitIsAboveTheMedian(t *testing.T) {
	of := func(means ...time.Duration) []sample {
		var all []sample
		for _, m := range means {
			all = append(all, sample{mean: m, enough: true})
		}
		return all
	}
	for _, c := range []struct {
		samples []sample
		want    time.Duration
	}{
		{nil, 0},
		{[]sample{{mean: ms}}, 0}, // too few tries
		{of(ms), 21 * ms},
		{of(10*ms, 12*ms, 100*ms), 48 * ms},
		{of(10*ms, 100*ms), 40 * ms}, // the lower of two
		{of(300*ms, 310*ms, 290*ms), 1200 * ms},
		{of(10*ms, 11*ms, 12*ms, 13*ms, 100*ms), 48 * ms}, // alike but for one
		{of(5*ms, 10*ms, 20*ms, 40*ms, 95*ms), 108956 * time.Microsecond}, // spread anyhow
	} {
		if got := slowLimit(c.samples, OutlierConfig{}.WithDefaults()); got != c.want {
			t.Errorf("%v: got %v, want %v", c.samples, got, c.want)
		}
	}
}

func TestSlowEndpointIsNotLetBackInWhileItIsSlow(t *testing.T) {
	var slow atomic.Bool
	slow.Store(true)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if slow.Load() {
			time.Sleep(80 * ms)
		}
	})
	s := ServiceConfig{Endpoints: Addresses(address, named(t, "b"), named(t, "c")), Balance: BalanceRoundRobin}
	s.Breaker = policy.BreakerConfig{OpenDuration: 100 * ms, OpenDurationMax: 200 * ms, Probes: 2}
	g, url := start(t, oneService(s))
	ejected := func() bool { get(t, url); return stateOf(g, "web", address).State == "ejected" }
	eventually(t, "it is ejected", ejected)
	reopened := func() bool { get(t, url); return strings.Contains(stateOf(g, "web", address).Why, "probes failed") }
	eventually(t, "its probes fail", reopened)
	slow.Store(false)
	eventually(t, "it is let back in", func() bool { get(t, url); return stateOf(g, "web", address).State == "up" })
}

func TestEjectedMaxNeverTakesTheLast(t *testing.T) {
	for _, c := range []struct {
		all, used int
		share     float64
		want      int
	}{
		{1, 1, 0.5, 0}, {1, 1, 1, 0},
		{2, 2, 0.5, 1}, {2, 1, 0.5, 0}, {2, 2, 1, 1},
		{3, 3, 0.5, 1}, {3, 2, 0.5, 0}, {3, 3, 1, 2}, {3, 1, 1, 0},
		{10, 10, 0.3, 3}, {10, 8, 0.3, 1}, {10, 10, 0.01, 1},
	} {
		if got := ejectable(c.all, c.used, c.share); got != c.want {
			t.Errorf("%d of %d in use, %v: got %d, want %d", c.used, c.all, c.share, got, c.want)
		}
	}
}

func TestHistoryLooksBackNoFurtherThanItMust(t *testing.T) {
	h := &history{keep: 3}
	for _, tries := range []uint64{0, 100, 104, 110, 125} {
		h.add(mark{tries: tries, nanoseconds: tries * uint64(ms)})
	}
	for enough, want := range map[uint64]sample{
		10: {tally: tally{tries: 15}, span: ms, enough: true},
		20: {tally: tally{tries: 21}, span: 2 * ms, enough: true},
		50: {tally: tally{tries: 25}, span: 3 * ms},
	} {
		got := h.recent(enough, ms)
		if got.tries != want.tries || got.span != want.span || got.enough != want.enough || got.mean != ms || got.past.tries != 25 {
			t.Errorf("%d: got %+v", enough, got)
		}
	}
}

func TestEndpointWithALongRequestIsAskedForItsHealthFirst(t *testing.T) {
	for _, c := range []struct {
		hung bool
		want string
	}{{false, "up"}, {true, "ejected"}} {
		t.Run(fmt.Sprintf("hung %v", c.hung), func(t *testing.T) {
			release := make(chan struct{})
			var long atomic.Int64
			busy := origin(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/long" || c.hung && long.Load() > 0 {
					long.Add(1)
					<-release
				}
			})
			s := ServiceConfig{Endpoints: Addresses(busy), Health: HealthConfig{Path: "/health", Interval: time.Hour}}
			g, url := start(t, oneService(s))
			t.Cleanup(func() { close(release) })
			go func() {
				if res, err := http.Get(url + "/long"); err == nil {
					res.Body.Close()
				}
			}()
			eventually(t, "a long request is under way", func() bool { return long.Load() == 1 })
			g.SetEndpoints("web", []string{named(t, "b")})
			asked := time.Now()
			eventually(t, "the state is as it should be", func() bool {
				res, err := http.Get(url + "/short")
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				time.Sleep(10 * ms)
				return time.Since(asked) > 2*time.Second && stateOf(g, "web", busy).State == c.want
			})
		})
	}
}

// TestHealthHasMoreTimeUntilTriesEndInVain: an endpoint that does one request
// after the other answers for its health behind the longest.
func TestHealthHasMoreTimeUntilTriesEndInVain(t *testing.T) {
	for _, c := range []struct {
		ago    time.Duration
		inVain bool
		hangs  bool
	}{
		{50 * ms, true, false}, {300 * ms, true, true},
		{300 * ms, false, false}, {700 * ms, false, true},
	} {
		d := &doubt{asked: time.Now().Add(-c.ago), answer: make(chan error, 1)}
		if got := d.hangs(&sample{owed: 5, inVain: c.inVain}, HealthConfig{Path: "/health"}); got != c.hangs {
			t.Errorf("asked %v ago, tries in vain %v: hangs %v", c.ago, c.inVain, got)
		}
	}
}

// TestTriesThatEndedInVainTellOfAHang: where they end soon, few wait at a time.
func TestTriesThatEndedInVainTellOfAHang(t *testing.T) {
	release := make(chan struct{})
	hanging := origin(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	s := ServiceConfig{Endpoints: Addresses(hanging, named(t, "b"), named(t, "c")), TryTimeout: 50 * ms, Balance: BalanceRoundRobin,
		Breaker: policy.BreakerConfig{ConsecutiveFailures: -1, FailureRate: -1}, Outlier: OutlierConfig{Interval: 250 * ms, MinimumCalls: 1000}}
	g, url := start(t, oneService(s))
	t.Cleanup(func() { close(release) })
	eventually(t, "it is ejected", func() bool {
		get(t, url)
		return stateOf(g, "web", hanging).State == "ejected"
	})
	if why := stateOf(g, "web", hanging).Why; !strings.Contains(why, "has not answered for") {
		t.Errorf("why: %s", why)
	}
}
