package yamltree

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

type peer struct {
	Address string `yaml:"address" required:"true"`
	Weight  int    `yaml:"weight" min:"1"`
}

func (peer) ShortYAML() string { return "address" }

type peers struct {
	Peers []peer `yaml:"peers"`
	Chief *peer  `yaml:"chief"`
}

func TestPlainValueStandsForAStruct(t *testing.T) {
	var got peers
	problems := parseOne(t, "peers: ['a:1', {address: 'b:2', weight: 3}, '${NAME}']\nchief: c").Decode(&got, testEnv)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := peers{Peers: []peer{{Address: "a:1"}, {Address: "b:2", Weight: 3}, {Address: "web"}}, Chief: &peer{Address: "c"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatStandsForAStructIsChecked(t *testing.T) {
	schema, err := Schema(peers{}, SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"peers: [7]":                           `f.yaml:1:9: peers[0]: want a string, got 7; write "7" in quotes`,
		"peers: [[a]]":                         "f.yaml:1:9: peers[0]: want a string, got a list",
		"peers: [{weight: 1}]":                 "f.yaml:1:9: peers[0].address: is required",
		"peers: [{adress: a, address: b}]":     "f.yaml:1:10: peers[0].adress: unknown field; did you mean address?",
		"peers: [a, {address: b, weight: 0}]":  "f.yaml:1:33: peers[1].weight: want 1 or more, got 0",
		"peers: [a, {address: b, weight: 1}]":  "",
		"peers: ['${NAME}', {address: ok}]":    "",
		"chief: {address: 'a:1', weight: 200}": "",
	} {
		var got peers
		doc := parseOne(t, text)
		if problems := doc.Decode(&got, testEnv); problems.Error() != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, problems.Error(), want)
		}
		if err := compile(t, schema).Validate(doc.root.plain()); (err == nil) != (want == "") {
			t.Errorf("%s: the schema says %v", text, err)
		}
	}
}
