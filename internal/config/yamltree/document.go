package yamltree

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What one file may hold. Real configuration stays far below all of these.
const (
	BytesMax     = 4 << 20
	DocumentsMax = 1000
	DepthMax     = 64
	// TokensMax bounds keys, values and punctuation. The parser's time grows
	// with the square of a map's keys: at this limit it is about two seconds.
	TokensMax = 100_000
	// NodesMax bounds the values after aliases are expanded.
	NodesMax = 100_000
)

// The library counts CRLF as two lines.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// A Document is one YAML document of a file.
type Document struct {
	root     *Node
	problems Problems // found while the tree was built, such as duplicate keys
}

// ReadFile parses a file. The error is a [*os.PathError] or Problems.
func ReadFile(name string) ([]*Document, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && info.Size() > BytesMax {
		return nil, tooLarge(name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return Parse(name, data)
}

// Parse splits a file into its documents; file is the name for problems. Empty
// documents are left out, so the list may be empty. The error is Problems: a
// mistake of syntax, or a limit that was passed. Mistakes that leave the
// document readable, such as duplicate keys, are reported by Decode.
func Parse(file string, data []byte) ([]*Document, error) {
	if len(data) > BytesMax {
		return nil, tooLarge(file)
	}
	text := lineBreaks.Replace(strings.TrimPrefix(string(data), "\uFEFF"))
	src := newSource(file, text)
	if problems := src.checkText(); problems != nil {
		return nil, problems
	}
	trees, problems := src.parse(text)
	b := &builder{source: src}
	var docs []*Document
	for _, tree := range trees {
		if doc := b.document(tree); doc != nil {
			docs = append(docs, doc)
		}
	}
	if problems = append(problems, b.fatal...); len(problems) > 0 {
		return nil, problems
	}
	return docs, nil
}

// parse runs the library's parser within the limits, on one document after the
// other: given several, it drops in silence those behind an empty one.
func (s *source) parse(text string) (trees []ast.Node, problems Problems) {
	// The parser is fuzzed, but by others: a panic of it on a broken file must
	// not end a gateway that reloads.
	defer func() {
		if r := recover(); r != nil {
			problems = s.one(1, 1, "cannot be read as YAML")
		}
	}()
	tokens := joinPlain(lexer.Tokenize(text))
	if problems := s.checkTokens(tokens); problems != nil {
		return nil, problems
	}
	for _, document := range split(tokens) {
		tree, err := parser.Parse(document, 0, parser.AllowDuplicateMapKey())
		if err != nil {
			problems = append(problems, s.syntaxProblem(err))
			continue
		}
		for _, d := range tree.Docs {
			if d.Body != nil {
				trees = append(trees, d.Body)
			}
		}
	}
	return trees, problems
}

// split cuts the tokens before each --- and behind each ... line.
func split(tokens token.Tokens) []token.Tokens {
	var out []token.Tokens
	from := 0
	cut := func(to int) {
		if to > from {
			tokens[from].Prev, tokens[to-1].Next = nil, nil
			out = append(out, tokens[from:to])
			from = to
		}
	}
	for i, t := range tokens {
		switch t.Type {
		case token.DocumentHeaderType:
			cut(i)
		case token.DocumentEndType:
			cut(i + 1)
		}
	}
	cut(len(tokens))
	return out
}

// syntaxProblem places an error of the library.
func (s *source) syntaxProblem(err error) Problem {
	line, column, message := 1, 1, err.Error()
	if placed, ok := err.(interface {
		GetMessage() string
		GetToken() *token.Token
	}); ok {
		message = placed.GetMessage()
		if t := placed.GetToken(); t != nil && t.Position != nil {
			line, column = t.Position.Line, t.Position.Column
		}
	}
	p := s.problem(line, column, Error, "", "not valid YAML: "+clip(message), "")
	if strings.Contains(p.Source, "${") { // its brace ends a plain value inside { }
		p.Fix = `put quotes around a value with a variable: "${NAME}"`
	}
	return p
}

// APIVersion returns the document's apiVersion, or nothing.
func (d *Document) APIVersion() string { return d.peek("apiVersion") }

// Kind returns the document's kind, or nothing.
func (d *Document) Kind() string { return d.peek("kind") }

func (d *Document) peek(key string) string {
	if n := d.root.Field(key); n != nil {
		return n.text
	}
	return ""
}

// File returns the name given to Parse.
func (d *Document) File() string { return d.root.source.file }

// Root returns the document's value.
func (d *Document) Root() *Node { return d.root }

// Find returns the node at a path and true, or its nearest existing ancestor
// and false.
func (d *Document) Find(path Path) (*Node, bool) {
	n := d.root
	for _, step := range path {
		next := n.step(step)
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, true
}

func (n *Node) step(step string) *Node {
	if n.kind != List {
		return n.Field(step)
	}
	if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.entries) {
		return n.entries[i]
	}
	return nil
}

// Position returns the place of a path in text form, or of its nearest existing
// ancestor, counted from 1.
func (d *Document) Position(path string) (line, column int) {
	p := d.Problem(path, "", "")
	return p.Line, p.Column
}

// Problem places a mistake that was found after decoding. The path is in the
// form of [Node.Path]; where it does not exist the nearest ancestor is shown.
func (d *Document) Problem(path, message, fix string) Problem {
	return d.ProblemAt(ParsePath(path), message, fix)
}

// Warning is Problem with severity Warning.
func (d *Document) Warning(path, message, fix string) Problem {
	p := d.Problem(path, message, fix)
	p.Severity = Warning
	return p
}

// ProblemAt is Problem for a path in steps.
func (d *Document) ProblemAt(path Path, message, fix string) Problem {
	n, found := d.Find(path)
	line, column := n.Position()
	text := n.Path()
	if !found {
		line, column = n.keyPosition()
		depth := 0
		for a := n; a.parent != nil; a = a.parent {
			depth++
		}
		for _, step := range path[depth:] {
			text = joinStep(text, step)
		}
	}
	return n.source.problem(line, column, Error, text, message, fix)
}

func tooLarge(file string) Problems {
	return newSource(file, "").one(1, 1, fmt.Sprintf("the file has more than %d MiB", BytesMax>>20))
}

// one makes a list of a single error without a path.
func (s *source) one(line, column int, message string) Problems {
	return Problems{s.problem(line, column, Error, "", message, "")}
}

// checkText refuses what is not text.
func (s *source) checkText() Problems {
	for i, line := range s.lines {
		if !utf8.ValidString(line) {
			return s.one(i+1, 1, "the line is not valid UTF-8")
		}
		if at := strings.IndexByte(line, 0); at >= 0 {
			return s.one(i+1, utf8.RuneCountInString(line[:at])+1, "the line has a NUL character")
		}
	}
	return nil
}
