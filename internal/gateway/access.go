package gateway

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// AccessConfig says who may do what. A request that it does not let through is
// answered with 403.
type AccessConfig struct {
	// Deny lists what is refused, whatever Allow says.
	Deny []MatchConfig `yaml:"deny"`
	// Allow lists what is let through; all else is refused. An entry that says
	// nothing, {}, lets everything through.
	Allow []MatchConfig `yaml:"allow"`
}

// access is a compiled AccessConfig.
type access struct {
	deny, allow []matcher
	byPath      bool // some of it compares paths
}

// newAccess compiles an AccessConfig; nil for none.
func newAccess(c *AccessConfig) *access {
	if c == nil {
		return nil
	}
	a := new(access)
	for _, m := range c.Deny {
		a.deny = append(a.deny, newMatcher(m).reads(readAny))
		a.byPath = a.byPath || m.Path != nil
	}
	for _, m := range c.Allow {
		a.allow = append(a.allow, newMatcher(m).reads(readEvery))
		a.byPath = a.byPath || m.Path != nil
	}
	return a
}

// Why requests are refused. What the rules are is not the client's to know.
const (
	deniedAccess = "access denied"
	deniedPath   = "access denied: the path can be read in several ways"
)

// refuses says why a request is not let through; empty where it is.
func (a *access) refuses(x *exchange) (why string) {
	if a == nil {
		return ""
	}
	if a.byPath {
		r := &x.request
		if ambiguous(r.Path) {
			return deniedPath
		}
		if came := r.Path; bytes.IndexByte(came, '%') >= 0 {
			r.Path = unescape(make([]byte, 0, len(came)), came, func(byte) bool { return true })
			defer func() { r.Path = came }()
		}
	}
	if matchesAny(a.deny, x) || !matchesAny(a.allow, x) {
		return deniedAccess
	}
	return ""
}

func matchesAny(all []matcher, x *exchange) bool {
	for i := range all {
		if all[i].matches(x) {
			return true
		}
	}
	return false
}

// ambiguous reports whether services differ in what they make of a path: in
// what they take for a slash, and for a segment's end. A listener may have let
// through what is not in its normal form.
func ambiguous(path []byte) bool {
	if bytes.IndexByte(path, ';') >= 0 {
		return true
	}
	if plainPath(path) {
		return false
	}
	normal, why := normalPath(path)
	return why != "" || !bytes.Equal(normal, path) || bytes.Contains(path, escapedSemicolon) ||
		slices.ContainsFunc(slashes, func(one []byte) bool { return bytes.Contains(path, one) })
}

var escapedSemicolon = []byte("%3B")

func (v *validator) access(c *AccessConfig, path ...string) {
	if len(c.Allow) == 0 {
		v.add("lets nothing through: say what is let through, or write allow: [{}] for all that deny leaves", nil, append(slices.Clone(path), "allow")...)
	}
	for field, rules := range map[string][]MatchConfig{"deny": c.Deny, "allow": c.Allow} {
		for i := range rules {
			at := func(more ...string) []string {
				return append(append(slices.Clone(path), field, strconv.Itoa(i)), more...)
			}
			v.match(&rules[i], at()...)
			if p := rules[i].Path; p != nil && strings.Contains(p.Exact+p.Prefix, "%") {
				v.add("rules compare paths without escapes: write the characters themselves", nil, at("path")...)
			}
		}
		if field == "deny" && slices.ContainsFunc(rules, MatchConfig.Everything) {
			v.add("refuses everything: an entry says nothing", nil, append(slices.Clone(path), field)...)
		}
	}
}

// Everything reports whether the condition holds for every request.
func (c MatchConfig) Everything() bool {
	return c.Host == "" && c.Scheme == "" && c.Path == nil && c.Method == nil && c.Identity == nil &&
		len(c.Headers)+len(c.WithoutHeaders)+len(c.Query)+len(c.Cookies)+len(c.Clients) == 0
}
