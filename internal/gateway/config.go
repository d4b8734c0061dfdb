package gateway

import (
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// Config is all that the gateway serves. It is immutable once applied.
type Config struct {
	// Listeners are the addresses that take requests.
	Listeners []ListenerConfig `yaml:"listeners"`
	// Routes are tried in order; the first that matches takes the request.
	Routes []RouteConfig `yaml:"routes"`
	// Services are where requests go, by name.
	Services map[string]ServiceConfig `yaml:"services"`
}

// ListenerConfig is one address that takes requests, and what it bears from
// its clients.
type ListenerConfig struct {
	// Address is host:port; a port without a host listens on loopback.
	Address string `yaml:"address"`
	// HeaderTimeout is how long a client may take to send a request's head.
	// Default 10s.
	HeaderTimeout time.Duration `yaml:"headerTimeout"`
	// IdleTimeout is how long a connection may wait for its next request.
	// Default 75s.
	IdleTimeout time.Duration `yaml:"idleTimeout"`
	// StallTimeout is how long a client may send or take no byte in the
	// middle of a request or response. Default 30s.
	StallTimeout time.Duration `yaml:"stallTimeout"`
	// HeaderBytes bounds a request's head. Default 32768.
	HeaderBytes int `yaml:"headerBytes"`
	// BodyBytes bounds a request's body. Default 0: unbounded, since bodies
	// are streamed.
	BodyBytes int64 `yaml:"bodyBytes"`
	// ConnectionsMax bounds the open connections; more wait in the kernel's
	// queue. Default 10000.
	ConnectionsMax int `yaml:"connectionsMax"`
	// DrainTimeout is how long requests under way may go on after the gateway
	// was told to stop. Default 30s.
	DrainTimeout time.Duration `yaml:"drainTimeout"`
}

// RouteConfig says which requests go where, and under which policies. Fields
// that are not set come from the service.
type RouteConfig struct {
	// Name is what metrics and status call the route. Default: made from its
	// matches and its place.
	Name string `yaml:"name"`
	// Match lists alternatives; a request needs to match one of them. An
	// empty list matches every request.
	Match []MatchConfig `yaml:"match"`
	// To shares the requests among services by weight.
	To []DestinationConfig `yaml:"to"`
	// Timeout bounds a request with all its tries, until the response has
	// begun; the time in which the client sends a body does not count.
	// Default: the service's; negative: none.
	Timeout time.Duration `yaml:"timeout"`
	// TryTimeout bounds one try. Default: the service's.
	TryTimeout time.Duration `yaml:"tryTimeout"`
	// Retry says how tries that failed are repeated. Default: the service's.
	Retry *policy.RetryConfig `yaml:"retry"`
	// RetryOn lists what is repeated. Default: the service's.
	RetryOn []RetryCondition `yaml:"retryOn"`
	// RateLimit bounds the requests that the route takes. Default: none.
	RateLimit *policy.RateLimitConfig `yaml:"rateLimit"`
	// Fault spoils a share of the requests, to learn what happens then.
	Fault *policy.FaultConfig `yaml:"fault"`
	// Fallback answers in place of a failure.
	Fallback *FallbackConfig `yaml:"fallback"`
}

// MatchConfig is a condition on a request. All that is set must hold.
type MatchConfig struct {
	// Host is the request's host without its port: a name, or "*.name" for
	// every name below it.
	Host string `yaml:"host"`
	// Path is compared with the request's path.
	Path *StringMatch `yaml:"path"`
	// Method is compared with the request's method.
	Method *StringMatch `yaml:"method"`
	// Headers must each be present and match.
	Headers map[string]StringMatch `yaml:"headers"`
	// WithoutHeaders must each be absent or not match.
	WithoutHeaders map[string]StringMatch `yaml:"withoutHeaders"`
	// Query parameters must each be present and match.
	Query map[string]StringMatch `yaml:"query"`
}

// StringMatch compares a string in one way. With none set, any string matches.
type StringMatch struct {
	// Exact must be the whole string.
	Exact string `yaml:"exact"`
	// Prefix must begin the string. A path prefix ends at a slash: /a matches
	// /a and /a/b but not /ab.
	Prefix string `yaml:"prefix"`
	// Regex must match the whole string, in RE2 syntax.
	Regex string `yaml:"regex"`
	// IgnoreCase compares letters of either case as equal.
	IgnoreCase bool `yaml:"ignoreCase"`
	// BytePrefix makes Prefix match at any byte, as Istio's does.
	BytePrefix bool `yaml:"-"`
}

// DestinationConfig is a service and its share of a route.
type DestinationConfig struct {
	// Service is a name from services.
	Service string `yaml:"service"`
	// Weight is the share, in proportion to the sum of the weights. Default 1
	// when no destination of the route has one, and else 0.
	Weight int `yaml:"weight"`
}

// FallbackConfig is a static answer for requests that failed or were shed.
type FallbackConfig struct {
	// Status of the answer. Default 200.
	Status int `yaml:"status"`
	// ContentType of the answer. Default text/plain; charset=utf-8.
	ContentType string `yaml:"contentType"`
	// Body of the answer, at most 64 KiB.
	Body string `yaml:"body"`
}

// ServiceConfig is a set of endpoints that do the same work, and how they are
// protected. Its zero value has sensible defaults.
type ServiceConfig struct {
	// Endpoints are host:port addresses. A service whose processes Afloat
	// supervises has none here: its replicas are added as they get ready.
	Endpoints []string `yaml:"endpoints"`
	// Balance picks an endpoint: leastLoaded compares two at random, and
	// roundRobin takes them in turn. Default leastLoaded.
	Balance Balance `yaml:"balance"`
	// Timeout bounds a request with all its tries, until its response has
	// begun. Default 15s; negative, such as -1s: none.
	Timeout time.Duration `yaml:"timeout" min:"-1s"`
	// TryTimeout bounds one try, until its response has begun. Default: none
	// but Timeout.
	TryTimeout time.Duration `yaml:"tryTimeout"`
	// StallTimeout is how long an endpoint may send or take no byte of a body.
	// A stream of server-sent events may be silent for longer. Default 30s.
	StallTimeout time.Duration `yaml:"stallTimeout"`
	// ConnectTimeout bounds a connection's making. Default 1s.
	ConnectTimeout time.Duration `yaml:"connectTimeout"`
	// Retry says how tries that failed are repeated, on another endpoint where
	// there is one.
	Retry policy.RetryConfig `yaml:"retry"`
	// RetryOn lists what is repeated. Default: connectFailure, reset,
	// unavailable, 5xx and timeout; after the request may have reached the
	// endpoint, only for idempotent methods.
	RetryOn []RetryCondition `yaml:"retryOn"`
	// RetryNonIdempotent repeats POST and PATCH too.
	RetryNonIdempotent bool `yaml:"retryNonIdempotent"`
	// ReplayBytes is how much of a request's body is kept for a repeat.
	// Default 65536; a longer body is not repeated.
	ReplayBytes int `yaml:"replayBytes"`
	// Breaker opens for an endpoint that fails.
	Breaker policy.BreakerConfig `yaml:"breaker"`
	// Outlier ejects an endpoint that does worse than the others.
	Outlier OutlierConfig `yaml:"outlier"`
	// Concurrency bounds the requests under way, and learns the bound.
	Concurrency policy.AdaptiveConfig `yaml:"concurrency"`
	// Health asks each endpoint whether it can serve.
	Health HealthConfig `yaml:"health"`
	// IdleConnectionsMax is how many idle connections are kept for an
	// endpoint. Default 256.
	IdleConnectionsMax int `yaml:"idleConnectionsMax"`
	// IdleTimeout is how long an idle connection is kept. Default 60s.
	IdleTimeout time.Duration `yaml:"idleTimeout"`
	// ConnectionsMax bounds an endpoint's connections. Default 4096.
	ConnectionsMax int `yaml:"connectionsMax"`
}

// Balance is how an endpoint is picked.
type Balance string

const (
	// BalanceLeastLoaded takes the less loaded of two endpoints at random.
	// See M. Mitzenmacher, "The Power of Two Choices in Randomized Load
	// Balancing", IEEE TPDS 12(10), 2001.
	BalanceLeastLoaded Balance = "leastLoaded"
	// BalanceRoundRobin takes endpoints in turn.
	BalanceRoundRobin Balance = "roundRobin"
)

// Enum lists what a configuration file may say.
func (Balance) Enum() []string { return []string{"leastLoaded", "roundRobin"} }

// RetryCondition is a way for a try to fail that may be repeated.
type RetryCondition string

// Conditions that a route or service may list under retryOn.
const (
	// RetryConnectFailure: no connection could be made, so that the request
	// did not reach the endpoint. Repeated for every method.
	RetryConnectFailure RetryCondition = "connectFailure"
	// RetryReset: the connection broke before a response had begun.
	RetryReset RetryCondition = "reset"
	// RetryUnavailable: the endpoint answered 502, 503 or 504.
	RetryUnavailable RetryCondition = "unavailable"
	// Retry5xx: the endpoint answered any 5xx.
	Retry5xx RetryCondition = "5xx"
	// RetryTimeout: the try took longer than TryTimeout.
	RetryTimeout RetryCondition = "timeout"
)

// Enum lists what a configuration file may say.
func (RetryCondition) Enum() []string {
	return []string{"connectFailure", "reset", "unavailable", "5xx", "timeout"}
}

// OutlierConfig says when an endpoint is so much worse than the rest of its
// service that it is ejected. The last endpoints are never ejected.
type OutlierConfig struct {
	// Disabled leaves ejection to the breaker and the health checks.
	Disabled bool `yaml:"disabled"`
	// Interval is how often endpoints are compared. Default 250ms.
	Interval time.Duration `yaml:"interval"`
	// FailureRate is from when on an endpoint can be an outlier by failures;
	// it must also be three times that of the others. Default 10%.
	FailureRate policy.Ratio `yaml:"failureRate"`
	// LatencyFactor is how many times slower than the others an endpoint may
	// be. Default 4.
	LatencyFactor float64 `yaml:"latencyFactor"`
	// LatencyMin is a difference that is never too slow. Default 20ms.
	LatencyMin time.Duration `yaml:"latencyMin"`
	// MinimumCalls is how many results an endpoint must have in 10 s.
	// Default 10.
	MinimumCalls int `yaml:"minimumCalls"`
	// EjectedMax is the largest share of a service's endpoints that may be
	// ejected at once. Default 50%.
	EjectedMax policy.Ratio `yaml:"ejectedMax"`
}

// HealthConfig is how endpoints are asked whether they can serve. Without a
// path, an endpoint is trusted until its connections fail, and then asked by
// connecting.
type HealthConfig struct {
	// Path is requested with GET; 200 to 399 is healthy.
	Path string `yaml:"path"`
	// Interval between two checks of an endpoint. Default 1s.
	Interval time.Duration `yaml:"interval"`
	// Timeout of one check. Default 1s, or Interval where that is less.
	Timeout time.Duration `yaml:"timeout"`
	// UnhealthyThreshold is how many checks must fail in a row. Default 2.
	UnhealthyThreshold int `yaml:"unhealthyThreshold"`
	// HealthyThreshold is how many must then succeed in a row. Default 1.
	HealthyThreshold int `yaml:"healthyThreshold"`
	// Host is the Host header of the checks. Default: the endpoint's address.
	Host string `yaml:"host"`
}
