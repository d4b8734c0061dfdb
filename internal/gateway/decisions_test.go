package gateway

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// TestTraceTellsOfTheQueue has a request wait for the place of another.
func TestTraceTellsOfTheQueue(t *testing.T) {
	release := make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	c := ServiceConfig{Endpoints: Addresses(address)}
	c.Concurrency = policy.AdaptiveConfig{Min: 1, Initial: 1, Max: 1, WaitMax: 20 * time.Second, WaitTarget: 20 * time.Second}
	share, s := 1.0, new(spans)
	g, url := startWith(t, oneService(c), Options{Observer: s, Traces: &share})
	for range 2 {
		conn := connect(t, url)
		conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	eventually(t, "one waits", func() bool { return g.Status().Services[0].Queued == 1 })
	const least = 5 * time.Millisecond // it waits by now, and until the other is answered
	time.Sleep(least)
	close(release)
	longest := Decisions{}
	for _, r := range s.all(t, 2) {
		if r.Decisions.Limit != 1 || r.Decisions.InFlight != 1 {
			t.Errorf("got %+v", r.Decisions)
		}
		longest.Queued = max(longest.Queued, r.Decisions.Queued)
	}
	if longest.Queued < least {
		t.Errorf("the one that waited was queued for %v, want %v at least", longest.Queued, least)
	}
}

// TestTraceTellsOfTheHold has a request wait for the service's first endpoint.
func TestTraceTellsOfTheHold(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {})
	share, s := 1.0, new(spans)
	g, url := startWith(t, oneService(ServiceConfig{Hold: 20 * time.Second}), Options{Observer: s, Traces: &share})
	conn := connect(t, url)
	conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually(t, "it is held", func() bool { return g.Status().Services[0].Held == 1 })
	g.SetEndpoints("web", []string{address})
	if r := s.last(t, 1); r.Status != 200 || r.Decisions.Held <= 0 || len(r.Spans) != 1 {
		t.Errorf("status %d, held for %v, spans %+v", r.Status, r.Decisions.Held, r.Spans)
	}
}

// TestTraceTellsOfRetriesAndBreakers has a budget for no repeat at first, and a
// breaker that a single failure opens.
func TestTraceTellsOfRetriesAndBreakers(t *testing.T) {
	bad := origin(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	good := origin(t, func(w http.ResponseWriter, r *http.Request) {})
	config := func(budget policy.BudgetConfig) *Config {
		return oneService(ServiceConfig{
			Endpoints: []EndpointConfig{{Address: bad, Zone: "eu/a"}, {Address: good, Zone: "eu/a", Priority: 1}},
			Outlier:   OutlierConfig{Disabled: true}, Retry: policy.RetryConfig{Budget: budget},
			Breaker: policy.BreakerConfig{ConsecutiveFailures: 2, OpenDuration: time.Hour},
		})
	}
	share, s := 0.0, new(spans)
	g, url := startWith(t, config(policy.BudgetConfig{MinPerSecond: -1, Share: 0.0001}), Options{Observer: s, Traces: &share})
	s.ask(t, http.DefaultClient, url)
	if r := s.last(t, 1); r.Decisions.Stopped != policy.ErrBudget.Error() || len(s.kept) != 1 || s.kept[0].Breaker != "closed" || s.kept[0].Zone != "eu/a" {
		t.Fatalf("stopped by %q, spans %+v", r.Decisions.Stopped, s.kept)
	}
	c := config(policy.BudgetConfig{Off: true})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}}
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	s.ask(t, http.DefaultClient, url)
	if r := s.last(t, 2); r.Decisions.Stopped != "" || len(s.kept) != 2 {
		t.Fatalf("stopped by %q, spans %+v", r.Decisions.Stopped, s.kept)
	}
	if first, second := s.kept[0], s.kept[1]; first.Breaker != "closed" || first.BreakerAfter != "open" || second.Breaker != "closed" || second.Priority != 1 {
		t.Errorf("got %+v and %+v", first, second)
	}
}

// TestTraceTellsOfTheCache, of an answer that is there and of one that is not.
func TestTraceTellsOfTheCache(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(origin(t, saying()))})
	c.Routes[0].Cache = &CacheConfig{TTL: time.Hour}
	share, s := 0.0, new(spans)
	url := startTraced(t, c, &share, s)
	for i, want := range []string{"fwd=miss", "hit"} {
		s.ask(t, http.DefaultClient, url)
		if got := s.last(t, i+1).Decisions.Cache; !strings.Contains(got, want) {
			t.Errorf("request %d: the cache says %q, want %s", i+1, got, want)
		}
	}
}

// TestTraceTellsOfAHedgeThatWasRefused where all places are taken.
func TestTraceTellsOfAHedgeThatWasRefused(t *testing.T) {
	var asked atomic.Int64
	g := (*Gateway)(nil)
	slow := func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		eventually(t, "a hedge is refused", func() bool { h := g.Status().Services[0].Hedge; return h != nil && h.Refused > 0 })
	}
	c := ServiceConfig{Endpoints: Addresses(origin(t, slow), origin(t, slow)), Hedge: &policy.HedgeConfig{Delay: 20 * time.Millisecond, Budget: unbounded}}
	c.Concurrency = policy.AdaptiveConfig{Min: 1, Initial: 1, Max: 1}
	share, s := 0.0, new(spans)
	g, url := startWith(t, oneService(c), Options{Observer: s, Traces: &share})
	s.ask(t, http.DefaultClient, url)
	if r := s.last(t, 1); !r.Decisions.HedgeRefused || asked.Load() != 1 {
		t.Errorf("got %+v after %d tries", r.Decisions, asked.Load())
	}
}
