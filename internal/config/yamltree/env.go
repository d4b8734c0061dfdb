package yamltree

import (
	"fmt"
	"regexp"
	"strings"
)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// substitute returns a copy of the tree in which scalar values have their
// variables replaced.
func substitute(root *Node, lookup func(string) (string, bool)) (*Node, Problems) {
	var problems Problems
	out := root.clone(nil, func(n *Node) {
		if !n.kind.Scalar() || !strings.Contains(n.text, "${") {
			return
		}
		text, err := expand(n.text, lookup)
		if err != nil {
			problems = append(problems, n.problem(Error, err.Error(), err.fix))
			text = ""
		}
		n.raw, n.text, n.substituted = n.text, text, true
		n.kind = kindOf(text)
		if n.kind == Null {
			n.kind = String
		}
		if err != nil {
			// One problem is enough: an unset variable counts as an absent field.
			n.kind = Null
		}
	})
	return out, problems
}

// An envError tells what is wrong with a reference.
type envError struct{ message, fix string }

func (e *envError) Error() string { return e.message }

// expand replaces ${NAME} and ${NAME:-default}, and $${ by ${. As in a shell,
// the default stands in for an empty variable too.
func expand(text string, lookup func(string) (string, bool)) (string, *envError) {
	var b strings.Builder
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			b.WriteString(text)
			return b.String(), nil
		}
		if at > 0 && text[at-1] == '$' {
			b.WriteString(text[:at-1] + "${")
			text = text[at+2:]
			continue
		}
		b.WriteString(text[:at])
		reference, rest, closed := strings.Cut(text[at+2:], "}")
		name, fallback, optional := strings.Cut(reference, ":-")
		if !closed || !envName.MatchString(name) {
			return "", &envError{fmt.Sprintf("%s is not a reference to a variable", quote(text[at:])),
				"write ${NAME}, ${NAME:-default}, or $${ for a plain ${"}
		}
		value, set := lookup(name)
		switch {
		case optional && value == "":
			value = fallback
		case !set:
			return "", &envError{fmt.Sprintf("the environment variable %s is not set", name),
				fmt.Sprintf("set it or write ${%s:-default}", name)}
		}
		b.WriteString(value)
		text = rest
	}
}
