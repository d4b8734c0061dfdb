package yamltree

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Kind is what a node is by YAML 1.2.
type Kind int

// The kinds of nodes. All from Bool to String are scalars.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	Map
	List
)

// String returns the kind as a reader would name it, with its article.
func (k Kind) String() string {
	return [...]string{"nothing", "true or false", "a whole number", "a number", "a string", "a map", "a list"}[k]
}

// Scalar tells whether a node of this kind holds text.
func (k Kind) Scalar() bool { return k >= Bool && k <= String }

// A Node is one value of a document: a scalar, a map or a list. It knows its
// place and its path. Nodes are read only.
type Node struct {
	kind        Kind
	text        string
	raw         string // the text before substitution, where there was one
	substituted bool
	flow        bool // written within { } or [ ]

	line, column       int
	keyLine, keyColumn int // zero for list items and the document itself

	parent  *Node
	key     string // within a map
	index   int    // within a list
	entries []*Node

	source *source
}

// Kind returns what the node is.
func (n *Node) Kind() Kind { return n.kind }

// Text returns a scalar's text without quotes and after substitution; it is
// empty for other kinds.
func (n *Node) Text() string { return n.text }

// Key returns the key under which the node stands in a map.
func (n *Node) Key() string { return n.key }

// Entries returns a map's values or a list's items in the order of the file.
// The caller must not change the slice.
func (n *Node) Entries() []*Node { return n.entries }

// Field returns the value at a key of a map, or nil.
func (n *Node) Field(key string) *Node {
	if n.kind != Map {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e
		}
	}
	return nil
}

// Position returns the line and column, both from 1, at which a reader should
// look: the value if it begins on the line of its key, otherwise the key.
func (n *Node) Position() (line, column int) {
	if n.keyLine > 0 && (n.keyLine != n.line || n.kind == Null) {
		return n.keyLine, n.keyColumn
	}
	return n.line, n.column
}

// keyPosition returns the place of the key, or of the node if it has no key.
func (n *Node) keyPosition() (line, column int) {
	if n.keyLine > 0 {
		return n.keyLine, n.keyColumn
	}
	return n.line, n.column
}

// Path returns the node's path within its document, such as
// http[0].route[1].weight. Keys that are not plain words are quoted.
func (n *Node) Path() string {
	if n.parent == nil {
		return ""
	}
	if n.parent.kind == List {
		return n.parent.Path() + "[" + strconv.Itoa(n.index) + "]"
	}
	return joinKey(n.parent.Path(), n.key)
}

// Got describes the node for messages of the form "want X, got Y". It shows the
// reference, never the value, of a substituted variable: that may be a secret.
func (n *Node) Got() string {
	switch {
	case n.substituted:
		return "the value of " + clip(n.raw)
	case n.kind == String:
		return "the string " + strconv.Quote(clip(n.text))
	case n.kind == Int || n.kind == Float || n.kind == Bool:
		return clip(n.text)
	}
	return n.kind.String()
}

// problem makes a problem at the node's position.
func (n *Node) problem(severity Severity, message, fix string) Problem {
	line, column := n.Position()
	return n.source.problem(line, column, severity, n.Path(), message, fix)
}

// empty tells whether the node says nothing: null, {} or [].
func (n *Node) empty() bool { return !n.kind.Scalar() && len(n.entries) == 0 }

// clone copies the node and all below it under a new parent. visit, which may
// be nil, sees every copy before its entries are made.
func (n *Node) clone(parent *Node, visit func(*Node)) *Node {
	c := *n
	c.parent = parent
	if visit != nil {
		visit(&c)
	}
	c.entries = make([]*Node, len(n.entries))
	for i, e := range n.entries {
		c.entries[i] = e.clone(&c, visit)
	}
	return &c
}

// size counts the node and all below it.
func (n *Node) size() int {
	total := 1
	for _, e := range n.entries {
		total += e.size()
	}
	return total
}

// The core schema of YAML 1.2.2, section 10.3.2.
var (
	intPattern   = regexp.MustCompile(`^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	floatPattern = regexp.MustCompile(`^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

// kindOf tells what an unquoted scalar is.
func kindOf(text string) Kind {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return Null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return Bool
	}
	switch {
	case intPattern.MatchString(text):
		return Int
	case floatPattern.MatchString(text):
		return Float
	}
	return String
}

// clip bounds text of the file that goes into a message.
func clip(text string) string {
	const limit = 60
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return printable(text)
}

// printable replaces characters that could steer a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// quote returns clipped text of the file in double quotes.
func quote(text string) string { return fmt.Sprintf(`"%s"`, clip(text)) }
