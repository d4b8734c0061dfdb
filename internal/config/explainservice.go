package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

// endpointsShown bounds the endpoints that a sentence lists.
const endpointsShown = 10

func (a *Assembly) explainService(name string) []string {
	s := a.Gateway.Services[name].WithDefaults()
	lines := []string{a.explainEndpoints(name, s) + explainUpstreamTLS(s.TLS)}
	if len(s.Endpoints) > 0 || a.runs(name) {
		times, retries := a.left(name)
		lines = append(lines, explainTimes(s, times))
		if retries {
			lines = append(lines, strings.Join(explainRetry(s.Retry, s.RetryOn, s.RetryOnStatus, s.RetryOnGRPC), "; "))
		}
		if s.Hedge != nil {
			lines = append(lines, explainHedge(s.Hedge))
		}
		if !s.RetryNonIdempotent && s.Retry.Attempts > 0 {
			lines = append(lines, "POST and PATCH are repeated only where no connection was made")
		}
		if c, ok := a.Releases[name]; ok {
			lines = append(lines, explainRelease(c))
		}
		lines = append(lines, explainBreaker(s), explainOutlier(s.Outlier), explainConcurrency(s), explainHealth(s.Health))
	}
	lines = append(lines, a.explainScaling(name)...)
	for i, line := range lines {
		lines[i] = "Service " + name + ": " + line + "."
	}
	return lines
}

func explainHedge(c *policy.HedgeConfig) string {
	h := c.WithDefaults()
	after := short(h.Delay)
	if h.Quantile > 0 {
		after = fmt.Sprintf("the time of %s of them, at first %s", h.Quantile, after)
	}
	return "idempotent requests without an answer after " + after + " go to another endpoint too, at most " + h.Budget.Share.String() + " of them"
}

func explainUpstreamTLS(c *gateway.UpstreamTLSConfig) string {
	switch {
	case c == nil:
		return ""
	case c.InsecureSkipVerify:
		return ", over TLS, with any certificate"
	case c.CA != "":
		return ", over TLS, with a certificate that " + c.CA + " has signed"
	}
	return ", over TLS"
}

// left tells whether a route leaves the timeout or the retries to the service,
// or no route goes there.
func (a *Assembly) left(name string) (times, retries bool) {
	routed := false
	for _, r := range a.Gateway.Routes {
		for _, d := range r.To {
			if d.Service == name {
				routed = true
				times = times || r.Timeout == 0
				retries = retries || r.Retry == nil
			}
		}
	}
	return times || !routed, retries || !routed
}

func (a *Assembly) runs(name string) bool {
	return slices.ContainsFunc(a.Processes, func(p process) bool { return p.Name == name })
}

func (a *Assembly) explainEndpoints(name string, s gateway.ServiceConfig) string {
	var parts []string
	for _, p := range a.Processes {
		if p.Name == name {
			parts = append(parts, explainProcess(p))
		}
	}
	if n := len(s.Endpoints); n > 0 {
		var each []string
		for _, e := range s.Endpoints[:min(n, endpointsShown)] {
			each = append(each, e.String())
		}
		shown := strings.Join(each, ", ")
		if n > endpointsShown {
			shown += fmt.Sprintf(" and %d more", n-endpointsShown)
		}
		parts = append(parts, "endpoints "+shown)
	}
	if len(parts) == 0 {
		return "no endpoints, so that every request is answered with 503"
	}
	return strings.Join(parts, "; ") + ", " + explainBalance(s)
}

func explainBalance(s gateway.ServiceConfig) string {
	text := map[gateway.Balance]string{
		gateway.BalanceLeastLoaded: "the least loaded",
		gateway.BalancePeakEWMA:    "the one that promises the shortest wait",
		gateway.BalanceRoundRobin:  "taken in turn",
		gateway.BalanceRandom:      "any of them",
		gateway.BalanceRingHash:    "the same one for " + explainKey(s.Hash),
		gateway.BalanceMaglev:      "the same one for " + explainKey(s.Hash),
	}[s.Balance]
	if s.Warmup > 0 {
		text += ", with a share that grows for " + short(s.Warmup) + " after one came or came back"
	}
	return text
}

func explainKey(h gateway.HashConfig) string {
	key := "the same client's address"
	switch {
	case h.Header != "":
		key = "the same header " + h.Header
	case h.Cookie != "":
		key = "the same cookie " + h.Cookie
	case h.Query != "":
		key = "the same query parameter " + h.Query
	case h.Path:
		key = "the same path"
	}
	if h.LoadFactor >= 1 {
		key += fmt.Sprintf(" while it has less than %v times the others' requests", h.LoadFactor)
	}
	return key
}

func explainProcess(p supervise.Config) string {
	p = p.WithDefaults()
	text := plural(p.Replicas, "replica") + " of " + strings.Join(p.Command, " ")
	if p.Restart.Policy != supervise.RestartAlways {
		text += ", restarted " + map[supervise.RestartPolicy]string{
			supervise.RestartOnFailure: "on failure", supervise.RestartNever: "never"}[p.Restart.Policy]
	}
	return text
}

func explainTimes(s gateway.ServiceConfig, whole bool) string {
	rest := fmt.Sprintf("connecting within %s, no byte for at most %s", short(s.ConnectTimeout), short(s.StallTimeout))
	if !whole {
		return rest
	}
	total := "a request without a timeout"
	if s.Timeout > 0 {
		total = "a request within " + short(s.Timeout)
	}
	if s.TryTimeout > 0 {
		total += ", each try within " + short(s.TryTimeout)
	}
	return total + ", " + rest
}

func explainBreaker(s gateway.ServiceConfig) string {
	b := s.Breaker
	var when []string
	if b.ConsecutiveFailures > 0 {
		when = append(when, fmt.Sprintf("%d failures in a row", b.ConsecutiveFailures))
	}
	if b.FailureRate > 0 {
		when = append(when, fmt.Sprintf("%s failures among at least %d requests within %s", b.FailureRate, b.MinimumCalls, short(b.Window)))
	}
	if b.SlowCallDuration > 0 && b.SlowCallRate > 0 {
		when = append(when, fmt.Sprintf("%s slower than %s", b.SlowCallRate, short(b.SlowCallDuration)))
	}
	if len(when) == 0 {
		return "no breaker"
	}
	return fmt.Sprintf("a breaker for each endpoint opens at %s, for %s and longer each time up to %s",
		strings.Join(when, " or "), short(b.OpenDuration), short(b.OpenDurationMax))
}

func explainOutlier(o gateway.OutlierConfig) string {
	if o.Disabled {
		return "no ejection of outliers"
	}
	return fmt.Sprintf("an endpoint is ejected when it fails %s of its requests and three times as often as the others, or is %v times and %s slower; at most %s of the endpoints",
		o.FailureRate, o.LatencyFactor, short(o.LatencyMin), o.EjectedMax)
}

func explainConcurrency(s gateway.ServiceConfig) string {
	c := s.Concurrency
	if c.Disabled {
		return "no limit of requests under way"
	}
	queue := "none wait"
	if c.QueueMax > 0 {
		queue = fmt.Sprintf("%d may wait up to %s", c.QueueMax, short(c.WaitMax))
	}
	if s.BrownoutAfter > 0 {
		queue += fmt.Sprintf("; after %s of that, low priorities are refused", short(s.BrownoutAfter))
	}
	if c.Min == c.Max {
		return fmt.Sprintf("at most %s under way; %s", plural(c.Max, "request"), queue)
	}
	return fmt.Sprintf("%d to %d requests under way, as learned from their latency; %s", c.Min, c.Max, queue)
}

func explainHealth(h gateway.HealthConfig) string {
	asked := "GET " + h.Path
	switch {
	case h.GRPC != nil && *h.GRPC == "":
		asked = "asked by gRPC for its health"
	case h.GRPC != nil:
		asked = "asked by gRPC for the health of " + *h.GRPC
	case h.Path == "":
		return "endpoints whose connections fail are asked by connecting until they answer"
	}
	return fmt.Sprintf("%s every %s within %s; out after %s in a row, back after %s",
		asked, short(h.Interval), short(h.Timeout), plural(h.UnhealthyThreshold, "failure"), plural(h.HealthyThreshold, "success"))
}
