package gatewayapi

import "cmp"

// Compare tells which of two matches for the same host goes first, as the API
// has it: an exact path, then the longer prefix, then a method, then more
// headers, then more parameters. Regular expressions, of which it leaves that
// open, go between exact paths and prefixes, the longer first.
func (m *HTTPMatch) Compare(o *HTTPMatch) int {
	length := func(m *HTTPMatch) int { return len(m.Path.Text()) }
	method := func(m *HTTPMatch) int { return min(len(m.Method), 1) }
	return cmp.Or(
		cmp.Compare(pathRank[m.Path.Kind()], pathRank[o.Path.Kind()]),
		cmp.Compare(length(o), length(m)),
		cmp.Compare(method(o), method(m)),
		cmp.Compare(len(o.Headers), len(m.Headers)),
		cmp.Compare(len(o.QueryParams), len(m.QueryParams)),
	)
}

var pathRank = map[PathMatchType]int{PathExact: 0, PathRegex: 1, PathPrefix: 2}

// HTTP is the match in terms of HTTP, by which calls of gRPC are known.
func (m *GRPCMatch) HTTP() HTTPMatch { return HTTPMatch{Path: m.Method.Path(), Headers: m.Headers} }

// HTTP is the rule in terms of HTTP.
func (r *GRPCRule) HTTP() HTTPRule {
	out := HTTPRule{Name: r.Name, Filters: r.Filters, BackendRefs: r.BackendRefs, SessionPersistence: r.SessionPersistence}
	for i := range r.Matches {
		out.Matches = append(out.Matches, r.Matches[i].HTTP())
	}
	return out
}

// HTTP is the route in terms of HTTP.
func (r *GRPCRoute) HTTP() HTTPRoute {
	out := HTTPRoute{Name: r.Name, Namespace: r.Namespace, Hostnames: r.Hostnames}
	for i := range r.Rules {
		out.Rules = append(out.Rules, r.Rules[i].HTTP())
	}
	return out
}
