package gateway

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// What an operator asks of a service: how much it may take, and why no more.
func TestStatusSaysWhyTheLimitIsWhatItIs(t *testing.T) {
	g, url := start(t, oneService(ServiceConfig{
		Endpoints:   Addresses(named(t, "a")),
		Concurrency: policy.AdaptiveConfig{Initial: 7},
	}))
	get(t, url)
	text, err := json.Marshal(g.Status().Services[0])
	if err != nil || !strings.Contains(string(text), `"limit":7`) || !strings.Contains(string(text), `"limitWhy":"`) {
		t.Fatalf("got %s, %v", text, err)
	}
}

// What an operator asks of an endpoint: what it gets, and why no more.
func TestStatusSaysWhyAnEndpointGetsLess(t *testing.T) {
	s := pooled(t, ServiceConfig{Warmup: time.Hour})
	s.setZone("a")
	s.setEndpoints(append(zoned(2, "a", "b"), EndpointConfig{Address: "c.test:80", Zone: "a", Priority: 1, Weight: 3}))
	all := *s.endpoints.Load()
	told := func(address string) EndpointStatus {
		for _, e := range s.status().Endpoints {
			if e.Address == address {
				return e
			}
		}
		t.Fatalf("no endpoint %s", address)
		return EndpointStatus{}
	}
	expect := func(address string, share float64, why string) {
		t.Helper()
		e := told(address)
		if math.Abs(e.Share-share) > 0.01 || !strings.Contains(e.Why, why) || why == "" && e.Why != "" {
			t.Errorf("%s: got %.2f and %q, want %.2f and %q", address, e.Share, e.Why, share, why)
		}
	}
	expect("a0.test:80", 0.5, "")
	expect("b0.test:80", 0, "gets nothing: enough endpoints of this zone are usable")
	expect("c.test:80", 0, "gets nothing")
	all[0].markDown("test")
	expect("a0.test:80", 0, "test")
	expect("a1.test:80", 0.71, "the endpoints of this zone get 71% of the requests together")
	expect("b0.test:80", 0.14, "other regions get 29%")
	all[0].markUp("test")
	expect("a0.test:80", 0.09, "warms up: 10% of its share")
	for _, e := range all[:4] {
		e.markDown("test")
	}
	expect("c.test:80", 1, "")
	if e := told("c.test:80"); e.Weight != 3 || e.Priority != 1 || e.Zone != "a" {
		t.Errorf("got %+v", e)
	}
}

// What an operator asks of a service that fails: whether it is still repeated,
// and what answers in its place.
func TestStatusTellsRetriesAndFallbacks(t *testing.T) {
	failing := origin(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	service := ServiceConfig{Endpoints: Addresses(failing), Breaker: policy.BreakerConfig{ConsecutiveFailures: 1000, MinimumCalls: 1000}}
	service.Retry = policy.RetryConfig{Delay: time.Millisecond, Budget: policy.BudgetConfig{Share: 0.05, MinPerSecond: -1, Window: time.Hour}}
	c := oneService(service)
	c.Services["never"] = ServiceConfig{Endpoints: Addresses(failing), Retry: policy.RetryConfig{Attempts: -1}}
	own := policy.RetryConfig{Budget: policy.BudgetConfig{Off: true}}
	c.Routes[0].Fallback = &FallbackConfig{Body: "later"}
	c.Routes = append(c.Routes, RouteConfig{Name: "own", Match: []MatchConfig{{Host: "own.test"}}, Retry: &own, To: []DestinationConfig{{Service: "never"}}})
	slices.Reverse(c.Routes)
	g, url := start(t, c)
	const n = 30
	for range n {
		if status, body := get(t, url); status != 200 || body != "later" {
			t.Fatalf("got %d %q", status, body)
		}
	}
	st := g.Status()
	r := st.Services[1].Retry
	if r == nil || r.Unbounded || r.Repeated == 0 || r.Refused == 0 || r.Spent != int(r.Repeated) || r.Left != 0 {
		t.Errorf("the budget is used up, and the status says %+v", r)
	}
	if st.Services[0].Retry != nil {
		t.Errorf("a service that repeats nothing has %+v", st.Services[0].Retry)
	}
	if own := st.Routes[0].To[0].Retry; own == nil || !own.Unbounded {
		t.Errorf("a route with retries of its own has %+v", own)
	}
	if f := st.Routes[1].Fallback; f == nil || *f != (FallbackStatus{Status: 200, Used: n}) {
		t.Errorf("got the fallback %+v", f)
	}
	if st.Routes[0].Fallback != nil || st.Routes[1].To[0].Retry != nil {
		t.Errorf("there is more than was configured: %+v", st.Routes)
	}
}

func TestStatusNamesTheServicesOfAListenerOfTCP(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "a"))})
	c.Services["db"] = c.Services["web"]
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", TCP: &TCPConfig{Service: "web", ServerNames: map[string]string{"a.test": "web", "b.test": "db"}}}}
	g, _ := start(t, c)
	if l := g.Status().Listeners; len(l) != 1 || !slices.Equal(l[0].TCP, []string{"db", "web"}) {
		t.Errorf("got %+v", l)
	}
	g, _ = start(t, oneService(c.Services["web"]))
	if l := g.Status().Listeners; len(l) != 1 || l[0].TCP != nil {
		t.Errorf("one of requests: got %+v", l)
	}
}
