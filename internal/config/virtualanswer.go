package config

import (
	"cmp"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// answer sets what a rule answers itself, and what it changes on the way.
func (a *assembler) answer(r *gateway.RouteConfig, rule istio.HTTPRoute, at place, destinations map[string]target) {
	if d := rule.DirectResponse; d != nil {
		r.Respond = &gateway.FallbackConfig{Status: int(d.Status)}
		if d.Body != nil {
			r.Respond.Body = d.Body.String
		}
	}
	if rule.Redirect != nil {
		r.Redirect = a.redirect(rule.Redirect, at.at("redirect"))
	}
	if w := rule.Rewrite; w != nil {
		r.Rewrite = &gateway.RewriteConfig{Host: w.Authority}
		if w.URI != "" {
			r.Rewrite.Prefix = &w.URI
		}
		if x := w.URIRegexRewrite; x != nil {
			r.Rewrite.Regex = &gateway.RegexRewrite{Match: x.Match, With: expandable(x.Rewrite)}
		}
	}
	request, response := fieldEdits(rule.Headers)
	r.RequestHeaders, r.ResponseHeaders = request, response
	for name, value := range request.Set {
		if lower := strings.ToLower(name); lower != "host" && lower != ":authority" {
			continue
		}
		delete(r.RequestHeaders.Set, name)
		if r.Rewrite == nil {
			r.Rewrite = &gateway.RewriteConfig{}
		}
		r.Rewrite.Host = cmp.Or(r.Rewrite.Host, value)
	}
	for _, m := range rule.Copies() {
		behind := destinations[destinationName(m.Destination)]
		if behind.labels != nil {
			a.report(at.problem("copies go to all endpoints of a service, and subset "+m.Destination.Subset+" is some of those of "+behind.service,
				"give the subset a service of its own, "+destinationName(m.Destination)))
		}
		if m.Share() > 0 {
			r.Mirror = append(r.Mirror, gateway.MirrorConfig{Service: behind.service, Share: policy.Ratio(m.Share())})
		}
	}
}

func (a *assembler) redirect(d *istio.HTTPRedirect, at place) *gateway.RedirectConfig {
	out := &gateway.RedirectConfig{Scheme: string(d.Scheme), Host: d.Authority, Port: int(d.Port), Path: d.URI, Status: cmp.Or(int(d.RedirectCode), 301)}
	if host, port, err := net.SplitHostPort(d.Authority); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			a.report(at.at("authority").problem("want a host, or host:port, got "+strconv.Quote(d.Authority), ""))
		}
		out.Host, out.Port = host, cmp.Or(out.Port, int(n))
	}
	if d.DerivePort == "FROM_REQUEST_PORT" && d.Scheme != "" {
		a.report(at.at("derivePort").warning("ignored: with a scheme, the port is the scheme's own", "write port"))
	}
	return out
}

// group is a group of a match as Istio writes it in what takes its place.
var group = regexp.MustCompile(`\\(\d)`)

// expandable writes groups as Go does: ${1} in place of \1.
func expandable(text string) string {
	return group.ReplaceAllString(strings.ReplaceAll(text, "$", "$$"), `$${$1}`)
}

// fieldEdits translates changes of headers.
func fieldEdits(h *istio.Headers) (request, response gateway.HeaderEdits) {
	edits := func(o *istio.HeaderOperations) gateway.HeaderEdits {
		if o == nil {
			return gateway.HeaderEdits{}
		}
		return gateway.HeaderEdits{Set: o.Set, Add: o.Add, Remove: o.Remove}
	}
	if h == nil {
		return request, response
	}
	return edits(h.Request), edits(h.Response)
}
