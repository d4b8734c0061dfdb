package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

var update = flag.Bool("update", false, "write the generated files and goldens anew")

func comments(t *testing.T) map[string]string {
	t.Helper()
	out, err := yamltree.Comments(".",
		"../alert",
		"../control/judge",
		"../control/rollout",
		"../control/scale",
		"../gateway",
		"../signal/trace",
		"../signal/tsdb",
		"../supervise",
		"../../policy",
	)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSchemaIsThatOfTheStructs(t *testing.T) {
	want, err := yamltree.Schema(File{}, yamltree.SchemaOptions{
		Title: "afloat.yaml", Description: "What Afloat serves, runs and protects.", Comments: comments(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"afloat.schema.json", filepath.Join("..", "..", "docs", "afloat.schema.json")} {
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not that of the structs: run go generate ./internal/config (%v)", name, err)
		}
	}
}

func TestSchemaDescribesEveryField(t *testing.T) {
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]struct{ Description string }
	}
	var schema struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	var bare []string
	for name, def := range schema.Defs {
		for field, p := range def.Properties {
			if p.Description == "" && name != "GRPCProbe" { // exists to be refused
				bare = append(bare, name+"."+field)
			}
		}
	}
	for field, p := range schema.Properties {
		if p.Description == "" {
			bare = append(bare, field)
		}
	}
	if len(bare) > 0 || len(schema.Defs) < 15 {
		slices.Sort(bare)
		t.Errorf("%d definitions; without a description: %s", len(schema.Defs), strings.Join(bare, " "))
	}
}

func TestSchemaAcceptsTheQuickstartAndRefusesTypos(t *testing.T) {
	data, _ := Schema()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("afloat.schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("afloat.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	good := source(t, "../../examples/quickstart/afloat.yaml")
	if err := schema.Validate(plain(t, good.Data)); err != nil {
		t.Error(err)
	}
	bad := bytes.Replace(good.Data, []byte("timeout:"), []byte("timeuot:"), 1)
	if schema.Validate(plain(t, bad)) == nil {
		t.Error("a typing mistake passes the schema")
	}
}

// plain reads YAML as a JSON validator wants it.
func plain(t *testing.T, data []byte) any {
	t.Helper()
	docs, err := yamltree.Parse("f.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if problems := docs[0].Decode(&out, yamltree.Options{Verbatim: true}); len(problems) > 0 {
		t.Fatal(problems)
	}
	return out
}
