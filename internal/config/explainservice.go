package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// endpointsShown bounds the endpoints that a sentence lists.
const endpointsShown = 10

func (a *Assembly) explainService(name string) []string {
	s := a.Gateway.Services[name].WithDefaults()
	lines := []string{a.explainEndpoints(name, s)}
	if len(s.Endpoints) > 0 || a.runs(name) {
		times, retries := a.left(name)
		lines = append(lines, explainTimes(s, times))
		if retries {
			lines = append(lines, strings.Join(explainRetry(s.Retry, s.RetryOn), "; "))
		}
		if !s.RetryNonIdempotent && s.Retry.Attempts > 0 {
			lines = append(lines, "POST and PATCH are repeated only where no connection was made")
		}
		lines = append(lines, explainBreaker(s), explainOutlier(s.Outlier), explainConcurrency(s), explainHealth(s.Health))
	}
	for i, line := range lines {
		lines[i] = "Service " + name + ": " + line + "."
	}
	return lines
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
		shown := strings.Join(s.Endpoints[:min(n, endpointsShown)], ", ")
		if n > endpointsShown {
			shown += fmt.Sprintf(" and %d more", n-endpointsShown)
		}
		parts = append(parts, "endpoints "+shown)
	}
	if len(parts) == 0 {
		return "no endpoints, so that every request is answered with 503"
	}
	if s.Balance == gateway.BalanceRoundRobin {
		return strings.Join(parts, "; ") + ", taken in turn"
	}
	return strings.Join(parts, "; ") + ", of two at random the less loaded"
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
	return fmt.Sprintf("%d to %d requests under way, as learned from their latency; %s", c.Min, c.Max, queue)
}

func explainHealth(h gateway.HealthConfig) string {
	if h.Path == "" {
		return "endpoints whose connections fail are asked by connecting until they answer"
	}
	return fmt.Sprintf("GET %s every %s within %s; out after %s in a row, back after %s",
		h.Path, short(h.Interval), short(h.Timeout), plural(h.UnhealthyThreshold, "failure"), plural(h.HealthyThreshold, "success"))
}
