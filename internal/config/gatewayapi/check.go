package gatewayapi

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// The API's limits.
const (
	hostnamesMax = 16
	rulesMax     = 16
	matchesMax   = 128 // of a route
	valueMax     = 4096
)

// A checker adds what only this package knows.
type checker struct{ meta.Checker }

func (c *checker) object(o meta.Object) {
	c.Problems = append(c.Problems, o.Check(c.Doc)...)
}

func (c *checker) httpRoute(spec httpRouteSpec) {
	at := yamltree.Path{"spec"}
	c.hostnames(at.At("hostnames"), spec.Hostnames)
	names, matches := map[string]bool{}, 0
	for i, r := range spec.Rules {
		here := at.At("rules", i)
		c.name(here, r.Name, names)
		matches += len(r.Matches)
		for j, m := range r.Matches {
			c.httpMatch(here.At("matches", j), m)
		}
		c.filters(here.At("filters"), r.Filters, r.prefix())
		c.backends(here, r.BackendRefs, r.Filters, r.prefix())
		c.timeouts(here.At("timeouts"), r.Timeouts)
		c.retry(here.At("retry"), r.Retry)
	}
	c.count(at, len(spec.Rules), matches)
}

func (c *checker) grpcRoute(spec grpcRouteSpec) {
	at := yamltree.Path{"spec"}
	c.hostnames(at.At("hostnames"), spec.Hostnames)
	names, matches := map[string]bool{}, 0
	for i, r := range spec.Rules {
		here := at.At("rules", i)
		c.name(here, r.Name, names)
		matches += len(r.Matches)
		for j, m := range r.Matches {
			c.method(here.At("matches", j, "method"), m.Method)
			c.values(here.At("matches", j, "headers"), m.Headers, true)
		}
		for j, f := range r.Filters {
			if f.Type == FilterRedirect || f.Type == FilterRewrite {
				c.Fail(here.At("filters", j, "type"), "calls of gRPC have no "+string(f.Type), "write RequestHeaderModifier, ResponseHeaderModifier or RequestMirror")
			}
		}
		c.filters(here.At("filters"), r.Filters, false)
		c.backends(here, r.BackendRefs, r.Filters, false)
	}
	c.count(at, len(spec.Rules), matches)
}

// prefix tells whether a replacement of a prefix has one to replace.
func (r *HTTPRule) prefix() bool {
	return len(r.Matches) == 1 && r.Matches[0].Path.Kind() == PathPrefix
}

func (c *checker) count(at yamltree.Path, rules, matches int) {
	if rules == 0 && c.Clean(at) {
		c.Fail(at, "has no rules, so its requests go nowhere", "write rules: [{backendRefs: [{name: SERVICE, port: PORT}]}]")
	}
	if rules > rulesMax {
		c.Fail(at.At("rules"), fmt.Sprintf("want at most %d rules, got %d", rulesMax, rules), "write a second route for the same hosts")
	}
	if matches > matchesMax {
		c.Fail(at.At("rules"), fmt.Sprintf("want at most %d matches in all rules, got %d", matchesMax, matches), "write a second route for the same hosts")
	}
}

func (c *checker) name(at yamltree.Path, name string, seen map[string]bool) {
	if name != "" && !meta.IsName(name) {
		c.Fail(at.At("name"), strconv.Quote(name)+" is not a name", "write lower-case letters, digits, '-' and '.'")
	}
	if seen[name] {
		c.Fail(at.At("name"), "the name "+strconv.Quote(name)+" stands twice", "give each rule a name of its own")
	}
	seen[name] = name != ""
}

func (c *checker) hostnames(at yamltree.Path, all []string) {
	if len(all) > hostnamesMax {
		c.Fail(at, fmt.Sprintf("want at most %d hostnames, got %d", hostnamesMax, len(all)), "write a second route")
	}
	for i, host := range all {
		if fix := hostMend(host); fix != "" && c.Clean(at.At(i)) {
			c.Fail(at.At(i), strconv.Quote(host)+" is not a hostname", fix)
		}
	}
}

// hostMend tells how to mend a hostname; it returns nothing for a good one.
func hostMend(host string) string {
	rest, _ := strings.CutPrefix(host, "*.")
	switch {
	case meta.IsName(rest) && !numeric(rest):
		return ""
	case host == "*":
		return "remove hostnames for all"
	case strings.Contains(host, ":"):
		return "write the name alone, without a port or scheme"
	case numeric(rest):
		return "an address is no hostname: remove it"
	}
	return "write lower-case letters, digits and '-' between dots, after *. for all below"
}

// numeric tells whether it looks like an address of IPv4.
func numeric(host string) bool { return strings.Trim(host, "0123456789.") == "" }

func (c *checker) httpMatch(at yamltree.Path, m HTTPMatch) {
	c.path(at.At("path"), m.Path)
	c.values(at.At("headers"), m.Headers, true)
	c.values(at.At("queryParams"), m.QueryParams, false)
	known := []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
	if m.Method != "" && !slices.Contains(known, m.Method) {
		fix := "write one of " + strings.Join(known, ", ")
		if near := yamltree.Suggest(strings.ToUpper(m.Method), known); near != "" {
			fix = "did you mean " + near + "?"
		}
		c.Fail(at.At("method"), strconv.Quote(m.Method)+" is not a method", fix)
	}
}

var pathPattern = regexp.MustCompile(`^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$`)

func (c *checker) path(at yamltree.Path, p *PathMatch) {
	text, here := p.Text(), at.At("value")
	if p.Kind() == PathRegex {
		c.regex(here, text)
		return
	}
	lower := strings.ToLower(text)
	switch {
	case !strings.HasPrefix(text, "/"):
		c.Fail(here, "want a path that begins with a slash, got "+strconv.Quote(text), "write "+strconv.Quote("/"+text))
	case !pathPattern.MatchString(text):
		c.Fail(here, strconv.Quote(text)+" is not a path", "write it as it stands in requests, with other characters as %XX")
	case strings.Contains(text, "//"), strings.Contains(text, "/./"), strings.Contains(text, "/../"),
		strings.HasSuffix(text, "/."), strings.HasSuffix(text, "/.."), strings.Contains(lower, "%2f"):
		c.Fail(here, strconv.Quote(text)+" never matches: such paths are normalized first", "write the path without //, /., /.. and %2F")
	}
}

func (c *checker) regex(at yamltree.Path, text string) {
	switch _, err := syntax.Parse(text, syntax.Perl); {
	case text == "":
		c.Fail(at, "is empty", "")
	case len(text) > valueMax:
		c.Fail(at, fmt.Sprintf("is longer than %d bytes", valueMax), "")
	case err != nil:
		c.Fail(at, "not a regular expression in RE2 syntax: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "), "")
	}
}

var tokenPattern = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$") // of RFC 9110

func (c *checker) values(at yamltree.Path, all []ValueMatch, header bool) {
	seen := map[string]bool{}
	for i, v := range all {
		name := v.Name
		if header {
			name = strings.ToLower(name)
		}
		switch here := at.At(i, "name"); {
		case name == "":
		case header && !tokenPattern.MatchString(name):
			c.Fail(here, strconv.Quote(v.Name)+" is not the name of a header", "")
		case seen[name]:
			c.Warn(here, strconv.Quote(v.Name)+" stands twice: only the first counts", "remove one of them")
		}
		seen[name] = true
		if v.Type == ValueRegex {
			c.regex(at.At(i, "value"), v.Value)
		}
	}
}

var (
	grpcServicePattern = regexp.MustCompile(`^\.?[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*$`)
	grpcMethodPattern  = regexp.MustCompile(`^[A-Za-z_][A-Za-z_0-9]*$`)
)

func (c *checker) method(at yamltree.Path, m *MethodMatch) {
	switch {
	case m == nil:
	case m.Service == "" && m.Method == "":
		c.Fail(at, "want a service, a method, or both", "remove method to take all")
	case m.Type == ValueRegex:
		if m.Service != "" {
			c.regex(at.At("service"), m.Service)
		}
		if m.Method != "" {
			c.regex(at.At("method"), m.Method)
		}
	default:
		if m.Service != "" && !grpcServicePattern.MatchString(m.Service) {
			c.Fail(at.At("service"), strconv.Quote(m.Service)+" is not the name of a gRPC service", "write package.Service")
		}
		if m.Method != "" && !grpcMethodPattern.MatchString(m.Method) {
			c.Fail(at.At("method"), strconv.Quote(m.Method)+" is not the name of a gRPC method", "write the name alone, as in GetUser")
		}
	}
}
