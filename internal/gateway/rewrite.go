package gateway

import (
	"bytes"
	"regexp"
	"slices"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// RewriteConfig changes what a service is asked for. Routes are matched, and
// the access log is written, by what the client asked for.
type RewriteConfig struct {
	// Host takes the place of the request's host.
	Host string `yaml:"host"`
	// Path takes the place of the whole path.
	Path string `yaml:"path"`
	// Prefix takes the place of the prefix that the route's match compared the
	// path with; where that was the whole path, of all of it.
	Prefix *string `yaml:"prefix"`
	// Regex changes all parts of the path that it matches.
	Regex *RegexRewrite `yaml:"regex"`
}

// RegexRewrite replaces parts of a text.
type RegexRewrite struct {
	// Match is what is replaced, in RE2 syntax.
	Match string `yaml:"match"`
	// With takes its place; ${1} stands for what the first group matched.
	With string `yaml:"with"`
}

// rewrite is a compiled RewriteConfig.
type rewrite struct {
	host, path []byte
	prefix     *string
	regex      *regexp.Regexp
	with       []byte
}

func newRewrite(c *RewriteConfig) *rewrite {
	if c == nil {
		return nil
	}
	w := &rewrite{prefix: c.Prefix}
	if c.Host != "" {
		w.host = []byte(c.Host)
	}
	if c.Path != "" {
		w.path = []byte(c.Path)
	}
	if c.Regex != nil {
		w.regex, w.with = regexp.MustCompile(c.Regex.Match), []byte(c.Regex.With) // Validate has compiled it
	}
	return w
}

// newPath is what becomes of a request's path.
func (w *rewrite) newPath(path []byte, m *matcher) []byte {
	switch {
	case w.path != nil:
		path = w.path
	case w.prefix != nil:
		path = m.replacePrefix(path, *w.prefix)
	case w.regex != nil:
		path = w.regex.ReplaceAll(path, w.with)
	}
	if len(path) == 0 || path[0] != '/' {
		path = append([]byte("/"), path...)
	}
	return path
}

// replacePrefix replaces what the match compared the path with. Where prefixes
// end at a slash there is one slash between the parts; where they match at any
// byte, as Istio's do, the parts are joined as they are.
func (m *matcher) replacePrefix(path []byte, by string) []byte {
	prefix := "/"
	switch {
	case m == nil || m.path == nil:
	case m.path.prefix != "":
		prefix = m.path.prefix
	default:
		return []byte(by)
	}
	rest := path[min(len(prefix), len(path)):]
	if m != nil && m.path != nil && m.path.bytePrefix {
		return append([]byte(by), rest...)
	}
	rest = bytes.TrimPrefix(rest, slash)
	out := bytes.TrimSuffix([]byte(by), slash)
	if len(rest) > 0 || len(path) > len(prefix) || len(out) == 0 {
		out = append(append(out, '/'), rest...)
	}
	return out
}

var slash = []byte("/")

// rewritten is the request's target as the route rewrites it.
func (x *exchange) rewritten() []byte {
	if x.request.Path[0] != '/' {
		return x.request.Path // OPTIONS * is for the server, not for a path
	}
	target := slices.Clone(x.route.rewrite.newPath(x.request.Path, x.matched))
	if x.request.Query != nil {
		target = append(append(target, '?'), x.request.Query...)
	}
	return target
}

func (v *validator) rewrite(c *RewriteConfig, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	if c.Host != "" && !http1.ValidHost([]byte(c.Host)) {
		v.add("want a host such as shop.example.com, got %q", []any{c.Host}, at("host")...)
	}
	ways := 0
	for _, set := range []bool{c.Path != "", c.Prefix != nil, c.Regex != nil} {
		if set {
			ways++
		}
	}
	switch {
	case ways > 1:
		v.add("want one of path, prefix and regex", nil, path...)
	case ways == 0 && c.Host == "":
		v.add("says nothing: write host, path, prefix or regex", nil, path...)
	}
	if c.Path != "" {
		v.target(c.Path, at("path")...)
	}
	if c.Prefix != nil && *c.Prefix != "" {
		v.target(*c.Prefix, at("prefix")...)
	}
	if c.Regex == nil {
		return
	}
	if c.Regex.Match == "" {
		v.add("is empty", nil, at("regex", "match")...)
	} else if _, err := regexp.Compile(c.Regex.Match); err != nil {
		v.add("%v", []any{err}, at("regex", "match")...)
	}
	if !validTarget(c.Regex.With) {
		v.add("%q cannot stand in a path", []any{c.Regex.With}, at("regex", "with")...)
	}
}

// target checks a path that Afloat will ask for or name.
func (v *validator) target(text string, path ...string) {
	switch {
	case text[0] != '/':
		v.add("want a path that begins with a slash: write /%s", []any{text}, path...)
	case !validTarget(text):
		v.add("%q cannot stand in a path: write other characters as %%XX, and no query", []any{text}, path...)
	}
}

// validTarget reports whether a text can stand in a path (RFC 9110, 4.1).
func validTarget(text string) bool {
	for i := range len(text) {
		if b := text[i]; b <= ' ' || b >= 0x7f || b == '?' || b == '#' || b == '"' || b == '<' || b == '>' || b == '\\' || b == '^' || b == '`' {
			return false
		}
	}
	return true
}
