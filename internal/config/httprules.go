package config

import (
	"cmp"
	"time"

	"github.com/afloat-dev/afloat/internal/config/gatewayapi"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// rule translates all of a rule but its matches.
func (a *assembler) rule(r httpRoute, rule gatewayapi.HTTPRule, at place) gateway.RouteConfig {
	var out gateway.RouteConfig
	sum := 0
	for i, b := range rule.BackendRefs {
		here := at.at("backendRefs", i)
		to := gateway.DestinationConfig{Service: a.backend(r, b.Ref, here), Weight: b.Share()}
		for _, f := range b.Filters {
			to.RequestHeaders = headerEdits(to.RequestHeaders, f.RequestHeader)
			to.ResponseHeaders = headerEdits(to.ResponseHeaders, f.ResponseHeader)
		}
		if b.Port != 0 {
			a.backendPort(b.Ref, here)
		}
		out.To = append(out.To, to)
		sum += b.Share()
	}
	switch {
	case len(out.To) == 1 && sum > 0:
		out.To[0].Weight = 0 // it gets all
	case len(out.To) > 0 && sum == 0:
		out.To, out.Respond = nil, &gateway.FallbackConfig{Status: 503, Body: "no backend has a weight\n"}
	}
	for i, f := range rule.Filters {
		a.filter(&out, r, f, at.at("filters", i))
	}
	if t := rule.Timeouts; t != nil {
		if t.Request != nil {
			out.Timeout = cmp.Or(*t.Request, -1)
		}
		if t.BackendRequest != nil && (out.Timeout <= 0 || *t.BackendRequest < out.Timeout) {
			out.TryTimeout = *t.BackendRequest
		}
	}
	if rule.Retry != nil {
		retryOf(&out, rule.Retry)
	}
	if s := rule.SessionPersistence; s != nil && len(out.To) > 0 {
		out.Sticky = a.sticky(s, at.at("sessionPersistence"))
	}
	return out
}

// backendPort says that ports are the endpoints' own, once for each service.
func (a *assembler) backendPort(ref gatewayapi.Ref, at place) {
	first, again := a.foreign.ports[ref.Name]
	if !again {
		a.foreign.ports[ref.Name] = ref.Port
	} else if first != ref.Port {
		a.report(at.at("port").problem("another port of "+ref.Name+" is asked for elsewhere, but a service has one set of endpoints here",
			"give the other port a Service of its own name"))
	}
}

func headerEdits(into gateway.HeaderEdits, m *gatewayapi.HeaderModifier) gateway.HeaderEdits {
	if m == nil {
		return into
	}
	values := func(all []gatewayapi.Header) map[string]string {
		if len(all) == 0 {
			return nil
		}
		out := map[string]string{}
		for _, h := range all {
			out[h.Name] = h.Value
		}
		return out
	}
	return gateway.HeaderEdits{Set: values(m.Set), Add: values(m.Add), Remove: m.Remove}
}

func (a *assembler) filter(out *gateway.RouteConfig, r httpRoute, f gatewayapi.Filter, at place) {
	out.RequestHeaders = headerEdits(out.RequestHeaders, f.RequestHeader)
	out.ResponseHeaders = headerEdits(out.ResponseHeaders, f.ResponseHeader)
	if m := f.Mirror; m != nil && m.Share() > 0 && out.Respond == nil {
		out.Mirror = append(out.Mirror, gateway.MirrorConfig{Service: a.backend(r, m.BackendRef, at.at("requestMirror", "backendRef")), Share: policy.Ratio(m.Share())})
	}
	if d := f.Redirect; d != nil {
		path, prefix := pathModifier(d.Path)
		out.Redirect = &gateway.RedirectConfig{Scheme: string(d.Scheme), Host: d.Hostname, Port: int(d.Port), Path: path, Prefix: prefix, Status: d.StatusCode}
	}
	if f.CORS != nil {
		out.CORS = corsOfGatewayAPI(f.CORS)
	}
	if w := f.Rewrite; w != nil && out.Respond == nil {
		path, prefix := pathModifier(w.Path)
		out.Rewrite = &gateway.RewriteConfig{Host: w.Hostname, Path: path, Prefix: prefix}
	}
}

func pathModifier(p *gatewayapi.PathModifier) (path string, prefix *string) {
	switch {
	case p == nil:
	case p.Type == gatewayapi.ReplaceFullPath && p.ReplaceFullPath != nil:
		path = cmp.Or(*p.ReplaceFullPath, "/")
	case p.Type == gatewayapi.ReplacePrefixMatch:
		prefix = p.ReplacePrefixMatch
	}
	return path, prefix
}

// retryOf sets a route's retries. Connections that could not be made are
// repeated always, and tries that took too long where the rule bounds them.
func retryOf(out *gateway.RouteConfig, r *gatewayapi.Retry) {
	c := policy.RetryConfig{Delay: r.Backoff}
	if r.Backoff > 100*time.Millisecond {
		c.DelayMax = min(r.Backoff, 2*time.Hour) * 10
	}
	if r.Attempts != nil {
		c.Attempts = cmp.Or(*r.Attempts, -1)
	}
	out.Retry = &c
	out.RetryOn = []gateway.RetryCondition{gateway.RetryConnectFailure}
	if out.TryTimeout > 0 {
		out.RetryOn = append(out.RetryOn, gateway.RetryTimeout)
	}
	out.RetryOnStatus = append([]int{}, r.Codes...)
}

func (a *assembler) sticky(s *gatewayapi.SessionPersistence, at place) *gateway.StickyConfig {
	permanent := s.CookieConfig != nil && s.CookieConfig.LifetimeType == "Permanent"
	switch {
	case s.Type == gatewayapi.PersistHeader:
		return &gateway.StickyConfig{Header: cmp.Or(s.SessionName, "Afloat-Session")}
	case permanent && s.AbsoluteTimeout == 0:
		a.report(at.problem("a cookie that is permanent needs its absoluteTimeout", "write absoluteTimeout: 24h"))
	case !permanent && s.AbsoluteTimeout > 0:
		a.report(at.at("absoluteTimeout").warning("ignored: a session's cookie lasts until its client ends", "write cookieConfig: {lifetimeType: Permanent}"))
		return &gateway.StickyConfig{Cookie: s.SessionName}
	}
	return &gateway.StickyConfig{Cookie: s.SessionName, TTL: s.AbsoluteTimeout}
}
