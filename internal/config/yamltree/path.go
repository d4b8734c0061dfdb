package yamltree

import (
	"fmt"
	"strconv"
	"strings"
)

// A Path names a place in a document: one element for each step, a key or, in a
// list, an index in decimal. Unlike the text form it needs no quoting.
type Path []string

// ParsePath reads the text form: services.web.retry, http[0].route[1],
// hosts["a.b"].port. It is lenient: what it cannot read becomes one key.
func ParsePath(text string) Path {
	var path Path
	for text != "" {
		var step string
		step, text = nextStep(text)
		path = append(path, step)
	}
	return path
}

// At returns a longer path; steps are keys and, as int, indexes. p stays as it is.
func (p Path) At(steps ...any) Path {
	out := append(make(Path, 0, len(p)+len(steps)), p...)
	for _, step := range steps {
		out = append(out, fmt.Sprint(step))
	}
	return out
}

// String returns the text form, in which numbers are taken for indexes.
func (p Path) String() string {
	text := ""
	for _, step := range p {
		text = joinStep(text, step)
	}
	return text
}

func nextStep(text string) (step, rest string) {
	text = strings.TrimPrefix(text, ".")
	if strings.HasPrefix(text, `["`) {
		if quoted, err := strconv.QuotedPrefix(text[1:]); err == nil && strings.HasPrefix(text[1+len(quoted):], "]") {
			step, _ = strconv.Unquote(quoted)
			return step, text[len(quoted)+2:]
		}
	}
	if strings.HasPrefix(text, "[") {
		if end := strings.IndexByte(text, ']'); end > 0 {
			return text[1:end], text[end+1:]
		}
		return text, ""
	}
	if end := strings.IndexAny(text, ".["); end > 0 {
		return text[:end], text[end:]
	}
	return text, ""
}

// joinKey appends a key of a map.
func joinKey(path, key string) string {
	switch {
	case !plainKey(key):
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// joinStep appends a step of which it is not known whether it is a key.
func joinStep(path, step string) string {
	if _, err := strconv.ParseUint(step, 10, 31); err == nil {
		return path + "[" + step + "]"
	}
	return joinKey(path, step)
}

func plainKey(key string) bool {
	for _, r := range key {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		case r == '_', r == '-', r == '/', r == '$':
		default:
			return false
		}
	}
	return key != ""
}
