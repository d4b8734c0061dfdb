package yamltree

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The structs of a small gateway, with one of everything.
type gatewayFile struct {
	Kind     string                 `yaml:"kind"`
	Listen   string                 `yaml:"listen" required:"true" doc:"Where the gateway listens."`
	Services map[string]serviceFile `yaml:"services"`
	Tags     []string               `yaml:"tags"`
}

type serviceFile struct {
	timing  `yaml:",inline"`
	Port    int           `yaml:"port" min:"1" max:"65535"`
	Weight  uint8         `yaml:"weight"`
	Ratio   float64       `yaml:"ratio" min:"0" max:"1"`
	Balance balance       `yaml:"balance"`
	Sticky  bool          `yaml:"sticky"`
	Retry   *retry        `yaml:"retry"`
	Level   level         `yaml:"level"`
	Surge   share         `yaml:"surge"`
	Linger  time.Duration `yaml:"linger" min:"-1s"`
	Backup  *bool         `yaml:"backup"`
	Nested  [][]int32     `yaml:"nested"`
	//lint:ignore U1000 that it is passed over is what is tested
	private int
}

type timing struct {
	Timeout time.Duration `yaml:"timeout" min:"1ms" default:"15s"`
}

// Retry tells how often.
type retry struct {
	Attempts int           `yaml:"attempts" required:"true" min:"0"`
	PerTry   time.Duration `yaml:"perTryTimeout"`
}

func (retry) YAMLNotes() map[string]Note {
	return map[string]Note{
		"retryOn":  {Severity: Error, Word: "is not supported yet", Fix: "remove it"},
		"priority": {Severity: Warning, Word: "is ignored", Neutral: []string{"0"}},
	}
}

type balance string

func (balance) Enum() []string { return []string{"roundRobin", "leastLoaded"} }

// level has its own text form.
type level int

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low", "1":
		*l = 1
		return nil
	}
	return fmt.Errorf("want low, got %s", text)
}

// share is an int or a percentage.
type share struct {
	Count   int
	Percent bool
}

func (s *share) DecodeYAML(d *Decoder, n *Node) {
	if text, ok := strings.CutSuffix(n.Text(), "%"); ok && n.Kind() == String {
		if _, err := fmt.Sscanf(text, "%d", &s.Count); err == nil {
			s.Percent = true
			return
		}
	}
	if n.Kind() != Int {
		d.Want(n, "a number or a percentage", "write 25%")
		return
	}
	d.Decode(n, &s.Count)
}

func (share) SchemaYAML() map[string]any {
	return map[string]any{"anyOf": []any{
		map[string]any{"type": "integer"},
		map[string]any{"type": "string", "pattern": "^[0-9]+%$"},
	}}
}

func parseOne(t *testing.T, text string) *Document {
	t.Helper()
	docs, err := Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if len(docs) != 1 {
		t.Fatalf("Parse found %d documents, want 1", len(docs))
	}
	return docs[0]
}

var testEnv = Options{Lookup: func(name string) (string, bool) {
	value, ok := map[string]string{"PORT": "8080", "EMPTY": "", "NAME": "web", "LIST": "[a, b]", "SECRET": "hunter2"}[name]
	return value, ok
}}

func TestDecodeFillsEveryKind(t *testing.T) {
	doc := parseOne(t, `
listen: :80
tags: [a, "b", "${NAME}-x"]
services:
  "a.b":
    timeout: 1.5s
    port: "${PORT}"
    weight: 0xff
    ratio: 1
    balance: leastLoaded
    sticky: true
    retry: {attempts: 2, perTryTimeout: 0, priority: 0, retryOn: null}
    level: 1
    surge: 25%
    backup: false
    nested: [[1, 2], []]
  plain:
    timeout: 5m
    surge: 3
    linger: -1s
    retry: ~
`)
	var got gatewayFile
	if problems := doc.Decode(&got, testEnv); len(problems) > 0 {
		t.Fatal(problems)
	}
	no := false
	want := gatewayFile{Listen: ":80", Tags: []string{"a", "b", "web-x"}, Services: map[string]serviceFile{
		"a.b": {timing: timing{1500 * time.Millisecond}, Port: 8080, Weight: 255, Ratio: 1, Balance: "leastLoaded",
			Sticky: true, Retry: &retry{Attempts: 2}, Level: 1, Surge: share{25, true}, Backup: &no, Nested: [][]int32{{1, 2}, {}}},
		"plain": {timing: timing{5 * time.Minute}, Linger: -time.Second, Surge: share{Count: 3}},
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(serviceFile{})); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeNamesEveryMistake(t *testing.T) {
	tests := []struct {
		name, yaml, want string
	}{
		{"unknown field", "services:\n  web:\n    retyr: {}", "f.yaml:3:5: services.web.retyr: unknown field; did you mean retry?"},
		{"snake case", "services: {web: {retry: {attempts: 1, per_try_timeout: 1s}}}", "f.yaml:1:39: services.web.retry.per_try_timeout: unknown field; did you mean perTryTimeout?"},
		{"no near name", "services: {web: {retry: {attempts: 1, x: 1}}}", "f.yaml:1:39: services.web.retry.x: unknown field; known here: attempts, perTryTimeout, priority, retryOn"},
		{"known, not supported", "services: {web: {retry: {attempts: 1, retryOn: 5xx}}}", "f.yaml:1:39: services.web.retry.retryOn: is not supported yet; remove it"},
		{"known, ignored", "services: {web: {retry: {attempts: 1, priority: 1}}}", "f.yaml:1:39: warning: services.web.retry.priority: is ignored"},
		{"key with a dot", "services: {a.b: {prt: 1}}", `f.yaml:1:18: services["a.b"].prt: unknown field; did you mean port?`},
		{"duplicate key", "listen: a\nlisten: b", "f.yaml:2:1: listen: the key stands twice, first on line 1; keep one of them"},
		{"required", "services: {web: {retry: {}}}", "f.yaml:1:18: services.web.retry.attempts: is required"},
		{"list for a duration", "services:\n  web:\n    timeout:\n    - 5s", "f.yaml:3:5: services.web.timeout: want a duration such as 500ms, got a list"},
		{"bare duration", "services: {web: {timeout: 5}}", "f.yaml:1:27: services.web.timeout: want a duration such as 500ms, got 5; write 5s"},
		{"bare fraction", "services: {web: {timeout: 1.5}}", "f.yaml:1:27: services.web.timeout: want a duration such as 500ms, got 1.5; write 1.5s"},
		{"days", "services: {web: {timeout: 2d}}", `f.yaml:1:27: services.web.timeout: want a duration such as 500ms, got the string "2d"; write 48h`},
		{"negative duration", "services: {web: {retry: {attempts: 1, perTryTimeout: -5s}}}", `f.yaml:1:54: services.web.retry.perTryTimeout: want a duration of 0 or more, got the string "-5s"`},
		{"duration below bound", "services: {web: {timeout: 1us}}", `f.yaml:1:27: services.web.timeout: want a duration of 1ms or more, got the string "1us"`},
		{"bare zero below bound", "services: {web: {timeout: 0}}", `f.yaml:1:27: services.web.timeout: want a duration of 1ms or more, got 0`},
		{"negative below bound", "services: {web: {linger: -2s}}", `f.yaml:1:26: services.web.linger: want a duration of -1s or more, got the string "-2s"`},
		{"word for a number", "services: {web: {port: http}}", `f.yaml:1:24: services.web.port: want a whole number, got the string "http"`},
		{"quoted number", `services: {web: {port: "80"}}`, `f.yaml:1:24: services.web.port: want a whole number, got the string "80"; write 80 without quotes`},
		{"fraction", "services: {web: {port: 1.5}}", "f.yaml:1:24: services.web.port: want a whole number, got 1.5"},
		{"leading zero", "services: {web: {port: 010}}", "f.yaml:1:24: services.web.port: want a whole number without leading zeros, got 010"},
		{"above bound", "services: {web: {port: 65536}}", "f.yaml:1:24: services.web.port: want 65535 or less, got 65536"},
		{"below bound", "services: {web: {port: 0}}", "f.yaml:1:24: services.web.port: want 1 or more, got 0"},
		{"overflow", "services: {web: {weight: 256}}", "f.yaml:1:26: services.web.weight: want a whole number from 0 to 255, got 256"},
		{"negative unsigned", "services: {web: {weight: -1}}", "f.yaml:1:26: services.web.weight: want a whole number from 0 to 255, got -1"},
		{"signed overflow", "services: {web: {nested: [[4294967296]]}}", "f.yaml:1:28: services.web.nested[0][0]: want a whole number from -2147483648 to 2147483647, got 4294967296"},
		{"not a number", "services: {web: {ratio: .nan}}", "f.yaml:1:25: services.web.ratio: want a number, got .nan"},
		{"yes", "services: {web: {sticky: yes}}", `f.yaml:1:26: services.web.sticky: want true or false, got the string "yes"; write true`},
		{"number for a string", "tags: [1.20]", `f.yaml:1:8: tags[0]: want a string, got 1.20; write "1.20" in quotes`},
		{"map for a string", "tags:\n- a: b", "f.yaml:2:3: tags[0]: want a string, got a map"},
		{"scalar for a list", "tags: a", `f.yaml:1:7: tags: want a list, got the string "a"; write [a]`},
		{"list for a map", "services: [a]", "f.yaml:1:11: services: want a map, got a list"},
		{"scalar for a struct", "services: {web: 5}", "f.yaml:1:17: services.web: want a map, got 5"},
		{"enum", "services: {web: {balance: leastloadde}}", `f.yaml:1:27: services.web.balance: want roundRobin or leastLoaded, got the string "leastloadde"; did you mean leastLoaded?`},
		{"own text", "services: {web: {level: high}}", "f.yaml:1:25: services.web.level: want low, got high"},
		{"own text from a list", "services: {web: {level: []}}", "f.yaml:1:25: services.web.level: want a single value, got a list"},
		{"own union", "services: {web: {surge: x%}}", `f.yaml:1:25: services.web.surge: want a number or a percentage, got the string "x%"; write 25%`},
		{"unset variable", "services: {web: {port: '${NOPE}'}}", "f.yaml:1:24: services.web.port: the environment variable NOPE is not set; set it or write ${NOPE:-default}"},
		{"bad reference", "services:\n  web:\n    balance: ${1X}", `f.yaml:3:14: services.web.balance: "${1X}" is not a reference to a variable; write ${NAME}, ${NAME:-default}, or $${ for a plain ${`},
		{"secret stays secret", "services: {web: {port: '${SECRET}'}}", "f.yaml:1:24: services.web.port: want a whole number, got the value of ${SECRET}"},
		{"variable is no structure", "tags: ${LIST}", "f.yaml:1:7: tags: want a list, got the value of ${LIST}; write [[a, b]]"},
		{"tag", "tags: [!secret x]", "f.yaml:1:8: tags[0]: the tag !secret is not supported here; remove it"},
		{"merge of a scalar", "services: {web: {<<: 5}}", "f.yaml:1:22: services.web[\"<<\"]: want a map to merge, got 5"},
		{"through an alias", "services:\n  a: &a\n    prt: 1\n  b: *a", "f.yaml:3:5: services.a.prt: unknown field; did you mean port?\nf.yaml:3:5: services.b.prt: unknown field; did you mean port?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.yaml
			if !strings.Contains(text, "listen") {
				text += "\nlisten: x"
			}
			var into gatewayFile
			got := parseOne(t, text).Decode(&into, testEnv)
			if got.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", got.Error(), tt.want)
			}
		})
	}
}

func TestDecodeReportsAllProblemsAtOnce(t *testing.T) {
	doc := parseOne(t, "tags: 5\nservices:\n  web: {port: x, timeout: 3, sticky: on}\n  api: []\n")
	var into gatewayFile
	problems := doc.Decode(&into, testEnv)
	if len(problems) != 6 {
		t.Errorf("got %d problems, want 6:\n%v", len(problems), problems)
	}
	if problems.Err() == nil {
		t.Error("Err is nil")
	}
	if got := AsProblems(fmt.Errorf("load: %w", problems.Err())); len(got) != 6 {
		t.Errorf("AsProblems found %d", len(got))
	}
}

func TestDecodeKeepsDefaultsThatAreNotNamed(t *testing.T) {
	into := retry{Attempts: 2, PerTry: time.Second}
	if problems := parseOne(t, "attempts: 5\nperTryTimeout: ~").Decode(&into, Options{}); len(problems) > 0 {
		t.Fatal(problems)
	}
	if want := (retry{Attempts: 5, PerTry: time.Second}); into != want {
		t.Errorf("got %v, want %v", into, want)
	}
}

func TestWarningsAreNoError(t *testing.T) {
	doc := parseOne(t, "attempts: 1\npriority: 5")
	var into retry
	problems := doc.Decode(&into, Options{})
	if err := problems.Err(); err != nil || len(problems.Warnings()) != 1 {
		t.Errorf("Err = %v, warnings = %v", err, problems.Warnings())
	}
}

func TestVerbatimLeavesVariablesAlone(t *testing.T) {
	var into gatewayFile
	problems := parseOne(t, "listen: ${NOPE}").Decode(&into, Options{Verbatim: true})
	if len(problems) > 0 || into.Listen != "${NOPE}" {
		t.Errorf("got %q, %v", into.Listen, problems)
	}
}

func TestSubstitution(t *testing.T) {
	tests := []struct{ in, want string }{
		{"${NAME}", "web"},
		{"a-${NAME}-${PORT}-z", "a-web-8080-z"},
		{"${EMPTY}", ""},
		{"${EMPTY:-x}", "x"},
		{"${NOPE:-a:-b}", "a:-b"},
		{"${NOPE:-}", ""},
		{"$${NAME}", "${NAME}"},
		{"$NAME $5", "$NAME $5"},
	}
	for _, tt := range tests {
		var into gatewayFile
		problems := parseOne(t, "listen: '"+tt.in+"'").Decode(&into, testEnv)
		if len(problems) > 0 || into.Listen != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.in, into.Listen, problems, tt.want)
		}
	}
	var into gatewayFile
	problems := parseOne(t, "listen: x\n${NAME}: 1").Decode(&into, testEnv)
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "unknown field") {
		t.Errorf("a key was substituted: %v", problems)
	}
}

func TestAliasesAndMergeKeys(t *testing.T) {
	doc := parseOne(t, `
listen: x
services:
  a: &base {port: 1, retry: &r {attempts: 2}}
  b: *base
  c: {<<: *base, port: 3}
  d: {retry: *r}
`)
	var got gatewayFile
	if problems := doc.Decode(&got, testEnv); len(problems) > 0 {
		t.Fatal(problems)
	}
	two := &retry{Attempts: 2}
	want := map[string]serviceFile{"a": {Port: 1, Retry: two}, "b": {Port: 1, Retry: two}, "c": {Port: 3, Retry: two}, "d": {Retry: two}}
	if diff := cmp.Diff(want, got.Services, cmp.AllowUnexported(serviceFile{})); diff != "" {
		t.Error(diff)
	}
}

// countOrShare decodes itself as it would with other libraries.
type countOrShare string

func (c *countOrShare) UnmarshalYAML(unmarshal func(any) error) error {
	var raw any
	if err := unmarshal(&raw); err != nil {
		return err
	}
	switch raw := raw.(type) {
	case string, int64:
		*c = countOrShare(fmt.Sprint(raw))
		return nil
	}
	return fmt.Errorf("want a count or a share, got %v", raw)
}

func TestPlainerGetsWholeNumbersAndStrings(t *testing.T) {
	var got struct {
		Values []countOrShare `yaml:"values"`
	}
	docs, err := Parse("f.yaml", []byte("values: [1, 25%, 0.5]\n"))
	if err != nil {
		t.Fatal(err)
	}
	problems := docs[0].Decode(&got, Options{})
	if want := "f.yaml:1:18: values[2]: want a count or a share, got 0.5"; problems.Error() != want {
		t.Errorf("got  %v\nwant %s", problems, want)
	}
	if diff := cmp.Diff([]countOrShare{"1", "25%", ""}, got.Values); diff != "" {
		t.Error(diff)
	}
}
