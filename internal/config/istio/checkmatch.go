package istio

import (
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// regexBytesMax is Istio's limit.
const regexBytesMax = 1024

func (c *checker) match(at yamltree.Path, m HTTPMatch) {
	for _, one := range []struct {
		name  string
		match *StringMatch
	}{{"uri", m.URI}, {"scheme", m.Scheme}, {"method", m.Method}, {"authority", m.Authority}} {
		if one.match == nil {
			continue
		}
		here := at.At(one.name)
		if one.match.Present() && c.Clean(here) {
			c.Fail(here, "want one of exact, prefix and regex", "")
		}
		c.stringMatch(here, *one.match, one.name == "uri")
	}
	c.headers(at.At("headers"), m.Headers)
	c.headers(at.At("withoutHeaders"), m.WithoutHeaders)
	for _, name := range slices.Sorted(maps.Keys(m.QueryParams)) {
		here := at.At("queryParams", name)
		if m.QueryParams[name].Present() && c.Clean(here) {
			c.Fail(here, "want one of exact, prefix and regex", "")
		}
		c.stringMatch(here, m.QueryParams[name], false)
	}
}

var headerPattern = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$") // a token of RFC 9110

func (c *checker) headers(at yamltree.Path, headers map[string]StringMatch) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		here := at.At(name)
		switch {
		case slices.Contains([]string{"uri", "scheme", "method", "authority"}, name):
			c.Fail(here, "Istio ignores this key among headers", "move it one level up")
		case strings.HasPrefix(name, "@request.auth."):
			c.Fail(here, "not supported yet: claims of a JWT are not matched", "remove it")
		case strings.HasPrefix(name, ":"):
			c.Fail(here, "not supported yet: pseudo-headers are not matched", "write method, authority, scheme or uri")
		case !headerPattern.MatchString(name):
			c.Fail(here, strconv.Quote(name)+" is not the name of a header", "")
		}
		c.stringMatch(here, headers[name], false)
	}
}

func (c *checker) stringMatch(at yamltree.Path, m StringMatch, emptyPrefix bool) {
	ways := 0
	for _, s := range []*string{m.Exact, m.Prefix, m.Regex} {
		if s != nil {
			ways++
		}
	}
	if ways > 1 {
		c.Fail(at, "want only one of exact, prefix and regex", "keep one of them")
	}
	if m.Prefix != nil && *m.Prefix == "" && !emptyPrefix {
		c.Fail(at.At("prefix"), "is empty", "write {} for mere presence, or remove it")
	}
	if m.Regex == nil || (*m.Regex == "*" && at[len(at)-2] == "withoutHeaders") {
		return
	}
	switch _, err := syntax.Parse(*m.Regex, syntax.Perl); {
	case *m.Regex == "":
		c.Fail(at.At("regex"), "is empty", "")
	case len(*m.Regex) > regexBytesMax:
		c.Fail(at.At("regex"), "is longer than "+strconv.Itoa(regexBytesMax)+" bytes", "")
	case err != nil:
		c.Fail(at.At("regex"), "not a regular expression in RE2 syntax: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "), "")
	}
}

func (c *checker) destinationRule(spec destinationRuleSpec) {
	at := yamltree.Path{"spec"}
	if fix := hostMend(spec.Host, true); fix != "" && c.Clean(at.At("host")) {
		c.Fail(at.At("host"), strconv.Quote(spec.Host)+" is not a host", fix)
	}
	c.trafficPolicy(at.At("trafficPolicy"), spec.TrafficPolicy)
	seen := map[string]bool{}
	for i, s := range spec.Subsets {
		here := at.At("subsets", i)
		if s.Name != "" && !meta.IsLabel(s.Name) {
			c.Fail(here.At("name"), strconv.Quote(s.Name)+" is not the name of a subset", "write at most 63 lower-case letters, digits and '-'")
		}
		if seen[s.Name] {
			c.Fail(here.At("name"), "the subset "+strconv.Quote(s.Name)+" stands twice", "keep one of them")
		}
		seen[s.Name] = s.Name != ""
		c.Problems = append(c.Problems, meta.CheckLabels(c.Doc, here.At("labels"), s.Labels)...)
		c.trafficPolicy(here.At("trafficPolicy"), s.TrafficPolicy)
	}
}

func (c *checker) trafficPolicy(at yamltree.Path, p *TrafficPolicy) {
	if p == nil {
		return
	}
	if lb := p.LoadBalancer; lb != nil && lb.Simple == LBPassthrough {
		c.Fail(at.At("loadBalancer", "simple"), "PASSTHROUGH is not supported: requests go to known endpoints only", "write LEAST_REQUEST")
	}
	c.tls(at.At("tls"), p.TLS)
	if lb := p.LoadBalancer; lb != nil && lb.ConsistentHash != nil {
		c.hash(at.At("loadBalancer"), lb)
	}
}

func (c *checker) hash(at yamltree.Path, lb *LoadBalancer) {
	h, keys := lb.ConsistentHash, 0
	for _, set := range []bool{h.HTTPHeaderName != "", h.HTTPCookie != nil, h.UseSourceIP, h.HTTPQueryParameterName != ""} {
		if set {
			keys++
		}
	}
	switch {
	case lb.Simple != "":
		c.Fail(at, "want one of simple and consistentHash", "keep one of them")
	case keys != 1 && c.Clean(at):
		c.Fail(at.At("consistentHash"), "want one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName", "")
	case h.RingHash != nil && h.Maglev != nil:
		c.Fail(at.At("consistentHash"), "want one of ringHash and maglev", "keep one of them")
	}
}

var hostLabelPattern = regexp.MustCompile(`^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$`)

// hostMend tells how to mend a host; it returns nothing for a good one. A
// wildcard is "*" or stands for the first label.
func hostMend(host string, wildcard bool) string {
	rest, wild := strings.CutPrefix(host, "*.")
	switch {
	case wildcard && host == "*":
		return ""
	case wild && !wildcard, host == "*":
		return "a destination is one host, without *"
	case strings.Contains(host, "://"):
		return "write the name alone, without a scheme"
	case strings.Contains(host, "/"):
		return "write the name alone, without a path or namespace"
	case strings.Count(host, ":") == 1:
		return "write the name alone, without a port"
	case len(host) > 255:
		return "write at most 255 characters"
	}
	for _, label := range strings.Split(rest, ".") {
		if len(label) > 63 || !hostLabelPattern.MatchString(label) {
			return "write letters, digits and '-' between dots, or * as the first label of a name"
		}
	}
	return ""
}
