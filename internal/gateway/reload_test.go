package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

func TestReloadLosesNoRequestAndKeepsState(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	c := oneService(ServiceConfig{Endpoints: Addresses(a)})
	g, url := start(t, c)
	get(t, url)
	before := stateOf(g, "web", a).Requests
	load(t, url, func(stop func()) {
		for i := range 50 {
			next := oneService(ServiceConfig{Endpoints: Addresses([]string{a, b}[:1+i%2]...)})
			next.Listeners = c.Listeners
			if err := g.Apply(next); err != nil {
				t.Error(err)
			}
			time.Sleep(2 * time.Millisecond)
		}
		stop()
	})
	if after := stateOf(g, "web", a).Requests; after <= before {
		t.Fatalf("the endpoint's counts were lost: %d, then %d", before, after)
	}
}

func TestBadConfigChangesNothing(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "old"))})
	g, url := start(t, c)
	for _, bad := range []*Config{
		{Routes: []RouteConfig{{To: []DestinationConfig{{Service: "nobody"}}}}},
		{Listeners: []ListenerConfig{{Address: "127.0.0.1:0"}, {Address: "192.0.2.1:1"}}},
		oneService(ServiceConfig{Endpoints: Addresses("no port")}),
	} {
		if err := g.Apply(bad); err == nil {
			t.Fatalf("%+v was applied", bad)
		}
		if status, body := get(t, url); status != 200 || body != "old" {
			t.Fatalf("got %d %q after a bad config", status, body)
		}
	}
}

func TestListenersComeAndGo(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "x"))})
	g, url := start(t, c)
	next := *c
	next.Listeners = append(next.Listeners[:1:1], ListenerConfig{Address: refusing(t)})
	if err := g.Apply(&next); err != nil {
		t.Fatal(err)
	}
	second := "http://" + next.Listeners[1].Address
	if status, _ := get(t, second); status != 200 {
		t.Fatalf("got %d", status)
	}
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second listener is gone", func() bool {
		conn, err := net.Dial("tcp", next.Listeners[1].Address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if status, _ := get(t, url); status != 200 {
		t.Fatalf("got %d", status)
	}
}

func TestDrainLetsRequestsEnd(t *testing.T) {
	goOn, began := make(chan struct{}), make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-goOn
		io.WriteString(w, "whole")
	})
	g := New(Options{})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}}
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	url := "http://" + g.Addresses()[0]
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Serve(ctx) }()
	idle, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get(url)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answer <- string(body)
	}()
	<-began
	cancel()
	eventually(t, "no new connection is taken", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	select {
	case <-ended:
		t.Fatal("the gateway ended before its request did")
	default:
	}
	close(goOn)
	if got := <-answer; got != "whole" {
		t.Fatalf("got %q", got)
	}
	<-ended
}

func TestDrainTimeoutCutsWhatIsLeft(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	began := make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { close(began); <-hold })
	g := New(Options{})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", DrainTimeout: 100 * time.Millisecond}}
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Serve(ctx) }()
	failed := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + g.Addresses()[0])
		if err == nil {
			res.Body.Close()
		}
		failed <- err
	}()
	<-began
	cancel()
	<-ended
	<-failed
}

func TestRemovedEndpointDrains(t *testing.T) {
	goOn, began := make(chan struct{}), make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { close(began); <-goOn; io.WriteString(w, "whole") })
	g, url := start(t, oneService(ServiceConfig{}))
	g.SetEndpoints("web", []string{address})
	answer := make(chan string, 1)
	go func() {
		_, body := get(t, url)
		answer <- body
	}()
	<-began
	g.SetEndpoints("web", nil)
	if s := stateOf(g, "web", address).State; s != "draining" {
		t.Fatalf("state %q", s)
	}
	drained := make(chan struct{})
	go func() { defer close(drained); g.Drain(t.Context(), "web", address) }()
	if status, body := get(t, url); status != 503 || !strings.Contains(body, "no endpoint") {
		t.Fatalf("got %d %q", status, body)
	}
	select {
	case <-drained:
		t.Fatal("drained with a request under way")
	default:
	}
	close(goOn)
	<-drained
	if got := <-answer; got != "whole" {
		t.Fatalf("got %q", got)
	}
}

func TestRoutes(t *testing.T) {
	exact := func(s string) *StringMatch { return &StringMatch{Exact: s} }
	routes := []RouteConfig{
		{Name: "exact", Match: []MatchConfig{{Host: "shop.example", Path: exact("/exact")}}},
		{Name: "prefix", Match: []MatchConfig{{Host: "shop.example", Path: &StringMatch{Prefix: "/api"}}}},
		{Name: "istio prefix", Match: []MatchConfig{{Path: &StringMatch{Prefix: "/byte", BytePrefix: true}}}},
		{Name: "regex", Match: []MatchConfig{{Path: &StringMatch{Regex: "/u/[0-9]+"}}}},
		{Name: "method", Match: []MatchConfig{{Method: exact("DELETE")}}},
		{Name: "header", Match: []MatchConfig{{Headers: map[string]StringMatch{"X-Kind": {Exact: "canary"}}}}},
		{Name: "without", Match: []MatchConfig{{Path: exact("/anon"), WithoutHeaders: map[string]StringMatch{"authorization": {}}}}},
		{Name: "query", Match: []MatchConfig{{Query: map[string]StringMatch{"v": {Exact: "2"}}}}},
		{Name: "wildcard", Match: []MatchConfig{{Host: "*.example"}}},
		{Name: "either", Match: []MatchConfig{{Path: exact("/one")}, {Path: exact("/two")}}},
	}
	var compiled []*route
	for i := range routes {
		r := &route{name: routes[i].Name}
		for _, m := range routes[i].Match {
			r.match = append(r.match, newMatcher(m))
		}
		compiled = append(compiled, r)
	}
	table := newTable(compiled, nil)
	for _, c := range []struct{ request, want string }{
		{"GET /exact HTTP/1.1\r\nHost: shop.example\r\n\r\n", "exact"},
		{"GET /exact HTTP/1.1\r\nHost: SHOP.example:8080\r\n\r\n", "exact"},
		{"GET /exact/ HTTP/1.1\r\nHost: shop.other\r\n\r\n", ""},
		{"GET /api/x HTTP/1.1\r\nHost: shop.example\r\n\r\n", "prefix"},
		{"GET /api HTTP/1.1\r\nHost: shop.example\r\n\r\n", "prefix"},
		{"GET /apix HTTP/1.1\r\nHost: shop.example\r\n\r\n", "wildcard"},
		{"GET /bytes HTTP/1.1\r\nHost: a\r\n\r\n", "istio prefix"},
		{"GET /u/12 HTTP/1.1\r\nHost: a\r\n\r\n", "regex"},
		{"GET /u/12/x HTTP/1.1\r\nHost: a\r\n\r\n", ""},
		{"DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n", "method"},
		{"GET /x HTTP/1.1\r\nHost: a\r\nx-kind: canary\r\n\r\n", "header"},
		{"GET /x HTTP/1.1\r\nHost: a\r\nx-kind: stable\r\n\r\n", ""},
		{"GET /anon HTTP/1.1\r\nHost: a\r\n\r\n", "without"},
		{"GET /anon HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n\r\n", ""},
		{"GET /x?v=2 HTTP/1.1\r\nHost: a\r\n\r\n", "query"},
		{"GET /x?v=3 HTTP/1.1\r\nHost: a\r\n\r\n", ""},
		{"GET /x HTTP/1.1\r\nHost: cart.example\r\n\r\n", "wildcard"},
		{"GET /x HTTP/1.1\r\nHost: example\r\n\r\n", ""},
		{"GET /two HTTP/1.1\r\nHost: a\r\n\r\n", "either"},
	} {
		client, server := net.Pipe()
		go func() { io.WriteString(client, c.request); client.Close() }()
		x := &exchange{session: &session{}}
		if err := http1.NewConn(server, nil).ReadRequest(&x.request); err != nil {
			t.Fatalf("%q: %v", c.request, err)
		}
		got := ""
		x.host = hostOnly(x.request.Host, nil)
		if r := table.find(x); r != nil {
			got = r.name
		}
		if got != c.want {
			t.Errorf("%q: got route %q, want %q", c.request, got, c.want)
		}
	}
}

func TestWeightsShareTheRequests(t *testing.T) {
	r := &route{to: []destination{{weight: 90}, {weight: 10}}, weights: 100}
	const draws = 100_000
	n := 0
	for range draws {
		if r.pick() == &r.to[1] {
			n++
		}
	}
	// 10% within six standard deviations.
	if n < 9_430 || n > 10_570 {
		t.Fatalf("weight 10 of 100 got %d of %d", n, draws)
	}
}
