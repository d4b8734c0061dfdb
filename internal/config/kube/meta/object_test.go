package meta

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

func TestNamesAreThoseOfRFC1123(t *testing.T) {
	for name, want := range map[string][2]bool{ // IsName, IsLabel
		"a": {true, true}, "web-1": {true, true}, "a.b": {true, false}, "": {false, false}, "A": {false, false}, "-a": {false, false},
		"a-": {false, false}, "a..b": {false, false}, "a_b": {false, false}, strings.Repeat("a", 64): {true, false}, strings.Repeat("a", 254): {false, false},
	} {
		if got := [2]bool{IsName(name), IsLabel(name)}; got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

func TestObjectReportsItsMistakesInPlace(t *testing.T) {
	docs, err := yamltree.Parse("f.yaml", []byte(`apiVersion: v1
kind: A
metadata:
  name: a
  namespace: A b
  generateName: a-
  uid: 5
  annotations: {x: 1}
  labels:
    good.example/key_1: V.1
    bad key: x
    a/b/c: x
    empty: ""
    value: "no!"
status: {ready: 1}
`))
	if err != nil {
		t.Fatal(err)
	}
	var o Object
	problems := docs[0].Decode(&o, yamltree.Options{Verbatim: true})
	problems = append(problems, o.Check(docs[0])...)
	want := `f.yaml:5:14: metadata.namespace: "A b" is not a valid namespace; write at most 63 lower-case letters, digits and '-'
f.yaml:6:3: metadata.generateName: not supported: names are not made up here; write name
f.yaml:7:3: warning: metadata.uid: ignored: a cluster sets it
f.yaml:8:20: metadata.annotations.x: want a string, got 1; write "1" in quotes
f.yaml:11:14: metadata.labels["bad key"]: not a valid label key; write letters, digits, '-', '_' and '.', after an optional domain and '/'
f.yaml:12:12: metadata.labels.a/b/c: not a valid label key; write letters, digits, '-', '_' and '.', after an optional domain and '/'
f.yaml:14:12: metadata.labels.value: "no!" is not a valid label value; write at most 63 letters, digits, '-', '_' and '.'
f.yaml:15:1: warning: status: ignored: a cluster sets it`
	if diff := cmp.Diff(want, problems.Error()); diff != "" {
		t.Error(diff)
	}
}
