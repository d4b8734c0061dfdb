package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/afloat-dev/afloat/policyhttp"
)

func TestPriorityIsTheRoutesAndMayOnlyBeLowered(t *testing.T) {
	own := oneService(ServiceConfig{Endpoints: Addresses(echoFields(t))})
	own.Routes[0].Match = []MatchConfig{{Path: &StringMatch{Exact: "/low"}}}
	own.Routes[0].Priority = policy.PriorityLow
	own.Routes = append(own.Routes, RouteConfig{To: own.Routes[0].To})
	_, url := start(t, own)
	trusted := *own
	_, trustedURL := start(t, trusting(&trusted))
	for _, test := range []struct{ path, claim, want, trusted string }{
		{"/", "", "", ""},
		{"/", "low", "low", "low"},
		{"/", "critical", "", "critical"},
		{"/", "urgent", "", ""},
		{"/low", "", "low", "low"},
		{"/low", "normal", "low", ""},
		{"/low", "sheddable", "sheddable", "sheddable"},
		{"/low", "critical", "low", "critical"},
	} {
		for url, want := range map[string]string{url: test.want, trustedURL: test.trusted} {
			var fields []string
			if test.claim != "" {
				fields = []string{"Afloat-Priority: " + test.claim}
			}
			_, body := ask(t, url+test.path, fields...)
			if got := sentField(body, "Afloat-Priority"); got != want {
				t.Errorf("%s with %q, trusted %t: the service is told %q, want %q", test.path, test.claim, url == trustedURL, got, want)
			}
		}
	}
}

// sentField is the value of a field in what echoFields answers.
func sentField(body, name string) string {
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// crowded is a service that serves one request at a time, each when told to go
// on, and names it by its X-Name.
func crowded(t *testing.T) (c *Config, begun chan string, next chan struct{}) {
	begun, next = make(chan string, 20), make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		begun <- r.Header.Get("X-Name")
		<-next
	})
	c = trusting(oneService(ServiceConfig{Endpoints: Addresses(address),
		Concurrency: policy.AdaptiveConfig{Min: 1, Initial: 1, Max: 1, QueueMax: 10, WaitMax: time.Minute}, Timeout: -1}))
	return c, begun, next
}

// inLine sends requests that wait for one another, each once the one before is
// in line, and returns the order in which they are served.
func inLine(t *testing.T, requests [][]string, configure func(*Config)) []string {
	c, begun, next := crowded(t)
	configure(c)
	g, url := start(t, c)
	var order []string
	ended := make(chan struct{})
	for i, fields := range requests {
		go func() {
			ask(t, url, fields...)
			ended <- struct{}{}
		}()
		if i == 0 {
			order = append(order, <-begun)
			continue
		}
		eventually(t, "the request waits", func() bool { return g.Status().Services[0].Queued == i })
	}
	for range requests[1:] {
		next <- struct{}{}
		order = append(order, <-begun)
	}
	next <- struct{}{}
	for range requests {
		<-ended
	}
	return order
}

func TestRequestOfHigherPriorityIsServedFirst(t *testing.T) {
	got := inLine(t, [][]string{
		{"X-Name: first"}, {"X-Name: batch", "Afloat-Priority: sheddable"}, {"X-Name: low", "Afloat-Priority: low"},
		{"X-Name: normal"}, {"X-Name: critical", "Afloat-Priority: critical"},
	}, func(*Config) {})
	if want := []string{"first", "critical", "normal", "low", "batch"}; !slices.Equal(got, want) {
		t.Errorf("served in the order %v, want %v", got, want)
	}
}

func TestUsersTakeTurnsWhereRequestsWait(t *testing.T) {
	for _, test := range []struct {
		by   KeyConfig
		a, b string
	}{
		{KeyConfig{}, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"}, // by client unless told otherwise
		{KeyConfig{Header: "X-User"}, "X-User: a", "X-User: b"},
	} {
		got := inLine(t, [][]string{
			{"X-Name: first"}, {"X-Name: a1", test.a}, {"X-Name: a2", test.a}, {"X-Name: a3", test.a}, {"X-Name: b1", test.b},
		}, func(c *Config) {
			s := c.Services["web"]
			s.User = test.by
			c.Services["web"] = s
		})
		if i := slices.Index(got, "b1"); i < 1 || i > 2 {
			t.Errorf("%v: one user's flood starves another: %v", test.by, got)
		}
	}
}

func TestDeadlineOfTheCallerGoesOn(t *testing.T) {
	s := ServiceConfig{Endpoints: Addresses(echoFields(t)), Timeout: 10 * time.Second}
	_, url := start(t, oneService(s))
	for _, test := range []struct {
		said     string
		min, max int64
	}{{"60000", 50000, 59995}, {"2000", 1, 1995}, {"", 0, 0}, {"0", 0, 0}, {"-5", 0, 0}, {"1e3", 0, 0}, {"99999999999999", 80_000_000, 86_400_000}} {
		_, body := ask(t, url, "Afloat-Timeout-Ms: "+test.said)
		if got, _ := number([]byte(sentField(body, "Afloat-Timeout-Ms"))); got < test.min || got > test.max {
			t.Errorf("said %q: the service is told %d, want %d to %d", test.said, got, test.min, test.max)
		}
	}
	s.SendTimeout = true
	_, url = start(t, oneService(s))
	for _, said := range []string{"60000", ""} {
		_, body := ask(t, url, "Afloat-Timeout-Ms: "+said)
		if got, _ := number([]byte(sentField(body, "Afloat-Timeout-Ms"))); got < 1 || got > 9995 {
			t.Errorf("said %q: the service is told %d", said, got)
		}
	}
}

func TestShortDeadlineOfTheCallerIsNotTheEndpointsFailure(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-hold
		}
	})
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), Breaker: policy.BreakerConfig{MinimumCalls: 2}}))
	for range 5 {
		if res, _ := ask(t, url+"/slow", "Afloat-Timeout-Ms: 20"); res.StatusCode != 504 {
			t.Fatalf("got %d", res.StatusCode)
		}
	}
	if e := stateOf(g, "web", address); e.State != "up" || e.Failures != 0 {
		t.Errorf("a client has the endpoint blamed: %+v", e)
	}
	if status, _ := get(t, url); status != 200 {
		t.Errorf("got %d", status)
	}
}

func TestRetriesOfServicesInARowDoNotMultiply(t *testing.T) {
	var calls atomic.Int32
	var last atomic.Value
	failing := func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		last.Store(r.Header.Get("Afloat-Attempt"))
		w.WriteHeader(500)
	}
	s := ServiceConfig{Endpoints: Addresses(origin(t, failing), origin(t, failing)), Retry: policy.RetryConfig{Attempts: 1, Delay: time.Millisecond, Budget: policy.BudgetConfig{Off: true}},
		Breaker: policy.BreakerConfig{MinimumCalls: 10000, ConsecutiveFailures: 10000, WindowCalls: 20000}, Outlier: OutlierConfig{Disabled: true}}
	_, inner := start(t, oneService(s))
	s.Endpoints = Addresses(strings.TrimPrefix(inner, "http://"))
	_, outer := start(t, oneService(s))
	for _, test := range []struct {
		url, said    string
		calls        int32
		last, answer string
	}{
		{inner, "", 2, "2", "2"},
		{inner, "2", 1, "2", "1"},
		{inner, "nonsense", 2, "2", "2"},
		{outer, "", 2, "2", "1"},
		{outer, "3", 1, "3", "1"},
	} {
		calls.Store(0)
		res, _ := ask(t, test.url, "Afloat-Attempt: "+test.said)
		if res.StatusCode != 500 || calls.Load() != test.calls || last.Load() != test.last || res.Header.Get("Afloat-Attempt") != test.answer {
			t.Errorf("said %q: status %d, %d calls, the last told %q, answered %q; want %d, %q, %q",
				test.said, res.StatusCode, calls.Load(), last.Load(), res.Header.Get("Afloat-Attempt"), test.calls, test.last, test.answer)
		}
	}
	calls.Store(0)
	transport, err := policyhttp.NewTransport(policyhttp.TransportConfig{Policies: []policy.Policy{mustRetry(t)}})
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: transport}
	res, err := client.Get(outer)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if calls.Load() != 2 {
		t.Errorf("a policyhttp.Transport in front makes it %d calls", calls.Load())
	}
}

func mustRetry(t *testing.T) *policy.Retry {
	t.Helper()
	r, err := policy.NewRetry(policy.RetryConfig{Attempts: 2, Delay: time.Millisecond, Budget: policy.BudgetConfig{Off: true}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestEndpointThatHeedsTheCallersDeadlineIsNotToBlame, nor one that minds its own
// is let off because of it.
func TestEndpointThatHeedsTheCallersDeadlineIsNotToBlame(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if ms, err := strconv.Atoi(r.Header.Get("Afloat-Timeout-Ms")); err == nil && ms < 1000 {
			time.Sleep(time.Duration(ms) * time.Millisecond)
		}
		w.WriteHeader(504)
	})
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	for range 8 {
		ask(t, url, "Afloat-Timeout-Ms: 30")
	}
	if e := stateOf(g, "web", address); e.State != "up" || e.Failures != 0 {
		t.Fatalf("the endpoint is blamed: %+v", e)
	}
	for range 8 {
		ask(t, url, "Afloat-Timeout-Ms: 10000")
	}
	if e := stateOf(g, "web", address); e.Failures == 0 {
		t.Errorf("a failure long before the caller's end counts for nothing: %+v", e)
	}
}

func TestRepeatOfACallerStillFindsAnEndpointThatIsUp(t *testing.T) {
	gone := origin(t, func(http.ResponseWriter, *http.Request) {})
	s := ServiceConfig{Endpoints: Addresses("127.0.0.1:1", gone)}
	for range 5 {
		_, url := start(t, oneService(s)) // each finds out anew who is down
		if res, _ := ask(t, url, "Afloat-Attempt: 2"); res.StatusCode != 200 {
			t.Errorf("got %d", res.StatusCode)
		}
	}
}

func TestRouteMatchesCookiesAndClients(t *testing.T) {
	c := trusting(&Config{
		Services: map[string]ServiceConfig{"a": {Endpoints: Addresses(named(t, "a"))}, "b": {Endpoints: Addresses(named(t, "b"))}, "c": {Endpoints: Addresses(named(t, "c"))}},
		Routes: []RouteConfig{
			{Match: []MatchConfig{{Cookies: map[string]StringMatch{"beta": {Exact: "yes"}}}}, To: []DestinationConfig{{Service: "a"}}},
			{Match: []MatchConfig{{Clients: []string{"192.0.2.0/24", "2001:db8::7"}}}, To: []DestinationConfig{{Service: "b"}}},
			{To: []DestinationConfig{{Service: "c"}}},
		},
	})
	_, url := start(t, c)
	for _, test := range []struct{ field, want string }{
		{"Cookie: a=b; beta=yes", "a"}, {"Cookie: beta=no", "c"}, {"Cookie: abeta=yes", "c"}, {"Cookie: beta", "c"},
		{"X-Forwarded-For: 192.0.2.9", "b"}, {"X-Forwarded-For: 192.0.3.9", "c"}, {"X-Forwarded-For: 2001:db8::7", "b"}, {"X-Forwarded-For: ::ffff:192.0.2.1", "b"},
	} {
		if _, body := ask(t, url, test.field); body != test.want {
			t.Errorf("%s: went to %q, want %q", test.field, body, test.want)
		}
	}
}
