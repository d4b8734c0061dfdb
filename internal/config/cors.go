package config

import (
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/config/gatewayapi"
	"github.com/afloat-dev/afloat/internal/config/istio"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// corsOfIstio is a VirtualService's CORS as Envoy does it: what it does not
// allow is left to the service, unless it says otherwise.
func corsOfIstio(p *istio.CORSPolicy) *gateway.CORSConfig {
	if p == nil {
		return nil
	}
	out := &gateway.CORSConfig{
		Methods: p.AllowMethods, Headers: p.AllowHeaders, ExposeHeaders: p.ExposeHeaders,
		Credentials: p.AllowCredentials, MaxAge: p.MaxAge, PassOthers: p.UnmatchedPreflights != "IGNORE",
	}
	for _, o := range p.AllowOrigins {
		switch {
		case o.Exact != nil && *o.Exact == "*":
			out.Origins = append(out.Origins, "*")
		case o.Exact != nil:
			out.Patterns = append(out.Patterns, gateway.StringMatch{Exact: *o.Exact})
		case o.Prefix != nil:
			out.Patterns = append(out.Patterns, gateway.StringMatch{Prefix: *o.Prefix})
		case o.Regex != nil:
			out.Patterns = append(out.Patterns, gateway.StringMatch{Regex: *o.Regex})
		}
	}
	return out
}

// corsOfGatewayAPI is the CORS filter of an HTTPRoute.
func corsOfGatewayAPI(f *gatewayapi.CORS) *gateway.CORSConfig {
	age := int32(5) // the API's default
	if f.MaxAge != nil {
		age = *f.MaxAge
	}
	return &gateway.CORSConfig{
		Origins: f.AllowOrigins, Methods: f.AllowMethods, Headers: f.AllowHeaders, ExposeHeaders: f.ExposeHeaders,
		Credentials: f.AllowCredentials, MaxAge: time.Duration(age) * time.Second,
	}
}

// explainCORS says which pages may use a route.
func explainCORS(c *gateway.CORSConfig) string {
	names := slices.Clone(c.Origins)
	for _, p := range c.Patterns {
		names = append(names, p.Exact+p.Prefix+p.Regex)
	}
	text := "open to pages of " + strings.Join(names, " and ")
	if len(names) == 1 && names[0] == "*" {
		text = "open to any page"
	}
	if c.Credentials {
		text += ", with the user's credentials"
	}
	return text
}
