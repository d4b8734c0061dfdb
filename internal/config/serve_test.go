package config

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// upstream answers with its name.
func upstream(t *testing.T, name string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// serve runs a gateway on an assembly and returns how to ask it.
func serve(t *testing.T, a *Assembly) (ask func(host, target string) (status int, body string)) {
	t.Helper()
	g := gateway.New(gateway.Options{})
	if err := g.Apply(&a.Gateway); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = g.Serve(ctx)
	}()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() { client.CloseIdleConnections(); cancel(); <-ended })
	return func(host, target string) (int, string) {
		t.Helper()
		request, err := http.NewRequest(http.MethodGet, "http://"+g.Addresses()[0]+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
}

func TestTheArticlesVirtualServiceSharesRequests(t *testing.T) {
	a := assembled(t, Options{Listen: "127.0.0.1:0", Upstreams: []string{
		"user-service/v1=" + upstream(t, "v1"), "user-service/v2=" + upstream(t, "v2")}}, source(t, articleVirtualService))
	a.Gateway.Routes[0].Fault = nil // one in a thousand would hold the test up by 5s
	ask := serve(t, a)
	got := map[string]int{}
	const requests = 1000
	for range requests {
		_, body := ask("user-service", "/")
		got[body]++
	}
	// Five standard deviations either side of 100.
	if got["v2"] < 52 || got["v2"] > 148 || got["v1"]+got["v2"] != requests {
		t.Errorf("%v of %d requests, want 90%% and 10%%", got, requests)
	}
	if status, _ := ask("other", "/"); status != http.StatusNotFound {
		t.Errorf("a host of nobody gets %d", status)
	}
}

func TestIstioMatchesAreServedAsIstioWould(t *testing.T) {
	rules := `{match: [{uri: {prefix: /a}, ignoreUriCase: true}], route: [{destination: {host: prefix}}]},
    {match: [{authority: {prefix: "shop."}}], route: [{destination: {host: authority}}]},
    {match: [{queryParams: {q: {exact: ""}}}], route: [{destination: {host: empty}}]},
    {match: [{withoutHeaders: {user-agent: {}}, uri: {regex: "/never"}}], route: [{destination: {host: never}}]},
    {route: [{destination: {host: rest}}]}`
	o := Options{Listen: "127.0.0.1:0"}
	for _, name := range []string{"prefix", "authority", "empty", "never", "rest"} {
		o.Upstreams = append(o.Upstreams, name+"="+upstream(t, name))
	}
	ask := serve(t, assembled(t, o, virtual(`"*"`, rules)))
	for _, tt := range []struct{ host, target, want string }{
		{"x", "/Abc", "prefix"}, {"shop.example", "/", "authority"}, {"x", "/?q=", "empty"}, {"x", "/?q=1", "rest"}, {"x", "/never", "rest"},
	} {
		if _, got := ask(tt.host, tt.target); got != tt.want {
			t.Errorf("%s%s goes to %s, want %s", tt.host, tt.target, strings.TrimSpace(got), tt.want)
		}
	}
}
