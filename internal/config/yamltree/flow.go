package yamltree

import (
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// joinPlain mends plain values within { } that hold a colon, such as
// {endpoints: [127.0.0.1:9001]}. There the library takes every colon for that of
// a map; YAML 1.2.2, section 7.3.3, only one that is followed by a space or
// by punctuation. Keys are left as the library has them.
func joinPlain(tokens token.Tokens) token.Tokens {
	var out token.Tokens
	var open []token.Type
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			open = append(open, t.Type)
		case token.SequenceEndType, token.MappingEndType:
			open = open[:max(len(open)-1, 0)]
		}
		if n := len(out); n >= 3 && len(open) > 0 && beginsValue(out[n-3], open[len(open)-1]) && adjoin(out[n-2], out[n-1], t) {
			before := out[n-2]
			joined := token.New(before.Value+":"+t.Value, before.Origin+":"+t.Origin, before.Position)
			out = append(out[:n-2], joined)
			continue
		}
		out = append(out, t)
	}
	for i, t := range out {
		t.Prev, t.Next = nil, nil
		if i > 0 {
			t.Prev, out[i-1].Next = out[i-1], t
		}
	}
	return out
}

// beginsValue tells whether a value, not a key, follows a token.
func beginsValue(t *token.Token, within token.Type) bool {
	switch t.Type {
	case token.MappingValueType, token.SequenceStartType:
		return true
	case token.CollectEntryType:
		return within == token.SequenceStartType
	}
	return false
}

// adjoin tells whether a plain scalar, a colon and a plain scalar stand with
// nothing between them.
func adjoin(before, colon, after *token.Token) bool {
	return colon.Type == token.MappingValueType && plainScalar(before) && plainScalar(after) &&
		before.Position.Line == colon.Position.Line && colon.Position.Line == after.Position.Line &&
		before.Position.Column+utf8.RuneCountInString(before.Value) == colon.Position.Column &&
		colon.Position.Column+1 == after.Position.Column
}

func plainScalar(t *token.Token) bool {
	switch t.Type {
	case token.StringType, token.IntegerType, token.FloatType, token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType,
		token.BoolType, token.NullType, token.InfinityType, token.NanType:
		return true
	}
	return false
}
