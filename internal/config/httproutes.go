package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/gatewayapi"
	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// ruleRoute is what a rule does with the requests for hosts that are equally
// specific, by those of its matches that are too.
type ruleRoute struct {
	route  gateway.RouteConfig
	at     place
	rank   int // of its hosts
	match  gatewayapi.HTTPMatch
	from   []int // which of the rule's matches; -1 for none
	name   string
	number int // of the rule
}

// addHTTPRoutes adds the rules of all HTTPRoutes and GRPCRoutes as routes, in
// the order that the Gateway API gives their matches.
func (a *assembler) addHTTPRoutes() {
	var all []ruleRoute
	for _, r := range a.foreign.httpRoutes {
		a.noteHTTPRoute(r)
		for i := range r.Rules {
			all = append(all, a.ruleRoutes(r, i)...)
		}
	}
	slices.SortStableFunc(all, func(x, y ruleRoute) int {
		return cmp.Or(cmp.Compare(x.rank, y.rank), x.match.Compare(&y.match), strings.Compare(x.name, y.name), cmp.Compare(x.number, y.number))
	})
	taken := map[string]int{}
	for _, r := range a.out.Gateway.Routes {
		taken[r.Name]++
	}
	for _, r := range all {
		index := len(a.out.Gateway.Routes)
		r.route.Name = freeName(r.route.Name, taken)
		a.out.Gateway.Routes = append(a.out.Gateway.Routes, r.route)
		a.placeRule(index, r)
	}
}

func (a *assembler) noteHTTPRoute(r httpRoute) {
	kind := gatewayapi.KindHTTPRoute
	if r.grpc {
		kind = gatewayapi.KindGRPCRoute
	}
	say := func(format string, args ...any) {
		a.out.notes = append(a.out.notes, kind+" "+r.Name+": "+fmt.Sprintf(format, args...))
	}
	if len(r.Hostnames) > 0 && !r.grpc {
		say("its routes take requests for host %s alone: try curl -H 'Host: %s'.", strings.Join(r.Hostnames, " or "), strings.Replace(r.Hostnames[0], "*", "www", 1))
	}
	say("what it does not say is as Afloat does by default, and as its services above have it.")
}

// ruleRoutes makes the routes of a rule: one for each group of hosts and
// matches that are equally specific.
func (a *assembler) ruleRoutes(r httpRoute, i int) (out []ruleRoute) {
	rule, at := r.Rules[i], r.at.at("spec", "rules", i)
	base := a.rule(r, rule, at)
	base.Name = cmp.Or(rule.Name, r.Name)
	if rule.Name == "" && len(r.Rules) > 1 {
		base.Name = fmt.Sprintf("%s[%d]", r.Name, i)
	}
	matches, indices := rule.Matches, make([]int, len(rule.Matches))
	for j := range indices {
		indices[j] = j
	}
	if len(matches) == 0 {
		matches, indices = []gatewayapi.HTTPMatch{{}}, []int{-1}
	}
	hosts := r.Hostnames
	if len(hosts) == 0 {
		hosts = []string{"*"}
	}
	for _, host := range hosts {
		for j, m := range matches {
			rank := hostRank(host)
			k := slices.IndexFunc(out, func(o ruleRoute) bool { return o.rank == rank && o.match.Compare(&m) == 0 })
			if k < 0 {
				k = len(out)
				out = append(out, ruleRoute{route: base, at: at, rank: rank, match: m, name: r.Namespace + "/" + r.Name, number: i})
			}
			out[k].route.Match = append(slices.Clip(out[k].route.Match), httpMatch(m, host))
			out[k].from = append(out[k].from, indices[j])
		}
	}
	for k := range out {
		if m := out[k].route.Match; len(m) == 1 && isEmpty(m[0]) {
			out[k].route.Match = nil
		}
	}
	return out
}

// httpMatch translates a match for one host.
func httpMatch(m gatewayapi.HTTPMatch, host string) gateway.MatchConfig {
	out := gateway.MatchConfig{Headers: valueMatches(m.Headers, true), Query: valueMatches(m.QueryParams, false)}
	if host != "*" {
		out.Host = strings.ToLower(host)
	}
	switch text := m.Path.Text(); m.Path.Kind() {
	case gatewayapi.PathExact:
		out.Path = &gateway.StringMatch{Exact: text}
	case gatewayapi.PathRegex:
		out.Path = &gateway.StringMatch{Regex: text}
	default:
		if text = strings.TrimSuffix(text, "/"); text != "" {
			out.Path = &gateway.StringMatch{Prefix: text}
		}
	}
	if m.Method != "" {
		out.Method = &gateway.StringMatch{Exact: m.Method}
	}
	return out
}

// valueMatches translates comparisons. Of two for one name the first counts.
func valueMatches(all []gatewayapi.ValueMatch, header bool) map[string]gateway.StringMatch {
	if len(all) == 0 {
		return nil
	}
	out := map[string]gateway.StringMatch{}
	for _, v := range all {
		name := v.Name
		if header {
			name = strings.ToLower(name)
		}
		if _, again := out[name]; again {
			continue
		}
		switch {
		case v.Type == gatewayapi.ValueRegex:
			out[name] = gateway.StringMatch{Regex: v.Value}
		case v.Value == "":
			out[name] = gateway.StringMatch{Regex: "()"}
		default:
			out[name] = gateway.StringMatch{Exact: v.Value}
		}
	}
	return out
}

// placeRule notes where the fields of a route stood.
func (a *assembler) placeRule(index int, r ruleRoute) {
	set := func(at place, steps ...any) { a.places.set(at, append([]any{"routes", index}, steps...)...) }
	set(r.at)
	set(r.at.at("backendRefs"), "to")
	set(r.at.at("filters"), "requestHeaders")
	set(r.at.at("filters"), "responseHeaders")
	set(r.at.at("filters"), "rewrite")
	set(r.at.at("filters"), "redirect")
	set(r.at.at("filters"), "mirror")
	set(r.at.at("sessionPersistence"), "sticky")
	set(r.at.at("timeouts", "request"), "timeout")
	set(r.at.at("timeouts", "backendRequest"), "tryTimeout")
	set(r.at.at("retry"), "retry")
	set(r.at.at("retry", "backoff"), "retry", "delay")
	set(r.at.at("retry", "codes"), "retryOnStatus")
	for k, j := range r.from {
		if j >= 0 {
			set(r.at.at("matches", j), "match", k)
			set(r.at.at("matches", j, "queryParams"), "match", k, "query")
		}
	}
}

// backend finds the service for a reference, and says where there is none.
func (a *assembler) backend(r httpRoute, ref gatewayapi.Ref, at place) (service string) {
	if ref.Name == "" {
		return "" // which is told
	}
	to := istio.Destination{Host: ref.Name}
	name := destinationName(to)
	service, found := a.serviceFor(to, name)
	if !found {
		a.missing(at, to, name)
	}
	if _, ok := a.foreign.behind[service]; !ok {
		a.foreign.behind[service] = to
	}
	s, ok := a.out.Gateway.Services[service]
	if !ok {
		a.places.set(at, "services", service)
	}
	if r.grpc && s.Protocol == "" {
		s.Protocol = gateway.ProtocolHTTP2
	}
	a.out.Gateway.Services[service] = s
	return service
}
