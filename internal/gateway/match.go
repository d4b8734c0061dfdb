package gateway

import (
	"bytes"
	"cmp"
	"iter"
	"net/url"
	"regexp"
	"slices"
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
	reading        reading
}

// reading says what counts where a request says something more than once.
type reading int

const (
	// readAsService takes what most services take: the first value of a query's
	// parameter or of a cookie, and all values of a field in one (RFC 9110, 5.3).
	readAsService reading = iota
	// readEvery has each single value match: a service may read any of them.
	readEvery
	// readAny has one of the values match, whatever the others say.
	readAny
)

type namedMatcher struct {
	name  string
	lower string // with hyphens for underscores
	text  textMatcher
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

// reads is the matcher with another reading.
func (m matcher) reads(r reading) matcher {
	m.reading = r
	return m
}

func namedMatchers(c map[string]StringMatch) []namedMatcher {
	var all []namedMatcher
	for name, match := range c {
		t := newTextMatcher(match)
		t.bytePrefix = true
		all = append(all, namedMatcher{name, hyphened(name), t})
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
		m.matchesHeaders(r) && m.matchesQuery(r.Query) && m.matchesCookies(r) && m.matchesClient(x)
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
		said := m.of(&m.cookies[i])
		for value := range cookies(r.Fields, m.cookies[i].name) {
			if said.take(value) {
				break
			}
		}
		if !said.matched {
			return false
		}
	}
	return true
}

// comparison compares the values that a request has for one name.
type comparison struct {
	with    *textMatcher
	reading reading
	matched bool
}

func (m *matcher) of(n *namedMatcher) comparison {
	return comparison{with: &n.text, reading: m.reading}
}

// take compares one value, and reports whether those after it change nothing.
func (s *comparison) take(value []byte) (settled bool) {
	s.matched = s.with.matches(value)
	return s.matched == (s.reading != readEvery) || s.reading == readAsService
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
		if !m.headers[i].inFields(r, m.reading) {
			return false
		}
	}
	without := m.reading
	if without == readEvery {
		without = readAny
	}
	for i := range m.withoutHeaders {
		if m.withoutHeaders[i].inFields(r, without) {
			return false
		}
	}
	return true
}

// inFields reports whether the request's field of that name matches. Several
// with one name are one whose value is a list; one of their values is looked at
// by itself where any may match. There, names with underscores count too:
// programs after CGI see no difference.
func (n *namedMatcher) inFields(r *http1.Request, how reading) bool {
	if n.lower == "host" { // a request of HTTP/2 has no such field, and that of an absolute target says nothing
		return r.Host != nil && n.text.matches(r.Host)
	}
	var first, list []byte
	for i := range r.Fields {
		f := &r.Fields[i]
		if how == readAny && names(f.Name, n.lower) {
			if n.text.matches(f.Value) || n.inList(f.Value) {
				return true
			}
		} else if !http1.EqualFold(f.Name, n.name) {
			continue
		}
		if first == nil {
			first = f.Value
			continue
		}
		if list == nil {
			list = bytes.Clone(first)
		}
		list = append(append(list, ", "...), f.Value...)
	}
	switch {
	case list != nil:
		return n.text.matches(list)
	case first == nil:
		return false
	}
	return n.text.matches(first)
}

// inList reports whether one of the values of a list matches.
func (n *namedMatcher) inList(value []byte) bool {
	if bytes.IndexByte(value, ',') < 0 {
		return false
	}
	for one := range bytes.SplitSeq(value, comma) {
		if n.text.matches(bytes.Trim(one, " \t")) {
			return true
		}
	}
	return false
}

// matchesQuery compares parameters as a service may read them: what cannot be
// decoded stands for itself, and is no reason to look at nothing.
func (m *matcher) matchesQuery(query []byte) bool {
	for i := range m.query {
		said := m.of(&m.query[i])
		for name, value := range parameters(query, m.reading == readAny) {
			if string(name) == m.query[i].name && said.take(value) {
				break
			}
		}
		if !said.matched {
			return false
		}
	}
	return true
}

// parameters are the names and values of a query. A semicolon separates them
// only for services of old, which is for rules that look at all that may be.
func parameters(query []byte, semicolons bool) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		split := func(b byte) bool { return b == '&' || semicolons && b == ';' }
		for len(query) > 0 {
			pair := query
			if end := slices.IndexFunc(query, split); end >= 0 {
				pair, query = query[:end], query[end+1:]
			} else {
				query = nil
			}
			name, value, _ := bytes.Cut(pair, equals)
			if len(pair) > 0 && !yield(decoded(name), decoded(value)) {
				return
			}
		}
	}
}

var equals = []byte("=")

// decoded is a text of a query without its escapes.
func decoded(text []byte) []byte {
	if bytes.IndexByte(text, '%') < 0 && bytes.IndexByte(text, '+') < 0 {
		return text
	}
	plain, err := url.QueryUnescape(string(text))
	if err != nil {
		return text
	}
	return []byte(plain)
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
