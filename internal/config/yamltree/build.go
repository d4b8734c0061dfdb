package yamltree

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// A builder turns the library's syntax tree into Nodes: aliases expanded, merge
// keys merged, scalars typed by YAML 1.2.
type builder struct {
	source   *source
	nodes    int
	anchors  map[string]*Node // of the document at hand
	problems Problems         // of the document at hand
	fatal    Problems         // of the file
}

// document builds one document; it returns nil for an empty one.
func (b *builder) document(body ast.Node) *Document {
	if _, ok := body.(*ast.DirectiveNode); ok {
		return nil
	}
	b.anchors, b.problems = map[string]*Node{}, nil
	root := b.node(body, &Node{source: b.source}, 0)
	if root.kind == Null {
		return nil
	}
	return &Document{root: root, problems: b.problems}
}

// node fills n, which already knows its parent and key, from the syntax tree.
func (b *builder) node(from ast.Node, n *Node, depth int) *Node {
	if depth > DepthMax {
		b.fail(from, fmt.Sprintf("nested more than %d levels deep", DepthMax))
		return n
	}
	if b.nodes++; b.nodes > NodesMax {
		b.fail(from, fmt.Sprintf("the file has more than %d values", NodesMax))
		return n
	}
	n.line, n.column = n.keyLine, n.keyColumn
	if from == nil {
		return n
	}
	n.line, n.column = place(from)
	switch from := from.(type) {
	case *ast.MappingNode:
		n.flow = from.IsFlowStyle
		b.entries(from.Values, n, depth)
	case *ast.MappingValueNode:
		b.entries([]*ast.MappingValueNode{from}, n, depth)
	case *ast.SequenceNode:
		n.kind, n.flow = List, from.IsFlowStyle
		for i, item := range from.Values {
			child := &Node{source: b.source, parent: n, index: i, keyLine: 0}
			n.entries = append(n.entries, b.node(item, child, depth+1))
		}
	case *ast.AnchorNode:
		b.nodes--
		b.node(from.Value, n, depth)
		b.anchors[from.Name.GetToken().Value] = n
	case *ast.AliasNode:
		b.alias(from, n)
	case *ast.TagNode:
		b.tag(from, n, depth)
	case *ast.LiteralNode:
		n.kind, n.text = String, from.Value.Value
	case *ast.NullNode:
		n.kind = Null
	case *ast.StringNode:
		n.text, n.kind = from.Value, String
		if from.Token.Type != token.SingleQuoteType && from.Token.Type != token.DoubleQuoteType {
			n.kind = kindOf(from.Value)
		}
	default:
		n.text = from.GetToken().Value
		n.kind = kindOf(n.text)
	}
	return n
}

// entries fills a map. A key that stands twice keeps its first value.
func (b *builder) entries(values []*ast.MappingValueNode, n *Node, depth int) {
	n.kind = Map
	seen := make(map[string]*Node, len(values))
	var merged []*Node
	for _, v := range values {
		if v.Key.IsMergeKey() {
			merged = append(merged, b.node(v.Value, &Node{source: b.source, parent: n, key: "<<"}, depth+1))
			continue
		}
		key := keyNode(v.Key)
		child := &Node{source: b.source, parent: n, key: key.GetToken().Value}
		child.keyLine, child.keyColumn = place(key)
		b.node(v.Value, child, depth+1)
		if first := seen[child.key]; first != nil {
			b.problems = append(b.problems, b.source.problem(child.keyLine, child.keyColumn, Error, child.Path(),
				fmt.Sprintf("the key stands twice, first on line %d", first.keyLine), "keep one of them"))
			continue
		}
		seen[child.key] = child
		n.entries = append(n.entries, child)
	}
	for _, m := range merged {
		b.merge(m, n, seen)
	}
}

// merge adds what a merge key brings and the map does not have itself.
func (b *builder) merge(m, n *Node, seen map[string]*Node) {
	switch m.kind {
	case Map:
		for _, e := range m.entries {
			if seen[e.key] == nil {
				seen[e.key] = b.copy(e, n)
				n.entries = append(n.entries, seen[e.key])
			}
		}
	case List:
		for _, e := range m.entries {
			if e.kind != Map {
				b.problems = append(b.problems, e.problem(Error, "want a map to merge, got "+e.Got(), ""))
				continue
			}
			b.merge(e, n, seen)
		}
	default:
		b.problems = append(b.problems, m.problem(Error, "want a map to merge, got "+m.Got(), ""))
	}
}

// alias fills n with a copy of what its anchor stands before. The copy keeps
// the anchor's places, because there it would have to be mended.
func (b *builder) alias(from *ast.AliasNode, n *Node) {
	name := from.Value.GetToken().Value
	target := b.anchors[name]
	if target == nil {
		b.fail(from, "no anchor &"+clip(name)+" stands before this alias")
		return
	}
	c := b.copy(target, n.parent)
	c.key, c.index, c.keyLine, c.keyColumn = n.key, n.index, n.keyLine, n.keyColumn
	if c.kind != Map && c.kind != List {
		c.line, c.column = n.line, n.column
	}
	*n = *c
	for _, e := range n.entries {
		e.parent = n
	}
}

// copy clones a subtree within the limit of nodes.
func (b *builder) copy(n, parent *Node) *Node {
	b.nodes += n.size()
	if b.nodes > NodesMax {
		if len(b.fatal) == 0 {
			b.fatal = b.source.one(n.line, n.column, fmt.Sprintf("aliases expand to more than %d values", NodesMax))
		}
		return &Node{source: b.source, parent: parent, key: n.key, index: n.index}
	}
	return n.clone(parent, nil)
}

// tag fills n from a tagged value. Only !!str has a meaning here.
func (b *builder) tag(from *ast.TagNode, n *Node, depth int) {
	b.nodes--
	name := from.GetToken().Value
	b.node(from.Value, n, depth)
	n.line, n.column = place(from)
	switch {
	case name == "!!str" && (n.kind.Scalar() || n.kind == Null):
		n.kind = String
	case name == "!!map" && n.kind == Map, name == "!!seq" && n.kind == List, name == "!!int" && n.kind == Int:
	default:
		b.problems = append(b.problems, b.source.problem(n.line, n.column, Error, n.Path(),
			"the tag "+clip(name)+" is not supported here", "remove it"))
	}
}

// fail notes the first mistake that makes the file unusable.
func (b *builder) fail(at ast.Node, message string) {
	if len(b.fatal) > 0 {
		return
	}
	line, column := 1, 1
	if at != nil {
		line, column = place(at)
	}
	b.fatal = b.source.one(line, column, message)
}

// keyNode unwraps an explicit (? key) or anchored key.
func keyNode(key ast.Node) ast.Node {
	for {
		switch k := key.(type) {
		case *ast.MappingKeyNode:
			key = k.Value
		case *ast.AnchorNode:
			key = k.Value
		default:
			return key
		}
	}
}

// place returns where a reader sees a node begin.
func place(n ast.Node) (line, column int) {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return place(m.Values[0])
		}
	case *ast.MappingValueNode:
		return place(keyNode(m.Key))
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return 1, 1
	}
	return t.Position.Line, t.Position.Column
}
