package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// Explain says in plain sentences what the assembly does: where requests come
// in, where each route sends them, and how each service is protected, defaults
// included. What documents say in vain is among the warnings of [Load].
func (a *Assembly) Explain() []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, l := range a.Gateway.Listeners {
		address, _ := gateway.ListenAddress(l.Address) // has been checked
		say("Requests come in on %s.", address)
	}
	switch {
	case a.Admin.Off():
		say("The admin listener is off: afloat status and metrics are not to be had.")
	case a.Admin.Token != "":
		say("Status and metrics are on %s, with a token.", a.Admin.Address)
	default:
		say("Status and metrics are on %s.", a.Admin.Address)
	}
	if a.AccessLog.Path != "" {
		say("%s of the requests, and all that failed, are written to %s.", a.AccessLog.Sample, outputName(a.AccessLog.Path))
	}
	for i, name := range a.routeNames() {
		say("Route %s: %s.", name, explainRoute(&a.Gateway.Routes[i]))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Gateway.Services)) {
		out = append(out, a.explainService(name)...)
	}
	return append(out, a.notes...)
}

func outputName(path string) string {
	if path == "-" {
		return "standard output"
	}
	return path
}

func explainRoute(r *gateway.RouteConfig) string {
	parts := []string{explainMatches(r.Match) + " to " + explainShares(r.To)}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case r.Timeout < 0:
		add("without a timeout")
	case r.Timeout > 0:
		add("within %s", short(r.Timeout))
	}
	if r.TryTimeout > 0 {
		add("each try within %s", short(r.TryTimeout))
	}
	if r.Retry != nil {
		parts = append(parts, explainRetry(r.Retry.WithDefaults(), r.RetryOn)...)
	}
	if l := r.RateLimit; l != nil {
		add("at most %v requests in %s", l.Requests, short(cmp.Or(l.Per, time.Second)))
	}
	if f := r.Fault; f != nil {
		if f.Delay.Share > 0 {
			add("%s delayed by %s on purpose", f.Delay.Share, short(f.Delay.Duration))
		}
		if f.Abort.Share > 0 {
			add("%s answered with %d on purpose", f.Abort.Share, cmp.Or(f.Abort.Status, 503))
		}
	}
	if f := r.Fallback; f != nil {
		add("failures answered with %d", cmp.Or(f.Status, 200))
	}
	return strings.Join(parts, "; ")
}

func explainMatches(matches []gateway.MatchConfig) string {
	if len(matches) == 0 {
		return "every request"
	}
	const shown = 5
	var out []string
	for i, m := range matches {
		if i == shown {
			out = append(out, fmt.Sprintf("%d more", len(matches)-i))
			break
		}
		out = append(out, explainMatch(m))
	}
	return "requests with " + strings.Join(out, ", or ")
}

func explainMatch(m gateway.MatchConfig) string {
	var out []string
	if m.Host != "" {
		out = append(out, "host "+m.Host)
	}
	if m.Method != nil {
		out = append(out, "method "+explainString(*m.Method))
	}
	if m.Path != nil {
		out = append(out, "path "+explainString(*m.Path))
	}
	for _, named := range []struct {
		what    string
		matches map[string]gateway.StringMatch
	}{{"header", m.Headers}, {"no header", m.WithoutHeaders}, {"query", m.Query}} {
		for _, name := range slices.Sorted(maps.Keys(named.matches)) {
			out = append(out, strings.TrimSpace(named.what+" "+name+" "+explainString(named.matches[name])))
		}
	}
	if len(out) == 0 {
		return "any path"
	}
	return strings.Join(out, " and ")
}

func explainString(m gateway.StringMatch) string {
	text := ""
	switch {
	case m.Exact != "":
		text = m.Exact
	case m.Prefix != "":
		text = m.Prefix + "*"
	case m.Regex != "":
		text = "~" + m.Regex
	}
	if m.IgnoreCase {
		text += " in any case"
	}
	return text
}

func explainShares(to []gateway.DestinationConfig) string {
	sum := 0
	for _, d := range to {
		sum += d.Weight
	}
	var out []string
	for _, d := range to {
		switch {
		case len(to) == 1:
			out = append(out, d.Service)
		case sum == 0:
			out = append(out, fmt.Sprintf("%s (%s)", d.Service, policy.Ratio(1/float64(len(to)))))
		default:
			out = append(out, fmt.Sprintf("%s (%s)", d.Service, policy.Ratio(float64(d.Weight)/float64(sum))))
		}
	}
	return strings.Join(out, ", ")
}

// conditionWords are how a sentence names what is repeated.
var conditionWords = map[gateway.RetryCondition]string{
	gateway.RetryConnectFailure: "failed connections",
	gateway.RetryReset:          "broken connections",
	gateway.RetryUnavailable:    "502, 503 and 504",
	gateway.Retry5xx:            "every 5xx",
	gateway.RetryTimeout:        "tries that took too long",
}

func explainRetry(r policy.RetryConfig, on []gateway.RetryCondition) []string {
	if r.Attempts < 0 {
		return []string{"no repeats"}
	}
	var words []string
	for _, c := range on {
		words = append(words, conditionWords[c])
	}
	out := "up to " + plural(r.Attempts, "repeat")
	if len(words) > 0 {
		out += " of " + strings.Join(words, ", ")
	}
	parts := []string{out, fmt.Sprintf("waits from %s to %s", short(r.Delay), short(r.DelayMax))}
	if r.Budget.Off {
		return append(parts, "without a budget")
	}
	budget := fmt.Sprintf("a budget of %s of the requests", r.Budget.Share)
	if r.Budget.MinPerSecond > 0 {
		budget += fmt.Sprintf(" and %v a second", r.Budget.MinPerSecond)
	}
	return append(parts, budget)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "ss") {
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// short writes a duration without parts that are zero: 1m, not 1m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
