package gateway

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

func TestValidateNamesThePlaceAndTheMend(t *testing.T) {
	service := func(f func(*ServiceConfig)) *Config {
		s := ServiceConfig{Endpoints: []string{"127.0.0.1:9001"}}
		f(&s)
		return oneService(s)
	}
	route := func(f func(*RouteConfig)) *Config {
		c := oneService(ServiceConfig{Endpoints: []string{"127.0.0.1:9001"}})
		f(&c.Routes[0])
		return c
	}
	listener := func(l ListenerConfig) *Config { return &Config{Listeners: []ListenerConfig{l}} }
	for _, c := range []struct {
		config     *Config
		path, want string
	}{
		{listener(ListenerConfig{Address: "localhost"}), "listeners.0.address", "want host:port"},
		{listener(ListenerConfig{Address: "a:70000"}), "listeners.0.address", "want a port from 0 to 65535"},
		{listener(ListenerConfig{Address: ":1", IdleTimeout: -1}), "listeners.0.idleTimeout", "want a time from 0"},
		{listener(ListenerConfig{Address: ":1", HeaderBytes: 10}), "listeners.0.headerBytes", "want 1024"},
		{listener(ListenerConfig{Address: ":1", BodyBytes: -1}), "listeners.0.bodyBytes", "want 0"},
		{&Config{Listeners: []ListenerConfig{{Address: "8080"}, {Address: "127.0.0.1:8080"}}}, "listeners.1.address", "another listener"},
		{route(func(r *RouteConfig) { r.To = nil }), "routes.0.to", "needs a service"},
		{route(func(r *RouteConfig) { r.To[0].Service = "wep" }), "routes.0.to.0.service", "the services are web"},
		{route(func(r *RouteConfig) { r.To[0].Weight = -1 }), "routes.0.to.0.weight", "want a number from 0"},
		{route(func(r *RouteConfig) { r.TryTimeout = -1 }), "routes.0.tryTimeout", "want a time from 0"},
		{route(func(r *RouteConfig) { r.Timeout, r.TryTimeout = time.Second, time.Minute }), "routes.0.tryTimeout", "may not take longer"},
		{route(func(r *RouteConfig) { r.RetryOn = []RetryCondition{"bad"} }), "routes.0.retryOn.0", "want one of"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Host: "a b"}} }), "routes.0.match.0.host", "want a host name"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Path: &StringMatch{Prefix: "x"}}} }), "routes.0.match.0.path.prefix", "write /x"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Path: &StringMatch{Regex: "("}}} }), "routes.0.match.0.path.regex", "missing closing"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Path: &StringMatch{Exact: "/a", Prefix: "/a"}}} }), "routes.0.match.0.path", "want one of exact"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Headers: map[string]StringMatch{"a b": {}}}} }), "routes.0.match.0.headers.a b", "cannot be a header's name"},
		{route(func(r *RouteConfig) { r.Fallback = &FallbackConfig{Status: 100} }), "routes.0.fallback.status", "want a status from 200"},
		{route(func(r *RouteConfig) { r.Retry = &policy.RetryConfig{Attempts: 1000} }), "routes.0.retry.attempts", "want at most 100"},
		{service(func(s *ServiceConfig) { s.Endpoints[0] = "a" }), "services.web.endpoints.0", "want host:port"},
		{service(func(s *ServiceConfig) { s.Endpoints[0] = "a:0" }), "services.web.endpoints.0", "want a port from 1"},
		{service(func(s *ServiceConfig) { s.Endpoints = append(s.Endpoints, s.Endpoints[0]) }), "services.web.endpoints.1", "there twice"},
		{service(func(s *ServiceConfig) { s.Balance = "random" }), "services.web.balance", "want leastLoaded or roundRobin"},
		{service(func(s *ServiceConfig) { s.ConnectTimeout = -1 }), "services.web.connectTimeout", "want a time from 0"},
		{service(func(s *ServiceConfig) { s.Timeout = 48 * time.Hour }), "services.web.timeout", "want a time from 0"},
		{service(func(s *ServiceConfig) { s.ReplayBytes = 1 << 30 }), "services.web.replayBytes", "want a number from 0"},
		{service(func(s *ServiceConfig) { s.Outlier.Interval = 1 }), "services.web.outlier.interval", "want 10ms to 10s"},
		{service(func(s *ServiceConfig) { s.Outlier.Interval = time.Minute }), "services.web.outlier.interval", "want 10ms to 10s"},
		{service(func(s *ServiceConfig) { s.Outlier.LatencyFactor = 0.5 }), "services.web.outlier.latencyFactor", "want 1 or more"},
		{service(func(s *ServiceConfig) { s.Outlier.EjectedMax = 2 }), "services.web.outlier.ejectedMax", "want 0% to 100%"},
		{service(func(s *ServiceConfig) { s.Health.Path = "health" }), "services.web.health.path", "want a path such as /health"},
		{service(func(s *ServiceConfig) { s.Health.Path = "/a\r\nX: y" }), "services.web.health.path", "want a path"},
		{service(func(s *ServiceConfig) { s.Health.Interval = 1 }), "services.web.health.interval", "want 10ms to 24h"},
		{service(func(s *ServiceConfig) { s.Breaker.FailureRate = 2 }), "services.web.breaker.failureRate", "want at most 100%"},
	} {
		err := c.config.Validate()
		problem, ok := errors.AsType[*ConfigError](err)
		if !ok {
			t.Errorf("%s: no problem found", c.path)
			continue
		}
		if got := strings.Join(problem.Path, "."); got != c.path || !strings.Contains(problem.Problem, c.want) {
			t.Errorf("got %q, want %s: %s", err, c.path, c.want)
		}
	}
}

func TestValidateFindsEveryProblem(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: []string{"a"}, Balance: "x"})
	c.Listeners = []ListenerConfig{{Address: "x"}}
	c.Routes[0].To[0].Service = "none"
	if n := len(flatten(c.Validate())); n != 4 {
		t.Fatalf("%d problems: %v", n, c.Validate())
	}
}

func TestNegativeTimeoutsAreValid(t *testing.T) {
	c := oneService(ServiceConfig{Timeout: -time.Second})
	c.Routes[0].Timeout = -time.Second
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestListenAddressIsCompleted(t *testing.T) {
	for address, want := range map[string]string{
		"8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080", "0.0.0.0:80": "0.0.0.0:80", "[::]:80": "[::]:80",
		"localhost:0080": "localhost:80", "": "", "a": "", "a:b": "", ":65536": "", "-1": "", "::1": "",
	} {
		got, err := ListenAddress(address)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", address, got, err, want)
		}
	}
}
