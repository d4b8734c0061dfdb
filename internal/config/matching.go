package config

import (
	"regexp"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// matches are the alternatives of a rule, without hosts, and their indices in
// the rule. Without alternatives there is one that takes every request.
func (a *assembler) matches(at place, rule istio.HTTPRoute) (out []gateway.MatchConfig, from []int) {
	if len(rule.Match) == 0 {
		return []gateway.MatchConfig{{}}, []int{-1}
	}
	for j, m := range rule.Match {
		one := match(m)
		if m.Scheme != nil {
			plain, secure := matchesText(*m.Scheme, "http"), matchesText(*m.Scheme, "https")
			switch {
			case plain && !secure:
				one.Scheme = "http"
			case secure && !plain:
				one.Scheme = "https"
			case !plain:
				a.report(at.at("match", j, "scheme").warning("never matches: requests come over http or https", "remove it"))
				continue
			}
		}
		out, from = append(out, one), append(from, j)
	}
	return out, from
}

func match(m istio.HTTPMatch) gateway.MatchConfig {
	var out gateway.MatchConfig
	if m.URI != nil {
		path := stringMatch(*m.URI)
		path.IgnoreCase = m.IgnoreURICase && path.Regex == ""
		out.Path = &path
	}
	if m.Method != nil {
		method := stringMatch(*m.Method)
		out.Method = &method
	}
	out.Headers, out.WithoutHeaders, out.Query = stringMatches(m.Headers), stringMatches(m.WithoutHeaders), stringMatches(m.QueryParams)
	if m.Authority != nil {
		if out.Headers == nil {
			out.Headers = map[string]gateway.StringMatch{}
		}
		out.Headers["host"] = stringMatch(*m.Authority)
	}
	return out
}

func stringMatches(from map[string]istio.StringMatch) map[string]gateway.StringMatch {
	if len(from) == 0 {
		return nil
	}
	out := map[string]gateway.StringMatch{}
	for name, m := range from {
		out[name] = stringMatch(m)
	}
	return out
}

// stringMatch translates a comparison. Empty text is what any string begins
// with, but nothing but empty text equals it.
func stringMatch(m istio.StringMatch) gateway.StringMatch {
	out := gateway.StringMatch{BytePrefix: true}
	switch {
	case m.Exact != nil && *m.Exact == "":
		out.Regex = "()"
	case m.Exact != nil:
		out.Exact = *m.Exact
	case m.Prefix != nil:
		out.Prefix = *m.Prefix
	case m.Regex != nil && *m.Regex != "*": // Istio's word for presence
		out.Regex = *m.Regex
	}
	return out
}

func matchesText(m istio.StringMatch, text string) bool {
	switch {
	case m.Exact != nil:
		return *m.Exact == text
	case m.Prefix != nil:
		return strings.HasPrefix(text, *m.Prefix)
	case m.Regex != nil:
		re, err := regexp.Compile("^(?:" + *m.Regex + ")$")
		return err != nil || re.MatchString(text) // a wrong one is reported already
	}
	return true
}
