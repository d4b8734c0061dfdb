package yamltree

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
)

// What time.ParseDuration reads, without a minus.
const durationPattern = `^\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`

// What stands for any value when variables are substituted.
const referencePattern = `\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`

// A Schemer is an own type that says what its schema is. Without it the schema
// of an [Unmarshaler] or [Plainer] accepts anything, and that of a TextUnmarshaler any scalar.
type Schemer interface {
	SchemaYAML() map[string]any
}

// SchemaOptions say what goes into a schema beside the structs.
type SchemaOptions struct {
	ID          string // the schema's own address, $id
	Title       string
	Description string
	// Verbatim as in Options: no ${NAME} where a number or a word is wanted.
	Verbatim bool
	// Comments are descriptions by type and field, from [Comments]. A doc tag
	// comes before them.
	Comments map[string]string
}

// Schema returns the JSON Schema (draft 2020-12) of the struct that root is or
// points to. It accepts what Decode accepts, with these exceptions: null, min
// and max of durations, overflow, and merge keys it cannot say; and whether a
// variable is set it cannot know.
func Schema(root any, options SchemaOptions) ([]byte, error) {
	t := reflect.TypeOf(root)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("the schema's root must be a struct, not %s", t)
	}
	g := &generator{options: options, defs: map[string]any{}, names: map[reflect.Type]string{}}
	out := g.object(t)
	out["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	set(out, "$id", options.ID)
	set(out, "title", options.Title)
	set(out, "description", options.Description)
	if len(g.defs) > 0 {
		out["$defs"] = g.defs
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the schema: %w", err)
	}
	return append(data, '\n'), nil
}

// A generator makes one schema.
type generator struct {
	options SchemaOptions
	defs    map[string]any
	names   map[reflect.Type]string
}

func (g *generator) object(t reflect.Type) map[string]any {
	shape := shapeOf(t)
	properties, required := map[string]any{}, []string{}
	for _, f := range shape.fields {
		properties[f.name] = g.property(f)
		if f.required {
			required = append(required, f.name)
		}
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	set(out, "description", g.options.Comments[t.String()])
	return out
}

func (g *generator) property(f field) map[string]any {
	out := maps.Clone(g.schema(f.typ, f.bounds))
	doc := f.doc
	if doc == "" {
		doc = g.options.Comments[f.owner.String()+"."+f.goName]
	}
	set(out, "description", doc)
	if f.fallback != "" {
		out["default"] = defaultValue(f.typ, f.fallback)
	}
	return out
}

func (g *generator) schema(t reflect.Type, b bounds) map[string]any {
	if t.Kind() == reflect.Pointer {
		return g.schema(t.Elem(), b)
	}
	switch own := reflect.New(t).Interface().(type) {
	case Schemer:
		return g.orReference(own.SchemaYAML())
	case Unmarshaler, Plainer:
		return map[string]any{}
	case encoding.TextUnmarshaler:
		return map[string]any{"type": []string{"string", "number", "boolean"}}
	}
	switch t.Kind() {
	case reflect.Struct:
		ref := map[string]any{"$ref": "#/$defs/" + g.define(t)}
		if f, ok := shortField(t); ok {
			return map[string]any{"anyOf": []any{g.schema(f.typ, f.bounds), ref}}
		}
		return ref
	case reflect.Slice:
		return map[string]any{"type": "array", "items": g.schema(t.Elem(), b)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": g.schema(t.Elem(), b)}
	case reflect.Interface:
		return map[string]any{}
	case reflect.String:
		if own, ok := reflect.New(t).Elem().Interface().(Enumerated); ok {
			return g.orReference(map[string]any{"type": "string", "enum": own.Enum()})
		}
		return map[string]any{"type": "string"}
	}
	return g.orReference(number(t, b))
}

// define puts a struct under $defs and returns its name there.
func (g *generator) define(t reflect.Type) string {
	if name, ok := g.names[t]; ok {
		return name
	}
	name := t.Name()
	if name == "" {
		name = "anonymous"
	}
	for base, i := name, 2; g.defs[name] != nil; i++ {
		name = base + strconv.Itoa(i)
	}
	g.names[t] = name
	g.defs[name] = true // holds the name while the struct refers to itself
	g.defs[name] = g.object(t)
	return name
}

// orReference lets a reference to a variable stand for the value.
func (g *generator) orReference(schema map[string]any) map[string]any {
	if g.options.Verbatim {
		return schema
	}
	reference := map[string]any{"type": "string", "pattern": referencePattern}
	return map[string]any{"anyOf": []any{schema, reference}}
}

// number is the schema of a bool, a duration or a number.
func number(t reflect.Type, b bounds) map[string]any {
	switch {
	case t == durationType:
		pattern := durationPattern
		if strings.HasPrefix(b.min, "-") {
			pattern = strings.Replace(pattern, `\+`, `[-+]`, 1)
		}
		return map[string]any{"anyOf": []any{
			map[string]any{"type": "string", "pattern": pattern},
			map[string]any{"const": 0},
		}}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	}
	out := map[string]any{"type": "integer"}
	switch v := reflect.New(t).Elem(); {
	case v.CanFloat():
		out["type"] = "number"
	case v.CanUint():
		out["minimum"] = 0
		if bits := t.Bits(); bits < 64 {
			out["maximum"] = uint64(1)<<bits - 1
		}
	case v.CanInt() && t.Bits() < 64:
		out["minimum"], out["maximum"] = -int64(1)<<(t.Bits()-1), int64(1)<<(t.Bits()-1)-1
	}
	if b.min != "" {
		out["minimum"] = mustFloat(b.min)
	}
	if b.max != "" {
		out["maximum"] = mustFloat(b.max)
	}
	return out
}

// defaultValue reads a default tag the way the file would be read.
func defaultValue(t reflect.Type, text string) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == durationType || t.Kind() == reflect.String {
		return text
	}
	var value any
	if json.Unmarshal([]byte(text), &value) == nil {
		return value
	}
	return text
}

func set(out map[string]any, key, text string) {
	if text = strings.TrimSpace(text); text != "" {
		out[key] = text
	}
}
