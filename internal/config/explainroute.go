package config

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// explainTarget says where a route's requests go, after the words for which
// they are.
func explainTarget(r *gateway.RouteConfig) string {
	are := " are "
	if len(r.Match) == 0 {
		are = " is " // every request
	}
	switch {
	case r.Redirect != nil:
		return are + "redirected to " + explainRedirect(r.Redirect)
	case r.Respond != nil:
		return are + fmt.Sprintf("answered with %d", cmp.Or(r.Respond.Status, 200))
	}
	return " to " + explainShares(r.To)
}

func explainRedirect(c *gateway.RedirectConfig) string {
	place := cmp.Or(c.Host, "the same host")
	if c.Scheme != "" {
		place = c.Scheme + " at " + place
	}
	if c.Port != 0 {
		place += fmt.Sprintf(", port %d", c.Port)
	}
	switch {
	case c.Path != "":
		place += ", path " + c.Path
	case c.Prefix != nil:
		place += ", the prefix replaced by " + cmp.Or(*c.Prefix, "/")
	}
	return fmt.Sprintf("%s (%d)", place, cmp.Or(c.Status, 302))
}

// explainAccess says what is let through.
func explainAccess(c *gateway.AccessConfig) string {
	text := "only " + explainMatches(c.Allow) + " let through"
	if slices.ContainsFunc(c.Allow, gateway.MatchConfig.Everything) {
		text = "all let through"
	}
	if len(c.Deny) > 0 {
		text += " but " + explainMatches(c.Deny)
	}
	return text
}

// explainEdits says what a route changes on the way.
func explainEdits(r *gateway.RouteConfig) (parts []string) {
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if c := r.Sticky; c != nil {
		by := "cookie " + c.WithDefaults().Cookie
		if c.Header != "" {
			by = "header " + c.Header
		}
		add("each client stays at one endpoint, by the %s", by)
	}
	if r.CORS != nil {
		add("%s", explainCORS(r.CORS))
	}
	if c := r.Rewrite; c != nil {
		switch {
		case c.Path != "":
			add("asked for as %s", c.Path)
		case c.Prefix != nil:
			add("asked for with the prefix %s", cmp.Or(*c.Prefix, "/"))
		case c.Regex != nil:
			add("asked for with %s replaced by %s", c.Regex.Match, c.Regex.With)
		}
		if c.Host != "" {
			add("as host %s", c.Host)
		}
	}
	if n := edits(&r.RequestHeaders); n > 0 {
		add("%s of requests changed", plural(n, "header"))
	}
	if n := edits(&r.ResponseHeaders); n > 0 {
		add("%s of responses changed", plural(n, "header"))
	}
	for _, m := range r.Mirror {
		add("%s copied to %s", m.WithDefaults().Share, m.Service)
	}
	return parts
}

func edits(e *gateway.HeaderEdits) int { return len(e.Set) + len(e.Add) + len(e.Remove) }
