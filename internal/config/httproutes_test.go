package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// apiRoute is a good HTTPRoute around its spec.
func apiRoute(name, spec string) Source {
	return Source{name + ".yaml", []byte("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " + name + "}\nspec: " + spec)}
}

func webAnd(names ...string) Options {
	o := Options{Upstreams: []string{"web=127.0.0.1:9001"}}
	for i, name := range names {
		o.Upstreams = append(o.Upstreams, fmt.Sprintf("%s=127.0.0.1:%d", name, 9002+i))
	}
	return o
}

func routesOf(t *testing.T, o Options, sources ...Source) []gateway.RouteConfig {
	t.Helper()
	a, problems := Assemble(sources, o)
	if problems.Err() != nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	return a.Gateway.Routes
}

func TestHTTPRouteBecomesRoutes(t *testing.T) {
	got := routesOf(t, webAnd("next", "shadow"), apiRoute("shop", `
  hostnames: [shop.example.com]
  rules:
  - matches: [{path: {value: /api/}, headers: [{name: X-V, value: "2"}], method: POST}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: a}], remove: [X-C]}}
    - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: X-B, value: b}]}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 80}, percent: 5}}
    - {type: URLRewrite, urlRewrite: {hostname: inner, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}
    backendRefs: [{name: web, port: 80, weight: 9}, {name: next, port: 80, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: X-N, value: n}]}}]}]
    timeouts: {request: 10s, backendRequest: 2s}
    retry: {codes: [500, 429], attempts: 2, backoff: 200ms}
    sessionPersistence: {type: Cookie, sessionName: who}
  - filters: [{type: RequestRedirect, requestRedirect: {scheme: https, port: 8443, statusCode: 308}}]
`))
	slash := "/"
	want := []gateway.RouteConfig{{
		Name:  "shop[0]",
		Match: []gateway.MatchConfig{{Host: "shop.example.com", Path: &gateway.StringMatch{Prefix: "/api"}, Method: &gateway.StringMatch{Exact: "POST"}, Headers: map[string]gateway.StringMatch{"x-v": {Exact: "2"}}}},
		To: []gateway.DestinationConfig{{Service: "web", Weight: 9},
			{Service: "next", Weight: 1, RequestHeaders: gateway.HeaderEdits{Add: map[string]string{"X-N": "n"}}}},
		Timeout: 10 * time.Second, TryTimeout: 2 * time.Second,
		Retry:   &policy.RetryConfig{Attempts: 2, Delay: 200 * time.Millisecond, DelayMax: 2 * time.Second},
		RetryOn: []gateway.RetryCondition{gateway.RetryConnectFailure, gateway.RetryTimeout}, RetryOnStatus: []int{500, 429},
		Sticky:          &gateway.StickyConfig{Cookie: "who"},
		Rewrite:         &gateway.RewriteConfig{Host: "inner", Prefix: &slash},
		RequestHeaders:  gateway.HeaderEdits{Set: map[string]string{"X-A": "a"}, Remove: []string{"X-C"}},
		ResponseHeaders: gateway.HeaderEdits{Add: map[string]string{"X-B": "b"}},
		Mirror:          []gateway.MirrorConfig{{Service: "shadow", Share: 0.05}},
	}, {
		Name: "shop[1]", Match: []gateway.MatchConfig{{Host: "shop.example.com"}},
		Redirect: &gateway.RedirectConfig{Scheme: "https", Port: 8443, Status: 308},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHTTPRoutesGoInTheAPIsOrder(t *testing.T) {
	const back = "backendRefs: [{name: web, port: 80}]"
	got := routesOf(t, webAnd(),
		apiRoute("all", "{rules: [{"+back+"}]}"),
		apiRoute("b", `{hostnames: ["*.example.com", a.example.com], rules: [
			{name: rest, `+back+`},
			{name: mixed, matches: [{path: {value: /a}}, {path: {type: Exact, value: /a/b}}, {path: {value: /c}}], `+back+`}]}`),
		apiRoute("a", `{hostnames: [a.example.com], rules: [{matches: [{path: {value: /a}}], `+back+`}]}`),
	)
	var order []string
	for _, r := range got {
		var hosts []string
		for _, m := range r.Match {
			path := "/"
			if m.Path != nil {
				path = m.Path.Prefix + m.Path.Exact
			}
			hosts = append(hosts, m.Host+path)
		}
		order = append(order, r.Name+": "+strings.Join(hosts, " "))
	}
	want := []string{
		"mixed: a.example.com/a/b",
		"a: a.example.com/a",
		"mixed (2): a.example.com/a a.example.com/c",
		"rest: a.example.com/",
		"mixed (3): *.example.com/a/b",
		"mixed (4): *.example.com/a *.example.com/c",
		"rest (2): *.example.com/",
		"all: ",
	}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Error(diff)
	}
}

func TestGRPCRouteSpeaksHTTP2(t *testing.T) {
	s := apiRoute("users", `{rules: [{matches: [{method: {service: users.Users, method: Get}}], backendRefs: [{name: web, port: 50051}]}]}`)
	s.Data = []byte(strings.Replace(string(s.Data), "HTTPRoute", "GRPCRoute", 1))
	a, problems := Assemble([]Source{s}, webAnd())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := a.Gateway.Services["web"].Protocol; got != gateway.ProtocolHTTP2 {
		t.Errorf("the service is spoken to in %q", got)
	}
	if got := a.Gateway.Routes[0].Match[0].Path; got == nil || got.Exact != "/users.Users/Get" {
		t.Errorf("got %+v", got)
	}
}

func TestHTTPRouteSemantics(t *testing.T) {
	one := func(rule string) gateway.RouteConfig {
		return routesOf(t, webAnd(), apiRoute("r", "{rules: [{"+rule+"}]}"))[0]
	}
	const back = "backendRefs: [{name: web, port: 80}], "
	if r := one(back + "timeouts: {request: 0s}"); r.Timeout != -1 || r.Match != nil || r.Retry != nil {
		t.Errorf("got %+v", r)
	}
	if r := one(back + "retry: {attempts: 0}"); r.Retry.Attempts != -1 {
		t.Errorf("got %+v", r.Retry)
	}
	if r := one("backendRefs: [{name: web, port: 80, weight: 1}, {name: web, port: 80, weight: 0}]"); r.To[1].Weight != 0 || r.To[0].Weight != 1 {
		t.Errorf("got %+v", r.To)
	}
	a, problems := Assemble([]Source{apiRoute("r", "{rules: [{backendRefs: [{name: web, port: 80, weight: 0}]}]}")}, webAnd())
	if problems.Err() != nil || a.Gateway.Routes[0].Respond.Status != 503 {
		t.Errorf("%v, got %+v", problems, a.Gateway.Routes[0])
	}
	for spec, want := range map[string]string{
		"{rules: [{backendRefs: [{name: other, port: 80}]}]}":                                                        "r.yaml:4:31: spec.rules[0].backendRefs[0]: no endpoint is known for other; give --upstream other=HOST:PORT",
		"{rules: [{backendRefs: [{name: web, port: 80}]}, {name: b, backendRefs: [{name: web, port: 81}]}]}":         "another port of web is asked for elsewhere",
		"{rules: [{" + back + "sessionPersistence: {cookieConfig: {lifetimeType: Permanent}}}]}":                     "needs its absoluteTimeout",
		"{rules: [{" + back + "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [Host]}}]}]}": "r.yaml:4:64: spec.rules[0].filters: Host is changed under rewrite: {host: NAME}",
	} {
		if _, problems := Assemble([]Source{apiRoute("r", spec)}, webAnd()); !strings.Contains(problems.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", spec, problems, want)
		}
	}
}
