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
		s := ServiceConfig{Endpoints: Addresses("127.0.0.1:9001")}
		f(&s)
		return oneService(s)
	}
	route := func(f func(*RouteConfig)) *Config {
		c := oneService(ServiceConfig{Endpoints: Addresses("127.0.0.1:9001")})
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
		{listener(ListenerConfig{Address: ":1", HTTP3: &HTTP3Config{}}), "listeners.0.http3", "needs tls: HTTP/3 is always encrypted"},
		{listener(ListenerConfig{Address: ":1", TLS: &TLSConfig{Cert: "c"}, HTTP3: &HTTP3Config{}, ProxyProtocolFrom: []string{"10.0.0.1"}}),
			"listeners.0.http3", "cannot be used with proxyProtocolFrom"},
		{listener(ListenerConfig{Address: ":1", TLS: &TLSConfig{Cert: "c"}, HTTP3: &HTTP3Config{Port: 70000}}), "listeners.0.http3.port", "want a number from 0"},
		{listener(ListenerConfig{Address: ":1", IdleTimeout: -1}), "listeners.0.idleTimeout", "want a time from 0"},
		{listener(ListenerConfig{Address: ":1", HeaderBytes: 10}), "listeners.0.headerBytes", "want 1024"},
		{listener(ListenerConfig{Address: ":1", Paths: "raw"}), "listeners.0.paths", "want one of normalize, refuse, asIs"},
		{listener(ListenerConfig{Address: ":1", Access: &AccessConfig{Allow: []MatchConfig{{}, {Host: "a b"}}}}), "listeners.0.access.allow.1.host", "want a host name"},
		{listener(ListenerConfig{Address: ":1", Transparent: &TransparentConfig{}, Access: &AccessConfig{Allow: []MatchConfig{{}}}}), "listeners.0.transparent", "leave access out"},
		{route(func(r *RouteConfig) { r.Access = &AccessConfig{} }), "routes.0.access.allow", "write allow: [{}]"},
		{route(func(r *RouteConfig) { r.Access = &AccessConfig{Allow: []MatchConfig{{}}, Deny: []MatchConfig{{}}} }), "routes.0.access.deny", "refuses everything"},
		{route(func(r *RouteConfig) { r.Access = &AccessConfig{Allow: []MatchConfig{{Path: path("/a%20b")}}} }), "routes.0.access.allow.0.path", "without escapes"},
		{listener(ListenerConfig{Address: ":1", BodyBytes: -1}), "listeners.0.bodyBytes", "want 0"},
		{listener(ListenerConfig{Address: ":1", TrustedPeers: []string{"10.0.0.0/8", "shop"}}), "listeners.0.trustedPeers.1", "want an address or a network"},
		{listener(ListenerConfig{Address: ":1", TrustedPeers: []string{"10.1.2.3/8"}}), "listeners.0.trustedPeers.0", "write 10.0.0.0/8 or 10.1.2.3"},
		{&Config{Listeners: []ListenerConfig{{Address: "8080"}, {Address: "127.0.0.1:8080"}}}, "listeners.1.address", "another listener"},
		{route(func(r *RouteConfig) { r.To = nil }), "routes.0.to", "needs a service"},
		{route(func(r *RouteConfig) { r.To[0].Service = "wep" }), "routes.0.to.0.service", "the services are web"},
		{route(func(r *RouteConfig) { r.To[0].Weight = -1 }), "routes.0.to.0.weight", "want a number from 0"},
		{route(func(r *RouteConfig) { r.TryTimeout = -1 }), "routes.0.tryTimeout", "want a time from 0"},
		{route(func(r *RouteConfig) { r.Timeout, r.TryTimeout = time.Second, time.Minute }), "routes.0.tryTimeout", "may not take longer"},
		{route(func(r *RouteConfig) { r.RetryOn = []RetryCondition{"bad"} }), "routes.0.retryOn.0", "want one of"},
		{route(func(r *RouteConfig) { r.RetryOnStatus = []int{503, 200} }), "routes.0.retryOnStatus.1", "want a status from 400 to 599"},
		{route(func(r *RouteConfig) { r.RetryOnGRPC = []GRPCStatus{"ABORTED", "OK"} }), "routes.0.retryOnGRPC.1", "want one of CANCELLED, UNKNOWN"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Host: "a b"}} }), "routes.0.match.0.host", "want a host name"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Scheme: "ftp"}} }), "routes.0.match.0.scheme", "want http or https"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Path: &StringMatch{Prefix: "x"}}} }), "routes.0.match.0.path.prefix", "write /x"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Path: &StringMatch{Regex: "("}}} }), "routes.0.match.0.path.regex", "missing closing"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Path: &StringMatch{Exact: "/a", Prefix: "/a"}}} }), "routes.0.match.0.path", "want one of exact"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Headers: map[string]StringMatch{"a b": {}}}} }), "routes.0.match.0.headers.a b", "cannot be a header's name"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Cookies: map[string]StringMatch{"a;b": {}}}} }), "routes.0.match.0.cookies.a;b", "cannot be a cookie's name"},
		{route(func(r *RouteConfig) { r.Match = []MatchConfig{{Clients: []string{"x"}}} }), "routes.0.match.0.clients.0", "want an address or a network"},
		{route(func(r *RouteConfig) { r.Priority = "urgent" }), "routes.0.priority", "want one of critical"},
		{route(func(r *RouteConfig) { r.User.Cookie = "a;b" }), "routes.0.user.cookie", "cannot be a cookie's name"},
		{route(func(r *RouteConfig) { r.ReplayBytes = -1 }), "routes.0.replayBytes", "want a number from 0"},
		{route(func(r *RouteConfig) { r.StallTimeout = -1 }), "routes.0.stallTimeout", "want a time from 0"},
		{service(func(s *ServiceConfig) { s.User.Header = ":" }), "services.web.user.header", "cannot be a header's name"},
		{route(func(r *RouteConfig) { r.Fallback = &FallbackConfig{Status: 100} }), "routes.0.fallback.status", "want a status from 200"},
		{route(func(r *RouteConfig) { r.RateLimits = []LimitConfig{{By: KeyConfig{Client: true}}} }), "routes.0.rateLimits.0.requests", "want more than 0"},
		{route(func(r *RouteConfig) { r.RateLimits = []LimitConfig{perHour(1, KeyConfig{Header: "a b"})} }), "routes.0.rateLimits.0.by.header", "cannot be a header's name"},
		{route(func(r *RouteConfig) { r.RateLimits = []LimitConfig{perHour(1, KeyConfig{Cookie: "a;b"})} }), "routes.0.rateLimits.0.by.cookie", "cannot be a cookie's name"},
		{route(func(r *RouteConfig) { r.Hedge = &policy.HedgeConfig{Max: 2} }), "routes.0.hedge.max", "the gateway tries once more at most"},
		{service(func(s *ServiceConfig) { s.Hedge = &policy.HedgeConfig{Quantile: 2} }), "services.web.hedge.quantile", "want 0%"},
		{route(func(r *RouteConfig) { r.Retry = &policy.RetryConfig{Attempts: 1000} }), "routes.0.retry.attempts", "want at most 100"},
		{service(func(s *ServiceConfig) { s.Endpoints[0].Address = "a" }), "services.web.endpoints.0", "want host:port"},
		{service(func(s *ServiceConfig) { s.Endpoints[0].Address = "a:0" }), "services.web.endpoints.0", "want a port from 1"},
		{service(func(s *ServiceConfig) { s.Endpoints = append(s.Endpoints, s.Endpoints[0]) }), "services.web.endpoints.1", "there twice"},
		{service(func(s *ServiceConfig) { s.Balance = "fastest" }), "services.web.balance", "want one of leastLoaded, peakEWMA, roundRobin"},
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
	c := oneService(ServiceConfig{Endpoints: Addresses("a"), Balance: "x"})
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
