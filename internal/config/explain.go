package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
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
		if l.Transparent != nil {
			say("Redirected connections come in on %s.", address)
			continue
		}
		if l.TCP != nil {
			say("Connections come in on %s%s and go to %s.", address, explainTLS(l.TLS), explainTCP(l.TCP))
			continue
		}
		say("Requests come in on %s%s%s.", address, explainTLS(l.TLS), explainHTTP3(l.HTTP3))
		if l.Access != nil {
			say("There, %s.", explainAccess(l.Access))
		}
	}
	switch {
	case a.Admin.Off():
		say("The admin listener is off: afloat status and metrics are not to be had.")
	case a.Admin.Token != "":
		say("Status and metrics are on %s, with a token.", a.Admin.Address)
	default:
		say("Status and metrics are on %s.", a.Admin.Address)
	}
	a.explainMetrics(say)
	if a.AccessLog.Path != "" {
		say("%s of the requests, and all that failed, are written to %s.", a.AccessLog.Sample, explainOutput(a.AccessLog))
	}
	if a.Tracing != nil {
		say("%s", explainTracing(a.Tracing))
	}
	for i, name := range a.routeNames() {
		say("Route %s: %s.", name, explainRoute(&a.Gateway.Routes[i]))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Gateway.Services)) {
		out = append(out, a.explainService(name)...)
	}
	out = append(out, a.explainAlerts()...)
	return append(out, a.notes...)
}

func explainTCP(c *gateway.TCPConfig) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.ServerNames)) {
		parts = append(parts, fmt.Sprintf("service %s for %s", c.ServerNames[name], name))
	}
	if more := len(parts) - endpointsShown; more > 0 {
		parts = append(parts[:endpointsShown], fmt.Sprintf("others for %d more names", more))
	}
	switch {
	case c.Service != "" && len(parts) > 0:
		parts = append(parts, "service "+c.Service+" for the rest")
	case c.Service != "":
		parts = append(parts, "service "+c.Service)
	}
	return strings.Join(parts, ", ")
}

func explainTLS(c *gateway.TLSConfig) string {
	if c == nil {
		return ""
	}
	text := " over TLS"
	if c.ACME != nil {
		text += explainACME(c.ACME.WithDefaults())
	}
	return text + explainClients(c)
}

func explainHTTP3(c *gateway.HTTP3Config) string {
	if c == nil {
		return ""
	}
	return ", and by HTTP/3 over UDP"
}

func explainACME(c gateway.ACMEConfig) string {
	name := c.Directory
	if u, err := url.Parse(name); err == nil {
		name = u.Host
	}
	if len(c.Hosts) > 1 {
		return fmt.Sprintf(", with certificates that %s issues for %s and %s", name, c.Hosts[0], plural(len(c.Hosts)-1, "other host"))
	}
	return fmt.Sprintf(", with a certificate that %s issues for %s", name, c.Hosts[0])
}

func explainClients(c *gateway.TLSConfig) string {
	switch {
	case c.ClientCA == "":
		return ""
	case c.ClientAuth == gateway.ClientAuthOptional:
		return "; clients may show a certificate that " + c.ClientCA + " has signed"
	case len(c.ClientIDs) == 1:
		return ", from clients that " + c.ClientCA + " certifies as " + string(c.ClientIDs[0])
	case len(c.ClientIDs) > 1:
		return fmt.Sprintf(", from clients that %s certifies as %s or %d others", c.ClientCA, c.ClientIDs[0], len(c.ClientIDs)-1)
	}
	return ", from clients with a certificate that " + c.ClientCA + " has signed"
}

func explainOutput(c AccessLogConfig) string {
	if c.Path == "-" {
		return "standard output"
	}
	return fmt.Sprintf("%s, up to %d files of %v", c.Path, c.FilesMax, c.SizeMax)
}

func explainRoute(r *gateway.RouteConfig) string {
	parts := []string{explainMatches(r.Match) + explainTarget(r)}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if r.Access != nil {
		parts = append(parts, explainAccess(r.Access))
	}
	parts = append(parts, explainEdits(r)...)
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
		parts = append(parts, explainRetry(r.Retry.WithDefaults(), r.RetryOn, r.RetryOnStatus, r.RetryOnGRPC)...)
	}
	if all := r.RetryNonIdempotent; all != nil && *all {
		add("POST and PATCH repeated too")
	} else if all != nil {
		add("POST and PATCH not repeated")
	}
	if by := r.User.String(); by != "" {
		add("each %s a user of its own", by)
	}
	if l := r.RateLimit; l != nil {
		add("at most %v requests in %s", l.Requests, short(cmp.Or(l.Per, time.Second)))
	}
	for _, l := range r.RateLimits {
		whose := ""
		if by := l.By.String(); by != "" {
			whose = " for each " + by
		}
		add("at most %v requests in %s%s", l.Requests, short(cmp.Or(l.Per, time.Second)), whose)
	}
	if r.Priority != "" {
		add("%s priority", r.Priority)
	}
	if c := r.Cache; c != nil {
		add("shared answers to GET kept, %d MiB of them", c.WithDefaults().BytesMax>>20)
	} else if r.SingleFlight {
		add("equal GETs share one answer")
	}
	if c := r.Idempotency; c != nil {
		add("each Idempotency-Key served once in %s", short(c.WithDefaults().KeepFor))
	}
	if f := r.Fault; f != nil {
		parts = append(parts, explainFault(f)...)
	}
	if f := r.Fallback; f != nil {
		if f.Service != "" {
			add("failures served by %s", f.Service)
		}
		if f.Service == "" || f.Status != 0 || f.Body != "" {
			add("failures answered with %d", cmp.Or(f.Status, 200))
		}
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
	if m.Scheme != "" {
		out = append(out, "scheme "+m.Scheme)
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
	}{{"header", m.Headers}, {"no header", m.WithoutHeaders}, {"query", m.Query}, {"cookie", m.Cookies}} {
		for _, name := range slices.Sorted(maps.Keys(named.matches)) {
			out = append(out, strings.TrimSpace(named.what+" "+name+" "+explainString(named.matches[name])))
		}
	}
	if m.Identity != nil {
		out = append(out, strings.TrimSpace("identity "+explainString(*m.Identity)))
	}
	if len(m.Clients) > 0 {
		out = append(out, "client "+strings.Join(m.Clients, " or "))
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
		name := explainDestination(d)
		switch {
		case len(to) == 1:
			out = append(out, name)
		case sum == 0:
			out = append(out, fmt.Sprintf("%s (%s)", name, policy.Ratio(1/float64(len(to)))))
		default:
			out = append(out, fmt.Sprintf("%s (%s)", name, policy.Ratio(float64(d.Weight)/float64(sum))))
		}
	}
	return strings.Join(out, ", ")
}

func explainDestination(d gateway.DestinationConfig) string {
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(d.Labels)) {
		labels = append(labels, name+"="+d.Labels[name])
	}
	if labels == nil {
		return d.Service
	}
	return d.Service + " with " + strings.Join(labels, " and ")
}

// conditionWords are how a sentence names what is repeated.
var conditionWords = map[gateway.RetryCondition]string{
	gateway.RetryConnectFailure: "failed connections",
	gateway.RetryReset:          "broken connections",
	gateway.RetryUnavailable:    "502, 503 and 504",
	gateway.Retry5xx:            "every 5xx",
	gateway.RetryTimeout:        "tries that took too long",
}

func explainRetry(r policy.RetryConfig, on []gateway.RetryCondition, statuses []int, grpc []gateway.GRPCStatus) []string {
	if r.Attempts < 0 {
		return []string{"no repeats"}
	}
	var words []string
	for _, c := range on {
		words = append(words, conditionWords[c])
	}
	for _, s := range statuses {
		words = append(words, strconv.Itoa(s))
	}
	for _, s := range grpc {
		words = append(words, "gRPC's "+string(s))
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
