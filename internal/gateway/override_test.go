package gateway

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// overridden routes /own by itself and all else as the service says.
func overridden(s ServiceConfig, own RouteConfig) *Config {
	c := oneService(s)
	own.Match, own.To = []MatchConfig{{Path: &StringMatch{Prefix: "/own"}}}, c.Routes[0].To
	c.Routes = append([]RouteConfig{own}, c.Routes...)
	return c
}

func TestRouteSaysWhatIsRepeated(t *testing.T) {
	yes, no := true, false
	for name, test := range map[string]struct {
		service ServiceConfig
		own     RouteConfig
		method  string
		tries   [2]int // of the service's way, and of the route's
	}{
		"POST is":       {ServiceConfig{}, RouteConfig{RetryNonIdempotent: &yes}, "POST", [2]int{1, 2}},
		"POST is not":   {ServiceConfig{RetryNonIdempotent: true}, RouteConfig{RetryNonIdempotent: &no}, "POST", [2]int{2, 1}},
		"short bodies":  {ServiceConfig{}, RouteConfig{ReplayBytes: 10}, "PUT", [2]int{2, 1}},
		"longer bodies": {ServiceConfig{ReplayBytes: 10}, RouteConfig{ReplayBytes: 100}, "PUT", [2]int{1, 2}},
	} {
		tries := make(chan string, 10)
		test.service.Endpoints = Addresses(origin(t, func(w http.ResponseWriter, r *http.Request) {
			tries <- r.URL.Path
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(500)
		}))
		test.service.Retry = policy.RetryConfig{Attempts: 1, Delay: time.Millisecond}
		_, url := start(t, overridden(test.service, test.own))
		for protocol, client := range clients(t) {
			for i, path := range []string{"/", "/own"} {
				do(t, client, test.method, url+path, strings.Repeat("b", 50))
				if got := len(tries); got != test.tries[i] {
					t.Errorf("%s in %s: %s was tried %d times, want %d", name, protocol, path, got, test.tries[i])
				}
				for range len(tries) {
					<-tries
				}
			}
		}
	}
}

func TestRouteSaysHowLongEndpointsMayBeSilent(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // it is given up
	})
	_, url := start(t, overridden(ServiceConfig{Endpoints: Addresses(address), StallTimeout: time.Hour}, RouteConfig{StallTimeout: 50 * time.Millisecond}))
	for protocol, client := range clients(t) {
		res, err := client.Get(url + "/own")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if string(body) != "begun" || err == nil {
			t.Errorf("%s: got %q, %v; want it broken off", protocol, body, err)
		}
	}
}

func TestRouteSaysWhetherEndpointsHearOfTheTimeout(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		service bool
		own     *bool
		want    bool
	}{{false, nil, false}, {false, &yes, true}, {true, nil, true}, {true, &no, false}} {
		_, url := start(t, overridden(ServiceConfig{Endpoints: Addresses(echoFields(t)), SendTimeout: test.service}, RouteConfig{SendTimeout: test.own}))
		_, body := ask(t, url+"/own")
		if got := sentField(body, "Afloat-Timeout-Ms") != ""; got != test.want {
			t.Errorf("%+v: got %v", test, body)
		}
	}
}

func TestRouteSaysWhoTheUserIs(t *testing.T) {
	got := inLine(t, [][]string{
		{"X-Name: first"}, {"X-Name: a1", "X-User: a"}, {"X-Name: a2", "X-User: a"}, {"X-Name: a3", "X-User: a"}, {"X-Name: b1", "X-User: b"},
	}, func(c *Config) { c.Routes[0].User = KeyConfig{Header: "X-User"} })
	if i := slices.Index(got, "b1"); i < 1 || i > 2 {
		t.Errorf("one user's flood starves another: %v", got)
	}
}
