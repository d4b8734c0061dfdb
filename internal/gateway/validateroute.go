package gateway

import (
	"slices"
)

// targets checks where a route's requests go, and how they are changed on the
// way.
func (v *validator) targets(c *Config, r *RouteConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	ways := 0
	for _, set := range []bool{len(r.To) > 0, r.Redirect != nil, r.Respond != nil} {
		if set {
			ways++
		}
	}
	switch {
	case ways == 0:
		v.add("a route needs a service to go to: write to: [{service: NAME}]", nil, at("to")...)
	case ways > 1:
		v.add("want one of to, redirect and respond", nil, path...)
	}
	if len(r.To) == 0 && (r.Rewrite != nil || r.Sticky != nil || len(r.Mirror) > 0) {
		v.add("rewrite, sticky and mirror are for requests that go to a service", nil, path...)
	}
	if r.Redirect != nil {
		v.redirect(r.Redirect, at("redirect")...)
	}
	if r.Respond != nil {
		v.fallback(r.Respond, at("respond")...)
		if r.Respond.Service != "" {
			v.add("an answer of Afloat's own comes from no service: write to: [{service: %s}]", []any{r.Respond.Service}, at("respond", "service")...)
		}
	}
	if r.Rewrite != nil {
		v.rewrite(r.Rewrite, at("rewrite")...)
	}
	if r.Sticky != nil {
		v.sticky(r.Sticky, at("sticky")...)
	}
	v.edits(&r.RequestHeaders, at("requestHeaders")...)
	v.edits(&r.ResponseHeaders, at("responseHeaders")...)
	v.mirrors(c, r.Mirror, at("mirror")...)
}

func (v *validator) fallback(f *FallbackConfig, path ...string) {
	at := func(more string) []string { return append(slices.Clone(path), more) }
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		v.add("want a status from 200 to 599, got %d", []any{f.Status}, at("status")...)
	}
	if len(f.Body) > fallbackBytesMax {
		v.add("want at most %d bytes, got %d", []any{fallbackBytesMax, len(f.Body)}, at("body")...)
	}
}
