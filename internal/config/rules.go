package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// applyRules lets DestinationRules say what an afloat.yaml leaves open of the
// services that they name.
func (a *assembler) applyRules() {
	for _, name := range slices.Sorted(maps.Keys(a.out.Gateway.Services)) {
		host, subset, _ := strings.Cut(name, "/")
		if d, ok := a.foreign.behind[name]; ok {
			host, subset = d.Host, d.Subset
		}
		if r := a.ruleFor(host); r != nil {
			r.used = true
			a.applyRule(name, r, subset)
		}
	}
	for _, r := range a.foreign.rules {
		if !r.used && r.Host != "" {
			a.report(r.at.at("spec", "host").warning("no service has this host, so the rule changes nothing", ""))
		}
	}
}

// ruleFor returns the rule with the most specific host.
func (a *assembler) ruleFor(host string) *rule {
	var best *rule
	for _, r := range a.foreign.rules {
		if coversHost(r.Host, host) && (best == nil || hostRank(r.Host) < hostRank(best.Host)) {
			best = r
		}
	}
	return best
}

// applyRule fills in a service, part by part: the subset's policy goes before
// that of its rule.
func (a *assembler) applyRule(name string, r *rule, subset string) {
	apply := func(p *istio.TrafficPolicy, at place) {
		if p == nil {
			return
		}
		s := a.out.Gateway.Services[name]
		a.applyBalance(name, &s, p.LoadBalancer, at.at("loadBalancer"))
		a.applyPool(name, &s, p.ConnectionPool, at.at("connectionPool"))
		a.applyOutlier(name, &s, p.OutlierDetection, at.at("outlierDetection"))
		a.applyTLS(name, &s, p.TLS, at.at("tls"))
		a.out.Gateway.Services[name] = s
	}
	for i, sub := range r.Subsets {
		at := r.at.at("spec", "subsets", i, "trafficPolicy")
		switch {
		case subset != "" && sub.Name == subset:
			apply(sub.TrafficPolicy, at)
		case subset == "" && sub.TrafficPolicy != nil && a.foreign.narrowed[name+"/"+sub.Name]:
			a.report(at.warning("ignored: the subset is some endpoints of "+name+", and a service has one policy", "give the subset a service of its own, "+name+"/"+sub.Name))
		}
	}
	apply(r.TrafficPolicy, r.at.at("spec", "trafficPolicy"))
}

func (a *assembler) applyPool(name string, s *gateway.ServiceConfig, pool *istio.ConnectionPool, at place) {
	if pool == nil {
		return
	}
	if tcp := pool.TCP; tcp != nil {
		if s.ConnectTimeout == 0 && tcp.ConnectTimeout > 0 {
			s.ConnectTimeout = tcp.ConnectTimeout
			a.places.set(at.at("tcp", "connectTimeout"), "services", name, "connectTimeout")
		}
		if s.ConnectionsMax == 0 && tcp.MaxConnections > 0 {
			s.ConnectionsMax = int(tcp.MaxConnections)
			a.places.set(at.at("tcp", "maxConnections"), "services", name, "connectionsMax")
			a.report(at.at("tcp", "maxConnections").warning("bounds the connections to each endpoint here, not to all together", ""))
		}
	}
	http := pool.HTTP
	if http == nil {
		return
	}
	if http.H2UpgradePolicy == "UPGRADE" && s.Protocol == "" {
		s.Protocol = gateway.ProtocolHTTP2
		a.places.set(at.at("http", "h2UpgradePolicy"), "services", name, "protocol")
	}
	if http.MaxRetries > 0 {
		a.report(at.at("http", "maxRetries").warning("ignored: retries are bounded by a budget, as a share of the requests", "write retry: {budget: ...} for the service in an afloat.yaml"))
	}
	if !isZero(s.Concurrency) {
		return
	}
	a.places.set(at.at("http"), "services", name, "concurrency")
	if most := int(http.HTTP2MaxRequests); most > 0 {
		s.Concurrency.Max = most
		s.Concurrency.Min = min(4, most)
		a.places.set(at.at("http", "http2MaxRequests"), "services", name, "concurrency", "max")
	}
	if http.HTTP1MaxPendingRequests > 0 {
		s.Concurrency.QueueMax = int(http.HTTP1MaxPendingRequests)
		a.places.set(at.at("http", "http1MaxPendingRequests"), "services", name, "concurrency", "queueMax")
	}
}

// applyOutlier turns Istio's ejection after errors in a row into the endpoint's
// breaker, which ejects for baseEjectionTime and longer each time.
func (a *assembler) applyOutlier(name string, s *gateway.ServiceConfig, o *istio.OutlierDetection, at place) {
	if o == nil {
		return
	}
	if isZero(s.Breaker) {
		s.Breaker.ConsecutiveFailures = consecutive(o)
		s.Breaker.OpenDuration = o.BaseEjectionTime
		if o.BaseEjectionTime == 0 {
			s.Breaker.OpenDuration = 30 * time.Second // Istio's default
		}
		s.Breaker.OpenDurationMax = max(s.Breaker.OpenDuration, 5*time.Minute)
		a.places.set(at, "services", name, "breaker")
		a.places.set(at.at("baseEjectionTime"), "services", name, "breaker", "openDuration")
	}
	if isZero(s.Outlier) {
		s.Outlier.EjectedMax = 0.1 // Istio's default
		if o.MaxEjectionPercent > 0 {
			s.Outlier.EjectedMax = policy.Ratio(o.MaxEjectionPercent) / 100
		}
	}
	if percent := o.MaxEjectionPercent; percent > 0 && percent < 100 && s.Breaker.ConsecutiveFailures >= 0 {
		a.report(at.at("maxEjectionPercent").warning("bounds ejection by comparison only: the breaker of every endpoint that fails so often in a row opens",
			"write panicBelow for the service in an afloat.yaml, or minHealthPercent here, to use all endpoints when few are left"))
	}
	if g := o.ConsecutiveGatewayErrors; g != nil && *g > 0 && o.Consecutive5xxErrors != nil && *o.Consecutive5xxErrors == 0 {
		a.report(at.at("consecutiveGatewayErrors").warning("counts every failed try, a 500 too, although consecutive5xxErrors is 0", "write consecutive5xxErrors, which says what happens"))
	}
	if o.Interval > 0 {
		a.report(at.at("interval").warning("ignored: endpoints are judged by each result, and readmitted when their time is over", ""))
	}
	if o.MinHealthPercent > 0 && s.PanicBelow == 0 {
		s.PanicBelow = policy.Ratio(o.MinHealthPercent) / 100
		a.places.set(at.at("minHealthPercent"), "services", name, "panicBelow")
	}
}

// consecutive is after how many errors in a row an endpoint is ejected;
// negative: never.
func consecutive(o *istio.OutlierDetection) int {
	n := uint32(5)
	if o.Consecutive5xxErrors != nil {
		n = *o.Consecutive5xxErrors
	}
	if g := o.ConsecutiveGatewayErrors; g != nil && *g > 0 && (n == 0 || *g < n) {
		n = *g
	}
	if n == 0 {
		return -1
	}
	return int(min(n, 1_000_000))
}

func isZero(config any) bool { return reflect.ValueOf(config).IsZero() }
