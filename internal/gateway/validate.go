package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// A ConfigError is a place in a Config that cannot be used.
type ConfigError struct {
	// Path leads to the place: field names as in YAML, map keys and indices.
	Path []string
	// Problem says what is wrong and what to write instead.
	Problem string
}

func (e *ConfigError) Error() string { return strings.Join(e.Path, ".") + ": " + e.Problem }

// Limits of what a configuration may hold.
const (
	routesMax        = 10000
	fallbackBytesMax = 64 << 10
	replayBytesMax   = 16 << 20
	networksMax      = 1000
	limitsMax        = 16
	// timeMax bounds every time: a longer one is a mistake.
	timeMax = 24 * time.Hour
	// periodMin bounds how often something is done.
	periodMin = 10 * time.Millisecond
)

// Validate returns a [ConfigError] for every problem of the Config, joined.
func (c *Config) Validate() error {
	v := new(validator)
	addresses := map[string]bool{}
	for i := range c.Listeners {
		v.listener(&c.Listeners[i], addresses, "listeners", strconv.Itoa(i))
		if c.Listeners[i].TCP != nil {
			v.tcp(c, &c.Listeners[i], "listeners", strconv.Itoa(i), "tcp")
		}
	}
	if len(c.Routes) > routesMax {
		v.add("want at most %d routes, got %d", []any{routesMax, len(c.Routes)}, "routes")
	}
	names := map[string]bool{}
	for i := range c.Routes {
		r, at := &c.Routes[i], strconv.Itoa(i)
		if r.Name != "" && names[r.Name] {
			v.add("another route has the name %q: names are how metrics and status tell routes apart", []any{r.Name}, "routes", at, "name")
		}
		names[r.Name] = true
		v.route(c, r, "routes", at)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		s := c.Services[name]
		v.service(&s, "services", name)
	}
	v.zone(c.Zone, "zone")
	v.memory(&c.Memory, "memory")
	return errors.Join(v.problems...)
}

// validator collects the problems of a Config.
type validator struct{ problems []error }

func (v *validator) add(format string, args []any, path ...string) {
	v.problems = append(v.problems, &ConfigError{slices.Clone(path), fmt.Sprintf(format, args...)})
}

// policy adds the problems that a policy's Config has with itself.
func (v *validator) policy(err error, path ...string) {
	if err == nil {
		return
	}
	for _, e := range flatten(err) {
		var f *policy.FieldError
		if errors.As(e, &f) {
			v.add("%s", []any{f.Problem}, append(path, strings.Split(f.Field, ".")...)...)
		} else {
			v.add("%v", []any{e}, path...)
		}
	}
}

func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// duration checks a time of which zero means the default.
func (v *validator) duration(d time.Duration, path ...string) {
	if d < 0 || d > timeMax {
		v.add("want a time from 0 to %v, got %v", []any{timeMax, d}, path...)
	}
}

// period checks how often something is done, of which zero means the default.
func (v *validator) period(d, most time.Duration, path ...string) {
	if d != 0 && (d < periodMin || d > most) {
		v.add("want %v to %v, got %v", []any{periodMin, most, d}, path...)
	}
}

func (v *validator) networks(list []string, path ...string) {
	v.count(len(list), networksMax, path...)
	for i, text := range list {
		if _, err := parseNetwork(text); err != nil {
			v.add("%v", []any{err}, append(slices.Clone(path), strconv.Itoa(i))...)
		}
	}
}

func (v *validator) count(n, most int, path ...string) {
	if n < 0 || n > most {
		v.add("want a number from 0 to %d, got %d", []any{most, n}, path...)
	}
}

func (v *validator) listener(l *ListenerConfig, seen map[string]bool, path ...string) {
	at := func(field string) []string { return append(slices.Clone(path), field) }
	address, err := ListenAddress(l.Address)
	switch {
	case err != nil:
		v.add("%v", []any{err}, at("address")...)
	case seen[address]:
		v.add("another listener has the address %s", []any{address}, at("address")...)
	}
	seen[address] = true
	v.networks(l.ProxyProtocolFrom, at("proxyProtocolFrom")...)
	v.networks(l.TrustedPeers, at("trustedPeers")...)
	v.count(len(l.TrustedIdentities), networksMax, at("trustedIdentities")...)
	if l.Paths != "" && !slices.Contains(l.Paths.Enum(), string(l.Paths)) {
		v.add("want one of %s, got %q", []any{strings.Join(l.Paths.Enum(), ", "), l.Paths}, at("paths")...)
	}
	if l.Access != nil {
		v.access(l.Access, at("access")...)
	}
	v.duration(l.HeaderTimeout, at("headerTimeout")...)
	v.duration(l.IdleTimeout, at("idleTimeout")...)
	v.duration(l.StallTimeout, at("stallTimeout")...)
	v.duration(l.DrainTimeout, at("drainTimeout")...)
	if l.HeaderBytes != 0 && (l.HeaderBytes < 1024 || l.HeaderBytes > 1<<20) {
		v.add("want 1024 to 1048576 bytes, got %d", []any{l.HeaderBytes}, at("headerBytes")...)
	}
	if l.BodyBytes < 0 {
		v.add("want 0 (unbounded) or more bytes, got %d", []any{l.BodyBytes}, at("bodyBytes")...)
	}
	if l.BodyRateMin < -1 || l.BodyRateMin > 1<<30 {
		v.add("want -1 (any) to %d bytes a second, got %d", []any{1 << 30, l.BodyRateMin}, at("bodyRateMin")...)
	}
	v.count(l.ConnectionsMax, 1_000_000, at("connectionsMax")...)
	v.count(l.ConnectionsPerClientMax, 1_000_000, at("connectionsPerClientMax")...)
	v.count(l.StreamsMax, 10_000, at("streamsMax")...)
	if l.TLS != nil {
		v.tls(l.TLS, at("tls")...)
	}
	if l.HTTP3 != nil {
		v.http3(l, at("http3")...)
	}
	if l.Transparent != nil {
		v.transparent(l, at("transparent")...)
	}
}

// ListenAddress completes an address to listen on: a port alone means the
// loopback interface.
func ListenAddress(address string) (string, error) {
	if _, err := strconv.Atoi(address); err == nil {
		address = ":" + address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("want host:port such as 127.0.0.1:8080, got %q", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("want a port from 0 to 65535, got %q", port)
	} else if port = strconv.FormatUint(n, 10); host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

func (v *validator) route(c *Config, r *RouteConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	for i := range r.Match {
		v.match(&r.Match[i], at("match", strconv.Itoa(i))...)
	}
	if r.Access != nil {
		v.access(r.Access, at("access")...)
	}
	if r.CORS != nil {
		v.cors(r.CORS, at("cors")...)
	}
	v.targets(c, r, path...)
	sum := 0
	for i, d := range r.To {
		if s, ok := c.Services[d.Service]; ok {
			v.labels(d, s.Endpoints, at("to", strconv.Itoa(i), "labels")...)
		} else {
			v.add("unknown service %q%s", []any{d.Service, suggest(d.Service, slices.Sorted(maps.Keys(c.Services)))}, at("to", strconv.Itoa(i), "service")...)
		}
		v.count(d.Weight, 1_000_000, at("to", strconv.Itoa(i), "weight")...)
		v.edits(&d.RequestHeaders, at("to", strconv.Itoa(i), "requestHeaders")...)
		v.edits(&d.ResponseHeaders, at("to", strconv.Itoa(i), "responseHeaders")...)
		sum += d.Weight
	}
	if r.Timeout > timeMax {
		v.duration(r.Timeout, at("timeout")...)
	}
	v.duration(r.TryTimeout, at("tryTimeout")...)
	if r.Timeout > 0 && r.TryTimeout > r.Timeout {
		v.add("a try may not take longer (%v) than the whole request (%v)", []any{r.TryTimeout, r.Timeout}, at("tryTimeout")...)
	}
	v.hedge(r.Hedge, at("hedge")...)
	if r.Retry != nil {
		v.policy(r.Retry.Validate(), at("retry")...)
	}
	retryOn(v, r.RetryOn, at("retryOn")...)
	v.statuses(r.RetryOnStatus, at("retryOnStatus")...)
	retryOn(v, r.RetryOnGRPC, at("retryOnGRPC")...)
	v.duration(r.StallTimeout, at("stallTimeout")...)
	v.count(r.ReplayBytes, replayBytesMax, at("replayBytes")...)
	v.keyBy(&r.User, at("user")...)
	if r.RateLimit != nil {
		v.policy(r.RateLimit.Validate(), at("rateLimit")...)
	}
	v.count(len(r.RateLimits), limitsMax, at("rateLimits")...)
	for i, l := range r.RateLimits {
		v.policy(l.KeyedRateLimitConfig.Validate(), at("rateLimits", strconv.Itoa(i))...)
		v.keyBy(&l.By, at("rateLimits", strconv.Itoa(i), "by")...)
	}
	if r.Priority != "" && !slices.Contains(r.Priority.Enum(), string(r.Priority)) {
		v.add("want one of %s, got %q", []any{strings.Join(r.Priority.Enum(), ", "), r.Priority}, at("priority")...)
	}
	if r.Cache != nil {
		v.cache(r.Cache, at("cache")...)
	}
	if r.Idempotency != nil {
		v.idempotency(r.Idempotency, at("idempotency")...)
	}
	if r.Fault != nil {
		v.fault(r.Fault, at("fault")...)
	}
	if f := r.Fallback; f != nil {
		v.fallback(f, at("fallback")...)
		if _, ok := c.Services[f.Service]; f.Service != "" && !ok {
			v.add("unknown service %q%s", []any{f.Service, suggest(f.Service, slices.Sorted(maps.Keys(c.Services)))}, at("fallback", "service")...)
		}
	}
}

func (v *validator) keyBy(k *KeyConfig, path ...string) {
	if k.Header != "" && !validToken(k.Header) {
		v.add("%q cannot be a header's name", []any{k.Header}, append(path, "header")...)
	}
	if k.Cookie != "" && !validToken(k.Cookie) {
		v.add("%q cannot be a cookie's name", []any{k.Cookie}, append(path, "cookie")...)
	}
}

func (v *validator) match(m *MatchConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	if m.Host != "" && !validHost(m.Host) {
		v.add("want a host name without port, such as shop.example.com or *.example.com, got %q", []any{m.Host}, at("host")...)
	}
	if !slices.Contains([]string{"", "http", "https"}, m.Scheme) {
		v.add("want http or https, got %q", []any{m.Scheme}, at("scheme")...)
	}
	if m.Path != nil {
		v.stringMatch(*m.Path, at("path")...)
		for field, p := range map[string]string{"exact": m.Path.Exact, "prefix": m.Path.Prefix} {
			if p != "" && p[0] != '/' {
				v.add("a path begins with /: write /%s", []any{p}, at("path", field)...)
			}
		}
	}
	if m.Method != nil {
		v.stringMatch(*m.Method, at("method")...)
	}
	if m.Identity != nil {
		v.stringMatch(*m.Identity, at("identity")...)
	}
	v.networks(m.Clients, at("clients")...)
	for field, matches := range map[string]map[string]StringMatch{"headers": m.Headers, "withoutHeaders": m.WithoutHeaders, "query": m.Query, "cookies": m.Cookies} {
		for _, name := range slices.Sorted(maps.Keys(matches)) {
			v.stringMatch(matches[name], at(field, name)...)
			if field != "query" && !validToken(name) {
				of := "header"
				if field == "cookies" {
					of = "cookie"
				}
				v.add("%q cannot be a %s's name", []any{name, of}, at(field, name)...)
			}
		}
	}
}

func (v *validator) stringMatch(m StringMatch, path ...string) {
	set := 0
	for _, s := range []string{m.Exact, m.Prefix, m.Regex} {
		if s != "" {
			set++
		}
	}
	if set > 1 {
		v.add("want one of exact, prefix and regex, got %d", []any{set}, path...)
	}
	if _, err := regexp.Compile(m.Regex); err != nil {
		v.add("%v", []any{err}, append(path, "regex")...)
	}
}

// retryOn finds words that are none, of conditions or statuses.
func retryOn[T interface {
	~string
	Enum() []string
}](v *validator, words []T, path ...string) {
	for i, w := range words {
		if !slices.Contains(w.Enum(), string(w)) {
			v.add("want one of %s, got %q", []any{strings.Join(w.Enum(), ", "), w}, append(slices.Clone(path), strconv.Itoa(i))...)
		}
	}
}

func (v *validator) hedge(c *policy.HedgeConfig, path ...string) {
	if c == nil {
		return
	}
	v.policy(c.Validate(), path...)
	if c.Max > 1 {
		v.add("the gateway tries once more at most, got %d", []any{c.Max}, append(slices.Clone(path), "max")...)
	}
}

func (v *validator) statuses(all []int, path ...string) {
	for i, status := range all {
		if status < 400 || status > 599 {
			v.add("want a status from 400 to 599, got %d", []any{status}, append(slices.Clone(path), strconv.Itoa(i))...)
		}
	}
}

func (v *validator) service(s *ServiceConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	for i, e := range s.Endpoints {
		v.endpoint(&e, at("endpoints", strconv.Itoa(i))...)
		if slices.IndexFunc(s.Endpoints, func(other EndpointConfig) bool { return other.Address == e.Address }) != i {
			v.add("the endpoint %s is there twice", []any{e.Address}, at("endpoints", strconv.Itoa(i))...)
		}
	}
	v.balance(s, path...)
	if s.Timeout > timeMax {
		v.duration(s.Timeout, at("timeout")...)
	}
	for field, d := range map[string]time.Duration{
		"tryTimeout": s.TryTimeout, "stallTimeout": s.StallTimeout, "connectTimeout": s.ConnectTimeout, "idleTimeout": s.IdleTimeout,
		"brownoutAfter": s.BrownoutAfter,
	} {
		v.duration(d, at(field)...)
	}
	if s.Timeout > 0 && s.TryTimeout > s.Timeout {
		v.add("a try may not take longer (%v) than the whole request (%v)", []any{s.TryTimeout, s.Timeout}, at("tryTimeout")...)
	}
	if s.Protocol != "" && !slices.Contains(Protocol("").Enum(), string(s.Protocol)) {
		v.add("want auto, http1 or h2, got %q", []any{s.Protocol}, at("protocol")...)
	}
	v.count(s.StreamsMax, 10_000, at("streamsMax")...)
	v.count(s.StreamsUnderWayMax, 1_000_000, at("streamsUnderWayMax")...)
	if s.TLS != nil {
		v.upstreamTLS(s.TLS, at("tls")...)
	}
	v.policy(s.Retry.Validate(), at("retry")...)
	v.hedge(s.Hedge, at("hedge")...)
	retryOn(v, s.RetryOn, at("retryOn")...)
	v.statuses(s.RetryOnStatus, at("retryOnStatus")...)
	retryOn(v, s.RetryOnGRPC, at("retryOnGRPC")...)
	v.count(s.ReplayBytes, replayBytesMax, at("replayBytes")...)
	v.policy(s.Breaker.Validate(), at("breaker")...)
	v.policy(s.Concurrency.Validate(), at("concurrency")...)
	v.keyBy(&s.User, at("user")...)
	v.outlier(&s.Outlier, at("outlier")...)
	v.health(&s.Health, at("health")...)
	v.count(s.IdleConnectionsMax, 100_000, at("idleConnectionsMax")...)
	v.count(s.ConnectionsMax, 100_000, at("connectionsMax")...)
}

func (v *validator) outlier(o *OutlierConfig, path ...string) {
	at := func(field string) []string { return append(slices.Clone(path), field) }
	v.period(o.Interval, outlierSpan, at("interval")...)
	v.duration(o.LatencyMin, at("latencyMin")...)
	if !(o.FailureRate >= 0 && o.FailureRate <= 1) { // NaN is neither
		v.add("want 0%% to 100%%, got %v", []any{o.FailureRate}, at("failureRate")...)
	}
	if !(o.EjectedMax >= 0 && o.EjectedMax <= 1) {
		v.add("want 0%% to 100%%, got %v", []any{o.EjectedMax}, at("ejectedMax")...)
	}
	if o.LatencyFactor != 0 && !(o.LatencyFactor >= 1 && o.LatencyFactor <= 1e6) {
		v.add("want 1 or more, got %v", []any{o.LatencyFactor}, at("latencyFactor")...)
	}
	v.count(o.MinimumCalls, 1_000_000, at("minimumCalls")...)
}

func (v *validator) health(h *HealthConfig, path ...string) {
	at := func(field string) []string { return append(slices.Clone(path), field) }
	if h.Path != "" && (h.Path[0] != '/' || strings.ContainsFunc(h.Path, func(r rune) bool { return r <= ' ' || r >= 0x7f })) {
		v.add("want a path such as /health, got %q", []any{h.Path}, at("path")...)
	}
	if h.GRPC != nil {
		if h.Path != "" {
			v.add("write path or grpc, not both", nil, at("grpc")...)
		}
		if len(*h.GRPC) > 200 || strings.ContainsFunc(*h.GRPC, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			v.add("want the name of a service such as shop.v1.Cart, got %q", []any{*h.GRPC}, at("grpc")...)
		}
	}
	if h.Connect && (h.Path != "" || h.GRPC != nil) {
		v.add("the other check connects too: remove one of them", nil, at("connect")...)
	}
	if h.Host != "" && strings.ContainsFunc(h.Host, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' }) {
		v.add("want a host such as shop.example.com, got %q", []any{h.Host}, at("host")...)
	}
	v.period(h.Interval, timeMax, at("interval")...)
	v.duration(h.Timeout, at("timeout")...)
	v.count(h.UnhealthyThreshold, 100, at("unhealthyThreshold")...)
	v.count(h.HealthyThreshold, 100, at("healthyThreshold")...)
}

func validHost(host string) bool {
	host = strings.TrimPrefix(host, "*.")
	if len(host) == 0 || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
				return false
			}
		}
	}
	return true
}

func validToken(name string) bool {
	_, err := http.NewRequest(name, "/", nil) // a method is a token, as a header's name is
	return name != "" && err == nil
}

// suggest says which of the known words the wrong one may have meant.
func suggest(wrong string, known []string) string {
	switch len(known) {
	case 0:
		return ": no services are configured"
	default:
		if len(known) > 5 {
			known = known[:5]
		}
		return ": the services are " + strings.Join(known, ", ")
	}
}
