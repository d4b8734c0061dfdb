package gatewayapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

func (c *checker) backends(rule yamltree.Path, all []Backend, filters []Filter, prefix bool) {
	at := rule.At("backendRefs")
	redirects := slices.ContainsFunc(filters, func(f Filter) bool { return f.Type == FilterRedirect })
	switch {
	case redirects && len(all) > 0:
		c.Fail(at, "a rule that redirects sends no request anywhere", "remove backendRefs, or the RequestRedirect")
	case !redirects && len(all) == 0 && c.Clean(at):
		c.Fail(rule, "sends requests nowhere: every one of them would be answered with 500", "write backendRefs: [{name: SERVICE, port: PORT}]")
	}
	sum := 0
	for i, b := range all {
		c.ref(at.At(i), b.Ref)
		c.filters(at.At(i, "filters"), b.Filters, prefix)
		for j, f := range b.Filters {
			if f.Type == FilterRedirect || f.Type == FilterMirror || f.Type == FilterRewrite || f.Type == FilterCORS {
				c.Fail(at.At(i, "filters", j), "not supported yet at a backend: "+string(f.Type), "move it to the filters of the rule")
			}
		}
		sum += b.Share()
	}
	if len(all) > 0 && sum == 0 {
		c.Warn(at, "the weights add up to 0, so every request is answered with 503", "give one of them a weight")
	}
}

func (c *checker) ref(at yamltree.Path, r Ref) {
	if r.Group != "" || r.Kind != "" && r.Kind != "Service" {
		c.Fail(at, "only Services are backends, got "+strings.TrimPrefix(r.Group+"/"+r.Kind, "/"), "write kind: Service, or leave group and kind out")
	}
	if r.Name != "" && !meta.IsName(r.Name) {
		c.Fail(at.At("name"), strconv.Quote(r.Name)+" is not a valid name", "write lower-case letters, digits, '-' and '.'")
	}
	if r.Port == 0 && c.Clean(at) {
		c.Fail(at, "a Service needs its port", "add port: 80, or what it is")
	}
}

func (c *checker) filters(at yamltree.Path, all []Filter, prefix bool) {
	seen := map[FilterType]bool{}
	for i, f := range all {
		here := at.At(i)
		if seen[f.Type] && f.Type != FilterMirror {
			c.Fail(here, "a second "+string(f.Type), "make one of both")
		}
		seen[f.Type] = true
		fields := []struct {
			kind FilterType
			name string
			set  bool
		}{
			{FilterRequestHeader, "requestHeaderModifier", f.RequestHeader != nil},
			{FilterResponseHeader, "responseHeaderModifier", f.ResponseHeader != nil},
			{FilterMirror, "requestMirror", f.Mirror != nil},
			{FilterRedirect, "requestRedirect", f.Redirect != nil},
			{FilterRewrite, "urlRewrite", f.Rewrite != nil},
			{FilterCORS, "cors", f.CORS != nil},
		}
		for _, one := range fields {
			switch {
			case one.set && f.Type != one.kind && c.Clean(here):
				c.Fail(here.At(one.name), "is for the type "+string(one.kind)+", and this is "+string(f.Type), "make it a filter of its own")
			case !one.set && f.Type == one.kind && c.Clean(here):
				c.Fail(here, "wants "+one.name, "")
			}
		}
		if slices.Contains([]FilterType{"ExternalAuth", "ExtensionRef"}, f.Type) && c.Clean(here) {
			c.Fail(here.At("type"), "not supported yet: "+string(f.Type), "remove it")
		}
		c.modifier(here.At("requestHeaderModifier"), f.RequestHeader)
		c.modifier(here.At("responseHeaderModifier"), f.ResponseHeader)
		c.mirror(here.At("requestMirror"), f.Mirror)
		c.redirect(here.At("requestRedirect"), f.Redirect, prefix)
		if f.Rewrite != nil {
			c.location(here.At("urlRewrite"), f.Rewrite.Hostname, f.Rewrite.Path, prefix)
		}
	}
	if seen[FilterRedirect] && seen[FilterRewrite] {
		c.Fail(at, "a request that is redirected cannot be rewritten too", "keep one of RequestRedirect and URLRewrite")
	}
}

func (c *checker) modifier(at yamltree.Path, m *HeaderModifier) {
	if m == nil {
		return
	}
	seen := map[string]bool{}
	name := func(at yamltree.Path, text string) {
		lower := strings.ToLower(text)
		switch {
		case text == "":
		case !tokenPattern.MatchString(text):
			c.Fail(at, strconv.Quote(text)+" is not the name of a header", "")
		case seen[lower]:
			c.Fail(at, strconv.Quote(text)+" is changed twice", "keep one change for each header")
		}
		seen[lower] = true
	}
	for i, h := range m.Set {
		name(at.At("set", i, "name"), h.Name)
	}
	for i, h := range m.Add {
		name(at.At("add", i, "name"), h.Name)
	}
	for i, h := range m.Remove {
		name(at.At("remove", i), h)
	}
}

func (c *checker) mirror(at yamltree.Path, m *Mirror) {
	if m == nil {
		return
	}
	c.ref(at.At("backendRef"), m.BackendRef)
	f := m.Fraction
	switch {
	case m.Percent != nil && f != nil:
		c.Fail(at, "want one of percent and fraction", "keep one of them")
	case f != nil && m.Share() > 1:
		c.Fail(at.At("fraction"), "is more than all", "write a numerator of at most the denominator, which is 100 where it is not said")
	}
}

func (c *checker) redirect(at yamltree.Path, r *Redirect, prefix bool) {
	if r == nil {
		return
	}
	c.location(at, r.Hostname, r.Path, prefix)
	if known := []int{0, 301, 302, 303, 307, 308}; !slices.Contains(known, r.StatusCode) {
		c.Fail(at.At("statusCode"), fmt.Sprintf("want 301, 302, 303, 307 or 308, got %d", r.StatusCode), "")
	}
}

func (c *checker) location(at yamltree.Path, hostname string, p *PathModifier, prefix bool) {
	if hostname != "" {
		if fix := hostMend(hostname); fix != "" || strings.HasPrefix(hostname, "*") {
			c.Fail(at.At("hostname"), strconv.Quote(hostname)+" is not one host", "write its name alone")
		}
	}
	if p == nil || !c.Clean(at.At("path")) {
		return
	}
	here := at.At("path")
	switch {
	case p.Type == ReplaceFullPath && p.ReplaceFullPath == nil:
		c.Fail(here, "wants replaceFullPath", "")
	case p.Type == ReplacePrefixMatch && p.ReplacePrefixMatch == nil:
		c.Fail(here, "wants replacePrefixMatch", "")
	case p.ReplaceFullPath != nil && p.ReplacePrefixMatch != nil:
		c.Fail(here, "want one of replaceFullPath and replacePrefixMatch", "keep what the type names")
	case p.Type == ReplacePrefixMatch && !prefix:
		c.Fail(here, "replaces a prefix, so the rule needs exactly one match, of type PathPrefix", "")
	}
	for name, text := range map[string]*string{"replaceFullPath": p.ReplaceFullPath, "replacePrefixMatch": p.ReplacePrefixMatch} {
		if text != nil && *text != "" && (!strings.HasPrefix(*text, "/") || strings.ContainsAny(*text, " \t\r\n?#")) {
			c.Fail(here.At(name), strconv.Quote(*text)+" is not a path", "write one that begins with a slash, without a query")
		}
	}
}

func (c *checker) timeouts(at yamltree.Path, t *Timeouts) {
	if t == nil || t.Request == nil || t.BackendRequest == nil {
		return
	}
	if *t.Request != 0 && *t.BackendRequest > *t.Request {
		c.Fail(at.At("backendRequest"), fmt.Sprintf("a try may not take longer than the request's %s", *t.Request), "write less")
	}
}

func (c *checker) retry(at yamltree.Path, r *Retry) {
	if r == nil {
		return
	}
	for i, code := range r.Codes {
		if code < 400 || code > 599 {
			c.Fail(at.At("codes", i), fmt.Sprintf("want a status from 400 to 599, got %d", code), "")
		}
	}
	if r.Attempts != nil && *r.Attempts > 100 {
		c.Fail(at.At("attempts"), fmt.Sprintf("want at most 100, got %d", *r.Attempts), "")
	}
}
