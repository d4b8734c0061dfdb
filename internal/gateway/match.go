package gateway

import (
	"bytes"
	"cmp"
	"net/url"
	"regexp"
	"strings"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// matcher is a compiled MatchConfig.
type matcher struct {
	host           string // lower case; "" for any
	wildcard       bool   // host is the part after "*"
	scheme         string // "" for any
	path, method   *textMatcher
	preflights     bool // one counts as the request that it asks for
	headers        []namedMatcher
	withoutHeaders []namedMatcher
	query          []namedMatcher
	cookies        []namedMatcher
	identity       *textMatcher
	clients        networks
}

type namedMatcher struct {
	name string
	text textMatcher
}

// textMatcher is a compiled StringMatch.
type textMatcher struct {
	exact, prefix string
	regex         *regexp.Regexp
	ignoreCase    bool
	bytePrefix    bool
}

func newMatcher(c MatchConfig) matcher {
	m := matcher{host: strings.TrimSuffix(strings.ToLower(c.Host), "."), scheme: c.Scheme}
	if rest, ok := strings.CutPrefix(m.host, "*."); ok {
		m.host, m.wildcard = "."+rest, true
	}
	if c.Path != nil {
		t := newTextMatcher(*c.Path)
		m.path = &t
	}
	if c.Method != nil {
		t := newTextMatcher(*c.Method)
		t.bytePrefix = true
		m.method = &t
	}
	m.headers = namedMatchers(c.Headers)
	m.withoutHeaders = namedMatchers(c.WithoutHeaders)
	m.query = namedMatchers(c.Query)
	m.cookies = namedMatchers(c.Cookies)
	if c.Identity != nil {
		t := newTextMatcher(*c.Identity)
		t.bytePrefix = true
		m.identity = &t
	}
	m.clients = newNetworks(c.Clients)
	return m
}

func namedMatchers(c map[string]StringMatch) []namedMatcher {
	var all []namedMatcher
	for name, match := range c {
		t := newTextMatcher(match)
		t.bytePrefix = true
		all = append(all, namedMatcher{name, t})
	}
	return all
}

func newTextMatcher(c StringMatch) textMatcher {
	m := textMatcher{exact: c.Exact, prefix: c.Prefix, ignoreCase: c.IgnoreCase, bytePrefix: c.BytePrefix}
	if c.Regex != "" {
		flags := ""
		if c.IgnoreCase {
			flags = "(?i)"
		}
		m.regex = regexp.MustCompile(flags + "^(?:" + c.Regex + ")$") // Validate has compiled it
	}
	return m
}

// matches reports whether the text matches.
func (m *textMatcher) matches(text []byte) bool {
	switch {
	case m.exact != "":
		return len(text) == len(m.exact) && m.hasPrefix(text, m.exact)
	case m.prefix != "":
		if !m.hasPrefix(text, m.prefix) {
			return false
		}
		rest := text[len(m.prefix):]
		return m.bytePrefix || len(rest) == 0 || rest[0] == '/' || m.prefix[len(m.prefix)-1] == '/'
	case m.regex != nil:
		return m.regex.Match(text)
	}
	return true
}

func (m *textMatcher) hasPrefix(text []byte, prefix string) bool {
	if len(text) < len(prefix) {
		return false
	}
	if m.ignoreCase {
		return bytes.EqualFold(text[:len(prefix)], []byte(prefix))
	}
	return string(text[:len(prefix)]) == prefix
}

// matches reports whether a request fulfils every condition.
func (m *matcher) matches(x *exchange) bool {
	r := &x.request
	return m.matchesHost(x.host) &&
		(m.scheme == "" || m.scheme == string(x.originator.scheme)) &&
		(m.path == nil || m.path.matches(r.Path)) &&
		(m.method == nil || m.method.matches(m.methodOf(r))) &&
		m.matchesHeaders(r) && m.matchesQuery(r) && m.matchesCookies(r) && m.matchesClient(x)
}

// methodOf is the method that counts.
func (m *matcher) methodOf(r *http1.Request) []byte {
	if m.preflights {
		if method := asked(r); method != nil {
			return method
		}
	}
	return []byte(r.Method)
}

// matchesClient reports whether the client is among those that are meant. A
// client without a certificate has no identity that could match.
func (m *matcher) matchesClient(x *exchange) bool {
	if m.clients != nil && !m.clients.hold(x.originator.client) {
		return false
	}
	id := x.session.identity
	return m.identity == nil || id != "" && m.identity.matches([]byte(id))
}

func (m *matcher) matchesCookies(r *http1.Request) bool {
	for i := range m.cookies {
		value, ok := cookie(r.Fields, m.cookies[i].name)
		if !ok || !m.cookies[i].text.matches(value) {
			return false
		}
	}
	return true
}

func (m *matcher) matchesHost(host []byte) bool {
	switch {
	case m.host == "":
		return true
	case m.wildcard:
		return len(host) > len(m.host) && string(host[len(host)-len(m.host):]) == m.host
	}
	return string(host) == m.host
}

func (m *matcher) matchesHeaders(r *http1.Request) bool {
	for i := range m.headers {
		value := r.Get(m.headers[i].name)
		if value == nil || !m.headers[i].text.matches(value) {
			return false
		}
	}
	for i := range m.withoutHeaders {
		value := r.Get(m.withoutHeaders[i].name)
		if value != nil && m.withoutHeaders[i].text.matches(value) {
			return false
		}
	}
	return true
}

func (m *matcher) matchesQuery(r *http1.Request) bool {
	if len(m.query) == 0 {
		return true
	}
	query, err := url.ParseQuery(string(r.Query))
	if err != nil {
		return false
	}
	for i := range m.query {
		values, ok := query[m.query[i].name]
		if !ok || !m.query[i].text.matches([]byte(values[0])) {
			return false
		}
	}
	return true
}

// hostOnly is a Host field's name, in lower case, without its port and the dot
// of a fully qualified name. It is lowered only where it must be, into scratch.
func hostOnly(host, scratch []byte) []byte {
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	host = bytes.TrimSuffix(host, dot)
	for i, b := range host {
		if b >= 'A' && b <= 'Z' {
			scratch = append(scratch[:0], host...)
			for j := i; j < len(scratch); j++ {
				if b := scratch[j]; b >= 'A' && b <= 'Z' {
					scratch[j] = b + 'a' - 'A'
				}
			}
			return scratch
		}
	}
	return host
}

var dot = []byte(".")

// label names a route by what it matches, for one that has no name.
func (c *RouteConfig) label() string {
	if c.Name != "" {
		return c.Name
	}
	if len(c.Match) == 0 {
		return "all"
	}
	m := c.Match[0]
	label := m.Host
	if p := m.Path; p != nil {
		label += cmp.Or(p.Exact, p.Prefix, p.Regex)
	}
	if m.Method != nil {
		label = cmp.Or(m.Method.Exact, m.Method.Prefix, m.Method.Regex) + " " + label
	}
	return cmp.Or(label, "headers")
}
