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
	// Zone is where Afloat itself runs, as zone or region/zone, to prefer
	// endpoints that are near. Default: nowhere, so that all are.
	Zone string `yaml:"zone"`
	// Memory says when requests are refused for want of it.
	Memory MemoryConfig `yaml:"memory"`
}

// ListenerConfig is one address that takes requests, and what it bears from
// its clients.
type ListenerConfig struct {
	// Address is host:port; a port without a host listens on loopback.
	Address string `yaml:"address"`
	// TLS makes the address one of HTTPS. Default: none.
	TLS *TLSConfig `yaml:"tls"`
	// HTTP3 takes requests of HTTP/3 too, on the UDP port of the same number,
	// and tells clients of it. Default: none.
	HTTP3 *HTTP3Config `yaml:"http3"`
	// ProxyProtocolFrom lists addresses and networks, such as 10.0.0.0/8, of
	// balancers whose connections begin with a header of the PROXY protocol, and
	// must. It tells the client's address. Default: none.
	ProxyProtocolFrom []string `yaml:"proxyProtocolFrom"`
	// TrustedPeers are the networks, such as 10.0.0.0/8, and addresses of
	// proxies and services whose word on where a request came from, on its id
	// and on its priority is believed. Default: none.
	TrustedPeers []string `yaml:"trustedPeers"`
	// TrustedIdentities are peers that are trusted by the identity in their
	// certificate. Default: none.
	TrustedIdentities []string `yaml:"trustedIdentities"`
	// Transparent makes the address one for connections that were on their way
	// elsewhere and that the kernel redirected here. Default: none.
	Transparent *TransparentConfig `yaml:"transparent"`
	// TCP passes connections on as they are, whatever they speak, in place of
	// requests. Default: none.
	TCP *TCPConfig `yaml:"tcp"`
	// Preview names a service whose next version, while one is released, takes
	// the address's requests for it.
	Preview string `yaml:"-"`
	// Paths is what is made of paths that can be written in several ways, before
	// routes are matched: normalize, refuse or asIs. Default normalize; asIs for
	// connections that were redirected.
	Paths PathForm `yaml:"paths"`
	// Access says which requests are let in at all. Default: all.
	Access *AccessConfig `yaml:"access"`
	// HeaderTimeout is how long a client may take to send a request's head, and
	// before that for the handshake of TLS. Default 10s.
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
	// BodyRateMin is how many bytes a second a body must bring that is streamed;
	// its client may fall behind by StallTimeout. Default 240; negative: any.
	BodyRateMin int `yaml:"bodyRateMin" min:"-1"`
	// ConnectionsMax bounds the open connections. One more has the one closed that
	// has waited for a request for the longest, and else waits; the next ones wait
	// in the kernel's queue. Default 10000.
	ConnectionsMax int `yaml:"connectionsMax"`
	// ConnectionsPerClientMax bounds the connections of one address, or of one /64
	// of IPv6; more are closed. It is that of the peer, so behind a balancer the
	// balancer's. Default 0: any number.
	ConnectionsPerClientMax int `yaml:"connectionsPerClientMax"`
	// StreamsMax bounds the requests under way on one connection of HTTP/2 or
	// HTTP/3. Default 100.
	StreamsMax int `yaml:"streamsMax"`
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
	// Access says which of the requests are let through. Default: all.
	Access *AccessConfig `yaml:"access"`
	// CORS says which pages of other origins may use the route from a browser.
	// Default: that is the service's business.
	CORS *CORSConfig `yaml:"cors"`
	// To shares the requests among services by weight.
	To []DestinationConfig `yaml:"to"`
	// Redirect sends clients elsewhere, in place of To.
	Redirect *RedirectConfig `yaml:"redirect"`
	// Respond answers by itself, in place of To.
	Respond *FallbackConfig `yaml:"respond"`
	// Sticky keeps a client's requests at one endpoint. Default: each request
	// goes anywhere.
	Sticky *StickyConfig `yaml:"sticky"`
	// Rewrite changes what the services are asked for.
	Rewrite *RewriteConfig `yaml:"rewrite"`
	// RequestHeaders changes the fields that the services get.
	RequestHeaders HeaderEdits `yaml:"requestHeaders"`
	// ResponseHeaders changes the fields that clients get.
	ResponseHeaders HeaderEdits `yaml:"responseHeaders"`
	// Mirror sends copies of the requests to other services too.
	Mirror []MirrorConfig `yaml:"mirror"`
	// Timeout bounds a request with all its tries, until the response has
	// begun; the time in which the client sends a body does not count.
	// Default: the service's; negative: none.
	Timeout time.Duration `yaml:"timeout"`
	// TryTimeout bounds one try. Default: the service's.
	TryTimeout time.Duration `yaml:"tryTimeout"`
	// Retry says how tries that failed are repeated. Default: the service's.
	Retry *policy.RetryConfig `yaml:"retry"`
	// Hedge sends slow requests to a second endpoint too. Default: the service's.
	Hedge *policy.HedgeConfig `yaml:"hedge"`
	// RetryOn lists what is repeated. Default: the service's.
	RetryOn []RetryCondition `yaml:"retryOn"`
	// RetryOnStatus lists statuses that are repeated besides. Default: the
	// service's.
	RetryOnStatus []int `yaml:"retryOnStatus"`
	// RetryOnGRPC lists statuses of gRPC that are repeated besides. Default: the
	// service's.
	RetryOnGRPC []GRPCStatus `yaml:"retryOnGRPC"`
	// RetryNonIdempotent repeats POST and PATCH too, or does not. Default: the
	// service's.
	RetryNonIdempotent *bool `yaml:"retryNonIdempotent"`
	// ReplayBytes is how much of a request's body is kept for a repeat.
	// Default: the service's.
	ReplayBytes int `yaml:"replayBytes"`
	// StallTimeout is how long an endpoint may send or take no byte of a body.
	// Default: the service's.
	StallTimeout time.Duration `yaml:"stallTimeout"`
	// SendTimeout tells endpoints how long a request may take yet, or does not.
	// Default: the service's.
	SendTimeout *bool `yaml:"sendTimeout"`
	// User is on whose behalf a request is. Default: the service's.
	User KeyConfig `yaml:"user"`
	// RateLimit bounds the requests that the route takes. Default: none.
	RateLimit *policy.RateLimitConfig `yaml:"rateLimit"`
	// RateLimits are more limits, by client or another key, which a request is
	// under together with RateLimit. Default: none.
	RateLimits []LimitConfig `yaml:"rateLimits"`
	// Priority is how much the requests matter where a service has more than it
	// can bear: critical, normal, low or sheddable. Default normal.
	Priority policy.Priority `yaml:"priority"`
	// Cache keeps answers to GET, as far as they may be shared. Default: none.
	Cache *CacheConfig `yaml:"cache"`
	// SingleFlight lets requests wait for one of the same GET that is under way,
	// and share its answer where that is for everybody. A Cache does so too.
	SingleFlight bool `yaml:"singleFlight"`
	// Idempotency serves each Idempotency-Key once. Default: the field is passed
	// on, and nothing else.
	Idempotency *IdempotencyConfig `yaml:"idempotency"`
	// Fault spoils a share of the requests, to learn what happens then.
	Fault *FaultConfig `yaml:"fault"`
	// Fallback answers in place of a failure.
	Fallback *FallbackConfig `yaml:"fallback"`
}

// MatchConfig is a condition on a request. All that is set must hold.
type MatchConfig struct {
	// Host is the request's host without its port: a name, or "*.name" for
	// every name below it.
	Host string `yaml:"host"`
	// Scheme is http or https: how the request came, or how a trusted peer says
	// that it came to it.
	Scheme string `yaml:"scheme"`
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
	// Cookies must each be present and match.
	Cookies map[string]StringMatch `yaml:"cookies"`
	// Identity is compared with who the client is by its certificate; clients
	// without one do not match.
	Identity *StringMatch `yaml:"identity"`
	// Clients are networks and addresses, of which the client must be one.
	Clients []string `yaml:"clients"`
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
	// Labels narrow the service to those of its endpoints that have all of
	// them. Default: all endpoints.
	Labels map[string]string `yaml:"labels"`
	// RequestHeaders changes the fields that this service gets, after the
	// route's changes.
	RequestHeaders HeaderEdits `yaml:"requestHeaders"`
	// ResponseHeaders changes the fields that clients get from it, before the
	// route's changes.
	ResponseHeaders HeaderEdits `yaml:"responseHeaders"`
}

// ServiceConfig is a set of endpoints that do the same work, and how they are
// protected. Its zero value has sensible defaults.
type ServiceConfig struct {
	// Endpoints are host:port addresses, or maps. A service whose processes
	// Afloat supervises has none here: its replicas are added as they get ready.
	Endpoints []EndpointConfig `yaml:"endpoints"`
	// TLS encrypts what goes to the endpoints. Default: none.
	TLS *UpstreamTLSConfig `yaml:"tls"`
	// Protocol is http1, h2 or auto. Over TLS, auto speaks what the endpoint
	// prefers; without TLS it speaks HTTP/1.1. Default auto.
	Protocol Protocol `yaml:"protocol"`
	// Balance picks an endpoint: leastLoaded the one with the fewest requests
	// under way, peakEWMA the one that promises the shortest wait, roundRobin in turn,
	// random any, and ringHash and maglev the same one for the same key.
	// Default leastLoaded.
	Balance Balance `yaml:"balance"`
	// Hash is the key for ringHash and maglev. Default: the client's address.
	Hash HashConfig `yaml:"hash"`
	// Hold is how long a request, or a connection of TCP, waits for an endpoint
	// while none is usable. Negative: not at all. Default: where Afloat runs the
	// service's process, 2s while there is none or all refuse connections; else
	// not at all.
	Hold time.Duration `yaml:"hold"`
	// HoldAbsent is Hold where that is 0, while there is no endpoint or all refuse
	// connections.
	HoldAbsent time.Duration `yaml:"-"`
	// Warmup is how long an endpoint that was added, or was down, gets less
	// than its share, which grows meanwhile. Default: none.
	Warmup time.Duration `yaml:"warmup"`
	// SpillBelow is the share of a zone's or priority's endpoints that must be
	// usable for it to take all requests. With fewer, the next one takes some.
	// Default 70%.
	SpillBelow policy.Ratio `yaml:"spillBelow"`
	// IgnoreZones spreads requests over the endpoints of all zones alike.
	IgnoreZones bool `yaml:"ignoreZones"`
	// PanicBelow is the share of usable endpoints below which those that are
	// ejected or fail their health checks are used too, rather than that the rest
	// gets everything; not those that refuse connections. Default: never, as long
	// as one is usable.
	PanicBelow policy.Ratio `yaml:"panicBelow"`
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
	// Hedge sends slow requests to a second endpoint too, and takes the answer
	// that comes first. Default: none.
	Hedge *policy.HedgeConfig `yaml:"hedge"`
	// RetryOn lists what is repeated. Default: connectFailure, reset,
	// unavailable, 5xx and timeout; after the request may have reached the
	// endpoint, only for idempotent methods.
	RetryOn []RetryCondition `yaml:"retryOn"`
	// RetryOnStatus lists statuses from 400 to 599 that are repeated besides.
	// Below 500 they are no failure of the endpoint, and are passed on where no
	// repeat helps. Default: none.
	RetryOnStatus []int `yaml:"retryOnStatus"`
	// RetryOnGRPC lists statuses of gRPC, such as ABORTED, that are repeated
	// besides, where a call ends before its first message and the endpoint does
	// not say when to come again. Default: none.
	RetryOnGRPC []GRPCStatus `yaml:"retryOnGRPC"`
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
	// StreamsUnderWayMax bounds the requests that take no place of Concurrency while
	// they are under way: upgrades, streams, and those that wait for their client
	// to send or to read. Beyond it, upgrades and event streams are refused, and
	// the others take places. Default 2000.
	StreamsUnderWayMax int `yaml:"streamsUnderWayMax"`
	// BrownoutAfter is for how long requests must have waited for Concurrency, or
	// been shed by it, until sheddable ones are refused at once, and low ones
	// after as long again. After as long without, they are served again.
	// Default: never.
	BrownoutAfter time.Duration `yaml:"brownoutAfter"`
	// User is on whose behalf a request is. Users whose requests wait because of
	// Concurrency take turns. Default: the client.
	User KeyConfig `yaml:"user"`
	// SendTimeout tells endpoints in Afloat-Timeout-Ms how long a request may
	// take yet, also where its client did not. It is for services whose
	// responses end within Timeout: one that keeps to it breaks longer ones off.
	SendTimeout bool `yaml:"sendTimeout"`
	// Health asks each endpoint whether it can serve.
	Health HealthConfig `yaml:"health"`
	// IdleConnectionsMax is how many idle connections are kept for an
	// endpoint. Default 256.
	IdleConnectionsMax int `yaml:"idleConnectionsMax"`
	// IdleTimeout is how long an idle connection is kept. Default 60s.
	IdleTimeout time.Duration `yaml:"idleTimeout"`
	// ConnectionsMax bounds an endpoint's connections. Default 4096.
	ConnectionsMax int `yaml:"connectionsMax"`
	// StreamsMax bounds the requests under way on one connection of HTTP/2; the
	// endpoint may want fewer. Default 100.
	StreamsMax int `yaml:"streamsMax"`
}

// Protocol is what is spoken to endpoints.
type Protocol string

const (
	// ProtocolAuto leaves it to the endpoint, where that can be asked.
	ProtocolAuto Protocol = "auto"
	// ProtocolHTTP1 is HTTP/1.1.
	ProtocolHTTP1 Protocol = "http1"
	// ProtocolHTTP2 is HTTP/2: with prior knowledge where there is no TLS.
	ProtocolHTTP2 Protocol = "h2"
)

// Enum lists what a configuration file may say.
func (Protocol) Enum() []string { return []string{"auto", "http1", "h2"} }

// Balance is how an endpoint is picked.
type Balance string

const (
	// BalanceLeastLoaded takes the endpoint with the fewest requests under way
	// for its weight; of more than 32, or where weights differ, the less loaded
	// of two at random. See M. Mitzenmacher, "The Power of Two Choices in Randomized Load
	// Balancing", IEEE TPDS 12(10), 2001.
	BalanceLeastLoaded Balance = "leastLoaded"
	// BalancePeakEWMA takes the one with the least product of its latency, of
	// which a peak is remembered, and the requests under way.
	BalancePeakEWMA Balance = "peakEWMA"
	// BalanceRoundRobin takes endpoints in turn.
	BalanceRoundRobin Balance = "roundRobin"
	// BalanceRandom takes any.
	BalanceRandom Balance = "random"
	// BalanceRingHash takes the endpoint that owns the request's key. When one
	// comes or goes, only its keys move.
	BalanceRingHash Balance = "ringHash"
	// BalanceMaglev takes the endpoint that owns the request's key. Keys are
	// spread more evenly, and a few more move.
	BalanceMaglev Balance = "maglev"
)

// Enum lists what a configuration file may say.
func (Balance) Enum() []string {
	return []string{"leastLoaded", "peakEWMA", "roundRobin", "random", "ringHash", "maglev"}
}

// byKey reports whether the endpoint depends on the request.
func (b Balance) byKey() bool { return b == BalanceRingHash || b == BalanceMaglev }

// HashConfig says which requests go to the same endpoint: those with the same
// key. One without it goes anywhere.
type HashConfig struct {
	// Header whose value is the key.
	Header string `yaml:"header"`
	// Cookie whose value is the key.
	Cookie string `yaml:"cookie"`
	// Query parameter whose value is the key.
	Query string `yaml:"query"`
	// Path makes the path, without its query, the key.
	Path bool `yaml:"path"`
	// LoadFactor is how many times the mean of the endpoints' requests one may
	// have under way before the next one helps; up to 8 it always may.
	// Default 1.5; -1: any number.
	LoadFactor float64 `yaml:"loadFactor"`
}

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
	// GRPC asks by gRPC's health protocol for the service of that name, and with
	// "" for the server as a whole. Default: it is not asked.
	GRPC *string `yaml:"grpc"`
	// Connect asks by connecting alone, for what speaks no HTTP.
	Connect bool `yaml:"connect"`
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
