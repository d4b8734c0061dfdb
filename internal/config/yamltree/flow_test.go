package yamltree

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestColonsWithinBracesBelongToPlainValues(t *testing.T) {
	for text, want := range map[string]any{
		"{a: [127.0.0.1:9001, 1:2:3, h.x:80 ]}":    map[string]any{"a": []any{"127.0.0.1:9001", "1:2:3", "h.x:80"}},
		"{a: {b: localhost:80}, c: 1:2}":           map[string]any{"a": map[string]any{"b": "localhost:80"}, "c": "1:2"},
		"{u: http://a:80/x, v: 'q:1', w: \"r:2\"}": map[string]any{"u": "http://a:80/x", "v": "q:1", "w": "r:2"},
		"{a: 1, b: [c: 2]}":                        map[string]any{"a": 1.0, "b": []any{map[string]any{"c": 2.0}}},
		`{"a":1, b: {"c":"d"}}`:                    map[string]any{"a": 1.0, "b": map[string]any{"c": "d"}},
		"a: {b: c:d}\ne: f:1\n":                    map[string]any{"a": map[string]any{"b": "c:d"}, "e": "f:1"},
	} {
		docs, err := Parse("f.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got any
		problems := docs[0].Decode(&got, Options{})
		if diff := cmp.Diff(want, got); diff != "" || len(problems) > 0 {
			t.Errorf("%s: %v\n%s", text, problems, diff)
		}
	}
}
