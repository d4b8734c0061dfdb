package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// matchesMax bounds the hosts times the alternatives of one rule.
const matchesMax = 10_000

// hostRoute is a route for hosts that are equally specific.
type hostRoute struct {
	route  gateway.RouteConfig
	places func(index int)
	rank   int
}

// addVirtualServices adds the rules of all VirtualServices as routes. As in
// Istio, rules for a host go before those for "*.name" and "*", whatever the
// order of the documents; among equals the order of the documents stays.
func (a *assembler) addVirtualServices(destinations map[string]target) {
	var routes []hostRoute
	for _, v := range a.foreign.virtualServices {
		a.noteVirtualService(v)
		groups := map[int][]string{}
		var ranks []int
		for _, host := range v.Hosts {
			rank := hostRank(host)
			if groups[rank] == nil {
				ranks = append(ranks, rank)
			}
			groups[rank] = append(groups[rank], host)
		}
		slices.Sort(ranks)
		for _, rank := range ranks {
			for i := range v.HTTP {
				if r, ok := a.virtualRoute(v, i, groups[rank], destinations); ok {
					r.rank = rank
					routes = append(routes, r)
				}
			}
		}
	}
	slices.SortStableFunc(routes, func(x, y hostRoute) int { return cmp.Compare(x.rank, y.rank) })
	taken := map[string]int{}
	for _, r := range a.out.Gateway.Routes {
		taken[r.Name]++
	}
	for _, r := range routes {
		index := len(a.out.Gateway.Routes)
		r.route.Name = freeName(r.route.Name, taken)
		a.out.Gateway.Routes = append(a.out.Gateway.Routes, r.route)
		r.places(index)
	}
}

// noteVirtualService says where Afloat does other than Istio would.
func (a *assembler) noteVirtualService(v virtualService) {
	say := func(format string, args ...any) {
		a.out.notes = append(a.out.notes, "VirtualService "+v.Name+": "+fmt.Sprintf(format, args...))
	}
	if len(v.Hosts) > 0 && !slices.Contains(v.Hosts, "*") {
		say("its routes take requests for host %s alone: try curl -H 'Host: %s'.", strings.Join(v.Hosts, " or "), strings.Replace(v.Hosts[0], "*", "www", 1))
	}
	say("what it does not say is as Afloat does by default, and as its services above have it: retries keep to a budget, " +
		"breakers, ejection and the limit of requests under way protect the endpoints.")
	if slices.ContainsFunc(v.HTTP, func(r istio.HTTPRoute) bool {
		return r.Retries != nil && r.Retries.PerTryTimeout > 0 && r.Retries.RetryOn == "" && r.Retries.Attempts > 0
	}) {
		say("a try that takes longer than perTryTimeout is repeated too; Istio does that only where retryOn says so.")
	}
}

// hostRank is lower for a more specific host.
func hostRank(host string) int {
	if strings.HasPrefix(host, "*") {
		return 1 + 255 - min(len(host), 255)
	}
	return 0
}

// freeName returns the name, with a number where it is taken.
func freeName(name string, taken map[string]int) string {
	free := name
	for taken[free] > 0 {
		taken[name]++
		free = fmt.Sprintf("%s (%d)", name, taken[name])
	}
	taken[free]++
	return free
}

// virtualRoute makes a route of a rule for some of its hosts; it returns false
// for a rule that no request can match.
func (a *assembler) virtualRoute(v virtualService, i int, hosts []string, destinations map[string]target) (hostRoute, bool) {
	rule, at := v.HTTP[i], v.at.at("spec", "http", i)
	if len(rule.Match)*len(hosts) > matchesMax {
		a.report(at.at("match").problem(fmt.Sprintf("want at most %d hosts times matches, got %d", matchesMax, len(rule.Match)*len(hosts)), ""))
		return hostRoute{}, false
	}
	r := gateway.RouteConfig{Name: cmp.Or(rule.Name, v.Name), Timeout: cmp.Or(rule.Timeout, -1)}
	if rule.Name == "" && len(v.HTTP) > 1 {
		r.Name = fmt.Sprintf("%s[%d]", v.Name, i)
	}
	matches, from := a.matches(at, rule)
	if len(matches) == 0 {
		return hostRoute{}, false
	}
	for _, host := range hosts {
		for _, m := range matches {
			if m.Host = strings.ToLower(host); host == "*" {
				m.Host = ""
			}
			r.Match = append(r.Match, m)
		}
	}
	if len(r.Match) == 1 && isEmpty(r.Match[0]) {
		r.Match = nil
	}
	for _, d := range rule.Route {
		behind := destinations[destinationName(d.Destination)]
		to := gateway.DestinationConfig{Service: behind.service, Labels: behind.labels, Weight: int(d.Weight)}
		to.RequestHeaders, to.ResponseHeaders = fieldEdits(d.Headers)
		if len(rule.Route) == 1 {
			to.Weight = 0
		}
		r.To = append(r.To, to)
	}
	a.answer(&r, rule, at, destinations)
	if len(r.To) > 0 {
		a.retry(&r, rule, at)
	}
	r.CORS, r.Fault = corsOfIstio(rule.CORS), fault(rule.Fault)
	return hostRoute{route: r, places: func(index int) { a.placeRoute(index, at, len(hosts), from) }}, true
}

func isEmpty(m gateway.MatchConfig) bool {
	return m.Host == "" && m.Scheme == "" && m.Path == nil && m.Method == nil && len(m.Headers)+len(m.WithoutHeaders)+len(m.Query)+len(m.Cookies)+len(m.Clients) == 0 && m.Identity == nil
}

func fault(f *istio.HTTPFault) *gateway.FaultConfig {
	if f == nil {
		return nil
	}
	var out gateway.FaultConfig
	if f.Delay != nil {
		out.Delay = policy.FaultDelay{Share: policy.Ratio(f.Delay.Share()), Duration: f.Delay.FixedDelay}
	}
	if f.Abort != nil {
		out.Abort = policy.FaultAbort{Share: policy.Ratio(f.Abort.Share()), Status: int(f.Abort.HTTPStatus)}
	}
	return &out
}

// retry sets a route's retries to those that Istio would make.
func (a *assembler) retry(r *gateway.RouteConfig, rule istio.HTTPRoute, at place) {
	tries := rule.Tries()
	r.Retry = &policy.RetryConfig{Attempts: int(tries.Attempts), Delay: tries.Backoff}
	if tries.Attempts == 0 {
		r.Retry = &policy.RetryConfig{Attempts: -1}
	}
	if tries.Backoff > 100*time.Millisecond { // Envoy lets waits grow tenfold
		r.Retry.DelayMax = min(tries.Backoff, 2*time.Hour) * 10
	}
	if rule.Timeout == 0 || tries.PerTryTimeout < rule.Timeout {
		r.TryTimeout = tries.PerTryTimeout
	}
	r.RetryOn, r.RetryOnStatus, r.RetryOnGRPC = a.retryOn(rule, at.at("retries", "retryOn"))
}

// placeRoute notes where the fields of a route stood.
func (a *assembler) placeRoute(index int, at place, hosts int, from []int) {
	set := func(at place, steps ...any) { a.places.set(at, append([]any{"routes", index}, steps...)...) }
	set(at)
	set(at.at("route"), "to")
	for ours, theirs := range map[string]string{"redirect": "redirect", "respond": "directResponse", "rewrite": "rewrite", "requestHeaders": "headers", "responseHeaders": "headers", "mirror": "mirror"} {
		set(at.at(theirs), ours)
	}
	set(at.at("corsPolicy"), "cors")
	set(at.at("corsPolicy", "allowOrigins"), "cors", "origins")
	set(at.at("retries"), "retry")
	set(at.at("retries", "backoff"), "retry", "delay")
	set(at.at("retries", "perTryTimeout"), "tryTimeout")
	set(at.at("retries", "retryOn"), "retryOn")
	set(at.at("fault", "delay", "percentage"), "fault", "delay", "share")
	set(at.at("fault", "delay", "fixedDelay"), "fault", "delay", "duration")
	set(at.at("fault", "abort", "percentage"), "fault", "abort", "share")
	set(at.at("fault", "abort", "httpStatus"), "fault", "abort", "status")
	for k := range hosts * len(from) {
		j := from[k%len(from)]
		if j < 0 {
			continue
		}
		set(at.at("match", j), "match", k)
		set(at.at("match", j, "uri"), "match", k, "path")
		set(at.at("match", j, "queryParams"), "match", k, "query")
		set(at.at("match", j, "authority"), "match", k, "headers", "host")
	}
}
