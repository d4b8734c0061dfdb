package yamltree

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compile(t *testing.T, data []byte) *jsonschema.Schema {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaAgreesWithDecode(t *testing.T) {
	data, err := Schema(gatewayFile{}, SchemaOptions{Title: "test"})
	if err != nil {
		t.Fatal(err)
	}
	schema := compile(t, data)
	service := func(s string) string { return "listen: x\nservices: {web: {" + s + "}}" }
	tests := []struct {
		yaml   string
		accept bool
	}{
		{"listen: x", true},
		{"listen: '${PORT}'", true},
		{"listen: 80", false},
		{"{}", false},
		{"listen: x\nlissten: y", false},
		{"listen: x\ntags: [a, b]", true},
		{"listen: x\ntags: [1.2]", false},
		{"listen: x\ntags: a", false},
		{"listen: x\nservices: []", false},
		{service(""), true},
		{service("prt: 1"), false},
		{service("port: 1"), true},
		{service("port: 1.0"), true},
		{service("port: 65536"), false},
		{service("port: 0"), false},
		{service("port: '80'"), false},
		{service("port: '${PORT}'"), true},
		{service("port: '${NOPE:-80}'"), true},
		{service("weight: 256"), false},
		{service("weight: -1"), false},
		{service("nested: [[2147483647]]"), true},
		{service("nested: [[2147483648]]"), false},
		{service("ratio: 0.5"), true},
		{service("ratio: 1.5"), false},
		{service("sticky: true"), true},
		{service("sticky: yes"), false},
		{service("balance: leastLoaded"), true},
		{service("balance: fastest"), false},
		{service("timeout: 500ms"), true},
		{service("timeout: 1h5m.5s"), true},
		{service("linger: 0"), true},
		{service("linger: -1s"), true},
		{service("timeout: 5"), false},
		{service("timeout: 5 s"), false},
		{service("timeout: -5s"), false},
		{service("timeout: 2d"), false},
		{service("timeout: [5s]"), false},
		{service("retry: {attempts: 3}"), true},
		{service("retry: {}"), false},
		{service("retry: {attempts: -1}"), false},
		{service("surge: 5"), true},
		{service("surge: 25%"), true},
		{service("surge: many"), false},
		{service("level: low"), true},
		{service("level: [low]"), false},
	}
	for _, tt := range tests {
		doc := parseOne(t, tt.yaml)
		var into gatewayFile
		var plain any
		decoded := doc.Decode(&into, testEnv).Err()
		if problems := doc.Decode(&plain, Options{Verbatim: true}); problems != nil {
			t.Fatal(problems)
		}
		validated := schema.Validate(plain)
		if (decoded == nil) != tt.accept {
			t.Errorf("%s: Decode says %v, want accepted %t", tt.yaml, decoded, tt.accept)
		}
		if (validated == nil) != tt.accept {
			t.Errorf("%s: the schema says %v, want accepted %t", tt.yaml, validated, tt.accept)
		}
	}
}

func TestSchemaDescribesFields(t *testing.T) {
	dir := t.TempDir()
	source := "package yamltree\n// Retry tells how often.\ntype retry struct {\n\t// Attempts after the first.\n\tAttempts int\n\tPerTry int // for each\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "retry.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	comments, err := Comments(dir)
	if err != nil {
		t.Fatal(err)
	}
	data, err := Schema(&gatewayFile{}, SchemaOptions{Comments: comments, ID: "https://example.test/s.json", Verbatim: true})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ID         string `json:"$id"`
		Properties map[string]map[string]any
		Defs       map[string]struct {
			Description string
			Required    []string
			Properties  map[string]map[string]any
		} `json:"$defs"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	retry := got.Defs["retry"]
	have := []any{got.ID, got.Properties["listen"]["description"], retry.Description, retry.Required,
		retry.Properties["attempts"], retry.Properties["perTryTimeout"]["description"], got.Defs["serviceFile"].Properties["timeout"]["default"]}
	want := []any{"https://example.test/s.json", "Where the gateway listens.", "Retry tells how often.", []string{"attempts"},
		map[string]any{"type": "integer", "minimum": 0.0, "description": "Attempts after the first."}, "for each", "15s"}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(string(data), `\\$\\{`) {
		t.Error("a verbatim schema accepts variables")
	}
}

func TestSchemaOfAStructThatHoldsItself(t *testing.T) {
	type tree struct {
		Children []*struct {
			Name string `yaml:"name"`
		} `yaml:"children"`
	}
	type node struct {
		Next *node `yaml:"next"`
		Tree tree  `yaml:"tree"`
	}
	data, err := Schema(node{}, SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := compile(t, data).Validate(map[string]any{"next": map[string]any{"next": map[string]any{}}}); err != nil {
		t.Error(err)
	}
	if err := compile(t, data).Validate(map[string]any{"next": map[string]any{"nxt": 1}}); err == nil {
		t.Error("an unknown field below itself was accepted")
	}
	if _, err := Schema("text", SchemaOptions{}); err == nil {
		t.Error("a schema of a string was made")
	}
}

func TestCommentsOfAMissingFolder(t *testing.T) {
	if _, err := Comments(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error")
	}
}
