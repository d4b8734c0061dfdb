package yamltree

import (
	"strings"
	"testing"
)

func TestCutoutLeavesOneKeyAtItsPlace(t *testing.T) {
	text := `first: document
---
kind: PrometheusRule
spec:
  before: 1
  groups:
  # a comment
  - name: a

    rules:
    - alert: X
  after: 2
---
kind: Other
`
	docs, err := Parse("f.yaml", []byte(text))
	if err != nil || len(docs) != 3 {
		t.Fatalf("got %d documents, %v", len(docs), err)
	}
	got, ok := docs[1].Cutout(Path{"spec", "groups"})
	want := strings.Repeat("\n", 5) + "  groups:\n  # a comment\n  - name: a\n\n    rules:\n    - alert: X\n"
	if !ok || string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, ok := docs[1].Cutout(Path{"spec", "nothing"}); ok {
		t.Error("what is not there is cut out")
	}
	flow, err := Parse("f.yaml", []byte("spec: {groups: []}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := flow[0].Cutout(Path{"spec", "groups"}); ok {
		t.Error("part of a line is cut out")
	}
}
