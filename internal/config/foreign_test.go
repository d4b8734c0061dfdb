package config

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

func source(t *testing.T, name string) Source {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return Source{Name: name, Data: data}
}

// The documents of the article, unchanged.
const (
	articleVirtualService = "istio/testdata/article.yaml"
	articleDeployment     = "kube/testdata/article.yaml"
)

var twoUpstreams = []string{"user-service/v1=127.0.0.1:9001,127.0.0.1:9011", "user-service/v2=127.0.0.1:9002"}

// assembled wants an assembly, whatever warnings come with it.
func assembled(t *testing.T, o Options, sources ...Source) *Assembly {
	t.Helper()
	a, problems := Assemble(sources, o)
	if a == nil {
		t.Fatal(problems)
	}
	return a
}

func TestTheArticlesVirtualServiceRoutesWithTwoUpstreams(t *testing.T) {
	a := assembled(t, Options{Upstreams: twoUpstreams}, source(t, articleVirtualService))
	want := []gateway.RouteConfig{{
		Name:    "user-service",
		Match:   []gateway.MatchConfig{{Host: "user-service"}},
		To:      []gateway.DestinationConfig{{Service: "user-service/v1", Weight: 90}, {Service: "user-service/v2", Weight: 10}},
		Timeout: 10 * time.Second, TryTimeout: 3 * time.Second,
		Retry:   &policy.RetryConfig{Attempts: 3, Delay: 25 * time.Millisecond},
		RetryOn: []gateway.RetryCondition{gateway.RetryConnectFailure, gateway.RetryTimeout}, RetryOnStatus: []int{503},
		RetryOnGRPC: []gateway.GRPCStatus{"UNAVAILABLE", "CANCELLED"}, // all but the timeout are Istio's default
		Fault:       &gateway.FaultConfig{FaultConfig: policy.FaultConfig{Delay: policy.FaultDelay{Share: 0.001, Duration: 5 * time.Second}}},
	}}
	if diff := cmp.Diff(want, a.Gateway.Routes); diff != "" {
		t.Error(diff)
	}
	endpoints := a.Gateway.Services["user-service/v1"].Endpoints
	if diff := cmp.Diff(gateway.Addresses("127.0.0.1:9001", "127.0.0.1:9011"), endpoints); diff != "" {
		t.Error(diff)
	}
}

func TestTheArticlesVirtualServiceWithoutUpstreamsSaysWhatToWrite(t *testing.T) {
	_, problems := Assemble([]Source{source(t, articleVirtualService)}, Options{})
	want := articleVirtualService + ":20:7: spec.http[0].route[0].destination: no endpoint is known for user-service, subset v1; " +
		"give --upstream user-service/v1=HOST:PORT, or write services: {user-service/v1: {endpoints: [HOST:PORT]}} in an afloat.yaml\n" +
		articleVirtualService + ":24:7: spec.http[0].route[1].destination: no endpoint is known for user-service, subset v2; " +
		"give --upstream user-service/v2=HOST:PORT, or write services: {user-service/v2: {endpoints: [HOST:PORT]}} in an afloat.yaml"
	if diff := cmp.Diff(want, problems.Errors().Error()); diff != "" {
		t.Error(diff)
	}
}

func TestAnAfloatFileGivesEndpointsToDestinations(t *testing.T) {
	own := Source{"afloat.yaml", []byte(`services:
  user-service/v1: {endpoints: [127.0.0.1:9001], timeout: 1s}
  user-service/v2: {endpoints: [127.0.0.1:9002]}
`)}
	a := assembled(t, Options{}, source(t, articleVirtualService), own)
	if len(a.Gateway.Routes) != 1 || len(a.Gateway.Services) != 2 || a.Gateway.Services["user-service/v1"].Timeout != time.Second {
		t.Errorf("%+v", a.Gateway)
	}
}

func TestTheArticlesDeploymentPassesButDoesNotRun(t *testing.T) {
	a, problems := Assemble([]Source{source(t, articleDeployment)}, Options{})
	if a == nil || len(problems) != 1 {
		t.Fatal(problems)
	}
	want := "nothing can run; kube/testdata/article.yaml:5: Deployment web-app: container web has image nginx:1.20 and no command. " +
		"Afloat runs local commands, it pulls no images: nothing would run: add spec.template.spec.containers[0].command, or give --upstream web-app=HOST:PORT"
	if err := a.Runnable(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	a = assembled(t, Options{Upstreams: []string{"web-app=127.0.0.1:9001"}}, source(t, articleDeployment))
	if err := a.Runnable(); err != nil {
		t.Error(err)
	}
}

// withCommand is the article's Deployment with a command and nothing else changed.
func withCommand(t *testing.T, command string) Source {
	t.Helper()
	s := source(t, articleDeployment)
	s.Data = bytes.Replace(s.Data, []byte("image: nginx:1.20"), []byte("image: nginx:1.20\n        command: ["+command+"]"), 1)
	return s
}

func TestTheArticlesDeploymentRunsWithACommand(t *testing.T) {
	a := assembled(t, Options{}, withCommand(t, "./web, --port, $(PORT)"))
	want := []supervise.Config{{
		Name: "web-app", Command: []string{"./web", "--port", "$(PORT)"}, Replicas: 3, Ports: []int{8080}, Grace: 30 * time.Second,
		Readiness: &supervise.ProbeConfig{HTTP: &supervise.HTTPProbe{Path: "/health", Port: 8080, Scheme: "http"},
			InitialDelay: 10 * time.Second, Period: 5 * time.Second, Timeout: time.Second, SuccessThreshold: 1, FailureThreshold: 3},
		Liveness: &supervise.ProbeConfig{HTTP: &supervise.HTTPProbe{Path: "/health", Port: 8080, Scheme: "http"},
			InitialDelay: 30 * time.Second, Period: 10 * time.Second, Timeout: time.Second, SuccessThreshold: 1, FailureThreshold: 3},
		Requests: supervise.ResourcesConfig{CPU: 0.1, Memory: 128 << 20},
		Limits:   supervise.LimitsConfig{CPU: 0.5, Memory: 512 << 20},
		Rolling:  supervise.RollingConfig{MaxUnavailable: "1", MaxSurge: "1", ProgressDeadline: 10 * time.Minute},
	}}
	if diff := cmp.Diff(want, a.Processes); diff != "" {
		t.Error(diff)
	}
	if err := a.Runnable(); err != nil || len(a.Gateway.Routes) != 1 || a.Gateway.Routes[0].To[0].Service != "web-app" {
		t.Errorf("%v: %+v", err, a.Gateway.Routes)
	}
}

func TestSubsetsFindDeploymentsByTheirLabels(t *testing.T) {
	rule := Source{"rule.yaml", []byte(`apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: user-service}
spec:
  host: user-service
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    outlierDetection: {consecutive5xxErrors: 7, baseEjectionTime: 20s, maxEjectionPercent: 30, minHealthPercent: 40}
  subsets:
  - {name: v1, labels: {app: web-app}}
  - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}}
`)}
	o := Options{Upstreams: twoUpstreams[1:]}
	a := assembled(t, o, source(t, articleVirtualService), rule, withCommand(t, "./web"))
	to := []gateway.DestinationConfig{{Service: "web-app", Weight: 90}, {Service: "user-service/v2", Weight: 10}}
	if diff := cmp.Diff(to, a.Gateway.Routes[0].To); diff != "" {
		t.Error(diff)
	}
	v1, v2 := a.Gateway.Services["web-app"], a.Gateway.Services["user-service/v2"]
	if v1.Balance != gateway.BalanceRoundRobin || v2.Balance != gateway.BalanceLeastLoaded {
		t.Errorf("balance %s and %s", v1.Balance, v2.Balance)
	}
	if b := v1.Breaker; b.ConsecutiveFailures != 7 || b.OpenDuration != 20*time.Second || v1.Outlier.EjectedMax != 0.3 || v1.PanicBelow != 0.4 {
		t.Errorf("%+v %+v, panic below %v", b, v1.Outlier, v1.PanicBelow)
	}
}

func TestEjectionThatBreakersDoNotKeepToIsWarnedOf(t *testing.T) {
	for outlier, warned := range map[string]bool{
		"maxEjectionPercent: 30":                          true,
		"maxEjectionPercent: 100":                         false,
		"consecutive5xxErrors: 5":                         false,
		"consecutive5xxErrors: 0, maxEjectionPercent: 30": false, // breakers do not open
	} {
		rule := Source{"rule.yaml", []byte("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web}\nspec:\n  host: web\n" +
			"  trafficPolicy: {outlierDetection: {" + outlier + "}}\n")}
		_, problems := Assemble([]Source{virtual("web", "{route: [{destination: {host: web}}]}"), rule}, Options{Upstreams: []string{"web=127.0.0.1:9001"}})
		if got := strings.Contains(fmt.Sprint(problems.Warnings()), "bounds ejection by comparison only"); got != warned {
			t.Errorf("%s: warned %v: %v", outlier, got, problems)
		}
	}
}

// virtual is a VirtualService named by its first host.
func virtual(hosts, http string) Source {
	return Source{"vs.yaml", []byte("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: vs}\nspec:\n  hosts: [" +
		hosts + "]\n  http: [" + http + "]\n")}
}

func TestIstioSemantics(t *testing.T) {
	const to = "route: [{destination: {host: web}}]"
	routes := func(sources ...Source) []gateway.RouteConfig {
		t.Helper()
		return assembled(t, Options{Upstreams: []string{"web=127.0.0.1:9001"}}, sources...).Gateway.Routes
	}
	t.Run("no timeout is none, no retries are two", func(t *testing.T) {
		r := routes(virtual(`"*"`, "{"+to+"}"))[0]
		if r.Timeout >= 0 || r.Retry.Attempts != 2 || r.Match != nil || len(r.RetryOn) != 1 || len(r.RetryOnStatus) != 1 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("attempts 0 is no retry", func(t *testing.T) {
		if r := routes(virtual(`"*"`, "{retries: {attempts: 0}, "+to+"}"))[0]; r.Retry.Attempts >= 0 {
			t.Errorf("%+v", r.Retry)
		}
	})
	t.Run("matches are byte prefixes, crossed with hosts", func(t *testing.T) {
		r := routes(virtual("a.example, b.example", `{match: [{uri: {prefix: /a}, ignoreUriCase: true}, {headers: {x: {}}, queryParams: {q: {exact: ""}}, authority: {regex: "a.*"}}], `+to+"}"))[0]
		path := gateway.MatchConfig{Host: "a.example", Path: &gateway.StringMatch{Prefix: "/a", BytePrefix: true, IgnoreCase: true}}
		rest := gateway.MatchConfig{Host: "a.example",
			Headers: map[string]gateway.StringMatch{"x": {BytePrefix: true}, "host": {Regex: "a.*", BytePrefix: true}},
			Query:   map[string]gateway.StringMatch{"q": {Regex: "()", BytePrefix: true}}}
		want := []gateway.MatchConfig{path, rest}
		if diff := cmp.Diff(want, r.Match[:2]); diff != "" || len(r.Match) != 4 || r.Match[2].Host != "b.example" {
			t.Errorf("%s\n%+v", diff, r.Match)
		}
	})
	t.Run("the more specific host goes first", func(t *testing.T) {
		r := routes(virtual(`"*", "*.example", shop.example, "*.eu.example"`, "{"+to+"}"))
		var hosts []string
		for _, one := range r {
			host := "any"
			if len(one.Match) > 0 {
				host = one.Match[0].Host
			}
			hosts = append(hosts, host)
		}
		if got := strings.Join(hosts, " "); got != "shop.example *.eu.example *.example any" {
			t.Error(got)
		}
	})
	t.Run("retryOn is mapped, and what has no counterpart warned of", func(t *testing.T) {
		s := virtual(`"*"`, `{retries: {attempts: 1, retryOn: "gateway-error,retriable-4xx,418,cancelled,resource-exhausted,envoy-ratelimited"}, `+to+"}")
		a, problems := Assemble([]Source{s}, Options{Upstreams: []string{"web=127.0.0.1:9001"}})
		want := []gateway.RetryCondition{gateway.RetryConnectFailure, gateway.RetryReset, gateway.RetryTimeout, gateway.RetryUnavailable}
		r := a.Gateway.Routes[0]
		if diff := cmp.Diff(want, r.RetryOn) + cmp.Diff([]int{409, 418}, r.RetryOnStatus) +
			cmp.Diff([]gateway.GRPCStatus{"CANCELLED", "RESOURCE_EXHAUSTED"}, r.RetryOnGRPC); diff != "" || len(problems.Warnings()) != 1 {
			t.Errorf("%s\n%v", diff, problems)
		}
	})
	t.Run("schemes are those that there are", func(t *testing.T) {
		a, problems := Assemble([]Source{virtual(`"*"`, "{match: [{scheme: {exact: https}}], "+to+"}, {match: [{scheme: {regex: 'https?'}}], "+to+"}, {match: [{scheme: {exact: ftp}}], "+to+"}")}, Options{Upstreams: []string{"web=127.0.0.1:9001"}})
		if r := a.Gateway.Routes; len(r) != 2 || r[0].Match[0].Scheme != "https" || r[1].Match != nil || !strings.Contains(problems.Error(), "never matches") {
			t.Errorf("%v %+v", problems, a.Gateway.Routes)
		}
	})
}

func TestGatewayProblemsOfForeignDocumentsShowTheirPlace(t *testing.T) {
	s := virtual(`"*"`, "{timeout: 48h, retries: {attempts: 1000}, match: [{uri: {prefix: api}}], route: [{destination: {host: web}}]}")
	_, problems := Assemble([]Source{s}, Options{Upstreams: []string{"web=127.0.0.1:9001"}})
	want := `vs.yaml:6:20: spec.http[0].timeout: want a time from 0 to 24h0m0s, got 48h0m0s
vs.yaml:6:45: spec.http[0].retries.attempts: want at most 100, got 1000
vs.yaml:6:75: spec.http[0].match[0].uri.prefix: a path begins with /: write /api`
	if diff := cmp.Diff(want, problems.Error()); diff != "" {
		t.Error(diff)
	}
	d := withCommand(t, "./web")
	d.Data = bytes.Replace(d.Data, []byte("initialDelaySeconds: 10"), []byte("initialDelaySeconds: 100000"), 1)
	_, problems = Assemble([]Source{d}, Options{})
	want = `kube/testdata/article.yaml:36:32: spec.template.spec.containers[0].readinessProbe.initialDelaySeconds: 27h46m40s is too long: at most 24h0m0s`
	if diff := cmp.Diff(want, problems.Errors().Error()); diff != "" {
		t.Error(diff)
	}
}
