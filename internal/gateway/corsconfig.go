package gateway

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// CORSConfig says which pages of other origins may use a route from a browser.
// Afloat answers what browsers ask first, and says so in the answers of the
// service; what the service itself says of it is not passed on.
type CORSConfig struct {
	// Origins of those pages, such as https://shop.example, with * before a dot
	// for any name there, as in https://*.shop.example. "*" alone is any page.
	Origins []string `yaml:"origins"`
	// Methods that they may use; "*" is any. Default: GET, HEAD and POST.
	Methods []string `yaml:"methods"`
	// Headers that they may send besides those that browsers send unasked; "*"
	// is any. Default: none.
	Headers []string `yaml:"headers"`
	// ExposeHeaders that they may read in answers besides those that pages
	// always read. Default: none.
	ExposeHeaders []string `yaml:"exposeHeaders"`
	// Credentials lets pages act as the user who is logged in, by cookies or
	// certificates.
	Credentials bool `yaml:"credentials"`
	// MaxAge is how long browsers need not ask again. Default: as long as they
	// think, which is some seconds.
	MaxAge time.Duration `yaml:"maxAge"`
	// PassOthers leaves requests of other origins to the service, with what it
	// says of them. Default: they get no permission.
	PassOthers bool `yaml:"passOthers"`
	// Patterns are more origins, as Istio writes them.
	Patterns []StringMatch `yaml:"-"`
}

// originsMax bounds the lists of a CORSConfig.
const originsMax = 100

func (v *validator) cors(c *CORSConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	if len(c.Origins)+len(c.Patterns) == 0 {
		v.add("name the pages that may use the route, such as https://shop.example", nil, at("origins")...)
	}
	v.count(len(c.Origins)+len(c.Patterns), originsMax, at("origins")...)
	for i, o := range c.Origins {
		switch why := badOrigin(o); {
		case why != "":
			v.add("%s, got %q", []any{why, o}, at("origins", strconv.Itoa(i))...)
		case o == "*" && c.Credentials:
			v.add("with credentials, any page could act as the user: name the origins", nil, at("origins", strconv.Itoa(i))...)
		}
	}
	for i, p := range c.Patterns {
		v.stringMatch(p, at("origins", strconv.Itoa(i))...)
	}
	for field, list := range map[string][]string{"methods": c.Methods, "headers": c.Headers, "exposeHeaders": c.ExposeHeaders} {
		v.count(len(list), originsMax, at(field)...)
		for i, name := range list {
			if !validToken(name) {
				v.add("want a name or *, got %q", []any{name}, at(field, strconv.Itoa(i))...)
			}
		}
	}
	v.duration(c.MaxAge, at("maxAge")...)
}

// badOrigin says what is wrong with an origin; empty: nothing.
func badOrigin(o string) string {
	if o == "*" || o == "null" {
		return ""
	}
	u, err := url.Parse(strings.Replace(o, "*", "x", 1))
	switch {
	case err != nil || u.Scheme == "" || u.Host == "" || !httpguts.ValidHeaderFieldValue(o):
		return "want an origin such as https://shop.example"
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return "an origin ends with its host and port"
	case strings.Contains(o, "*") && !strings.Contains(o, "://*.") || strings.Count(o, "*") > 1:
		return "a * stands for the names before a dot, as in https://*.shop.example"
	}
	return ""
}
