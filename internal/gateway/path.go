package gateway

import (
	"bytes"
)

// PathForm is what is made of paths that can be written in several ways.
type PathForm string

const (
	// PathNormalize brings a path into its normal form, for routes and for the
	// services alike. See RFC 3986, 6.2.2.
	PathNormalize PathForm = "normalize"
	// PathRefuse refuses what is not in its normal form.
	PathRefuse PathForm = "refuse"
	// PathAsIs compares paths and passes them on as they came.
	PathAsIs PathForm = "asIs"
)

// Enum lists what a configuration file may say.
func (PathForm) Enum() []string { return []string{"normalize", "refuse", "asIs"} }

// settlePath brings the request's path into the form that the listener wants,
// or says why it is refused. Nearly all paths are in it already.
func (x *exchange) settlePath() (why string) {
	r := &x.request
	if plainPath(r.Path) {
		return ""
	}
	form := x.session.listener.config.Load().Paths
	if form == PathAsIs {
		return ""
	}
	path, why := normalPath(r.Path)
	switch {
	case why != "" || bytes.Equal(path, r.Path):
		return why
	case form == PathRefuse:
		return "the path is not in its normal form"
	}
	target := path
	if r.Query != nil {
		target = append(append(target, '?'), r.Query...)
		path = target[:len(path):len(path)]
	}
	r.Path, r.Target = path, target
	return ""
}

// plainPath reports whether nothing in the path could be written in another
// way.
func plainPath(p []byte) bool {
	last := byte(0)
	for _, b := range p {
		if b == '%' || b == '\\' || last == '/' && (b == '/' || b == '.') {
			return false
		}
		last = b
	}
	return true
}

// normalPath returns the path without escapes that need not be, dot segments
// and repeated slashes. It refuses one that leads above the root, and one that
// would lead elsewhere at a service that takes more for a slash.
func normalPath(p []byte) (normal []byte, why string) {
	rest := unescape(make([]byte, 0, len(p)), p, unreserved)
	if bytes.Contains(rest, escapedNUL) {
		return nil, "the path holds a NUL"
	}
	normal, rest = rest[:0], rest[1:] // what is kept never overtakes what is read
	for more := true; more; {
		var segment []byte
		segment, rest, more = bytes.Cut(rest, slash)
		switch {
		case string(segment) == "..":
			if len(normal) == 0 {
				return nil, "the path leads above its root"
			}
			normal = normal[:bytes.LastIndexByte(normal, '/')]
			segment = nil
		case string(segment) == ".":
			segment = nil
		case climbs(segment):
			return nil, "the path holds a hidden dot segment"
		}
		if len(segment) > 0 || !more {
			normal = append(append(normal, '/'), segment...)
		}
	}
	return normal, ""
}

var escapedNUL = []byte("%00")

// unescape appends the path with those characters plain that may be, and all
// other escapes in upper case. The parser has made sure that escapes are whole.
func unescape(out, path []byte, plain func(byte) bool) []byte {
	for i := 0; i < len(path); i++ {
		b := path[i]
		if b == '%' {
			high, low := upper(path[i+1]), upper(path[i+2])
			i += 2
			if b = digit(high)<<4 | digit(low); !plain(b) {
				out = append(out, '%', high, low)
				continue
			}
		}
		out = append(out, b)
	}
	return out
}

// unreserved are the characters that mean the same escaped (RFC 3986, 2.3).
func unreserved(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '.' || b == '_' || b == '~'
}

func upper(b byte) byte {
	if b >= 'a' && b <= 'z' {
		return b - ('a' - 'A')
	}
	return b
}

func digit(b byte) byte {
	if b >= 'A' {
		return b - 'A' + 10
	}
	return b - '0'
}

// climbs reports whether a segment has a dot segment in it for servers that
// take an escaped slash or a backslash for a slash, or that leave out what
// follows a semicolon.
func climbs(segment []byte) bool {
	if !bytes.Contains(segment, []byte("..")) {
		return false
	}
	for rest, more := segment, true; more; {
		end := len(rest)
		width := 0
		for _, one := range slashes {
			if i := bytes.Index(rest[:end], one); i >= 0 {
				end, width = i, len(one)
			}
		}
		name, _, _ := bytes.Cut(rest[:end], semicolon)
		if string(name) == ".." {
			return true
		}
		rest, more = rest[end+width:], width > 0
	}
	return false
}

var slashes = [][]byte{[]byte("%2F"), []byte("%5C"), []byte(`\`)}
