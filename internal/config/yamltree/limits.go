package yamltree

import (
	"fmt"

	"github.com/goccy/go-yaml/token"
)

// checkTokens refuses files that the recursive parser could not take: too many
// tokens, documents or levels. It never lets a deeper file pass: each level of
// block nesting stands further right than the one around it, except that a list
// may stand under its key's own column, and each level of flow nesting opens a
// bracket.
func (s *source) checkTokens(tokens token.Tokens) Problems {
	if len(tokens) > TokensMax {
		t := tokens[TokensMax]
		return s.one(t.Position.Line, t.Position.Column, fmt.Sprintf("the file has more than %d values", TokensMax))
	}
	var columns []int
	documents, flow, prefixes := 0, 0, 0
	for _, t := range tokens {
		column := t.Position.Column
		if t.Type != token.TagType && t.Type != token.AnchorType {
			prefixes = 0
		}
		switch t.Type {
		case token.DocumentHeaderType:
			documents++
			columns, flow = columns[:0], 0
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(flow-1, 0)
		case token.TagType, token.AnchorType:
			prefixes++
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType:
			if t.Type == token.MappingValueType && t.Prev != nil {
				column = t.Prev.Position.Column
			}
			for len(columns) > 0 && columns[len(columns)-1] > column {
				columns = columns[:len(columns)-1]
			}
			if len(columns) == 0 || columns[len(columns)-1] < column {
				columns = append(columns, column)
			}
		}
		switch {
		case len(columns) > DepthMax, flow > DepthMax, prefixes > 2:
			return s.one(t.Position.Line, t.Position.Column, fmt.Sprintf("nested more than %d levels deep", DepthMax))
		case documents > DocumentsMax:
			return s.one(t.Position.Line, t.Position.Column, fmt.Sprintf("the file has more than %d documents", DocumentsMax))
		}
	}
	return nil
}
