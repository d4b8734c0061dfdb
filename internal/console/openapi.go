package console

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// describe makes the OpenAPI document of the operations. The comments are
// descriptions by type and field, as "console.Status.PID".
func describe(all []operation, comments map[string]string) ([]byte, error) {
	d := &describer{comments: comments, schemas: map[string]any{}}
	paths := map[string]map[string]any{}
	for _, o := range all {
		if paths[o.path] == nil {
			paths[o.path] = map[string]any{}
		}
		paths[o.path][strings.ToLower(o.method)] = d.operation(o)
	}
	text, err := json.MarshalIndent(map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{"title": "Afloat", "version": "v1",
			"description": "What a running Afloat tells of itself, and what can be done to it. A refusal says why in plain text."},
		"paths":    paths,
		"security": []any{map[string]any{"token": []any{}}, map[string]any{"session": []any{}}, map[string]any{}},
		"components": map[string]any{
			"schemas": d.schemas,
			"securitySchemes": map[string]any{
				"token":   map[string]any{"type": "http", "scheme": "bearer"},
				"session": map[string]any{"type": "apiKey", "in": "cookie", "name": sessionCookie},
			},
		},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the document: %w", err)
	}
	return append(text, '\n'), nil
}

// describer collects the schemas of the types that operations speak of.
type describer struct {
	comments map[string]string
	schemas  map[string]any
}

var wildcard = regexp.MustCompile(`\{([a-z]+)\}`)

func (d *describer) operation(o operation) map[string]any {
	out := map[string]any{"summary": o.summary, "responses": d.responses(o)}
	if o.role != "" {
		out["x-role"] = string(o.role)
	}
	var parameters []any
	for _, found := range wildcard.FindAllStringSubmatch(o.path, -1) {
		schema := map[string]any{"type": "string"}
		if found[1] == "lever" {
			schema = map[string]any{"type": "string", "enum": []string{"drain", "isolate", "weight"}}
		}
		parameters = append(parameters, map[string]any{"name": found[1], "in": "path", "required": true, "schema": schema})
	}
	for _, p := range o.query {
		parameters = append(parameters, map[string]any{"name": p.name, "in": "query", "required": p.required,
			"description": p.about, "schema": map[string]any{"type": "string"}})
	}
	if parameters != nil {
		out["parameters"] = parameters
	}
	if o.body != nil {
		out["requestBody"] = map[string]any{"required": true, "content": d.content(o.body, o.text)}
	}
	return out
}

func (d *describer) responses(o operation) map[string]any {
	out := map[string]any{}
	if o.redirects {
		out["303"] = map[string]any{"description": http.StatusText(303)}
	} else if o.answer == nil {
		out["204"] = map[string]any{"description": http.StatusText(204)}
	} else {
		out["200"] = map[string]any{"description": http.StatusText(200), "content": d.content(o.answer, o.media)}
	}
	refusals := append([]int{403}, o.statuses...)
	if o.role != "" {
		refusals = append(refusals, 401)
	}
	for _, status := range refusals {
		out[strconv.Itoa(status)] = map[string]any{"description": http.StatusText(status),
			"content": map[string]any{"text/plain": map[string]any{"schema": map[string]any{"type": "string"}}}}
	}
	return out
}

// content is JSON unless another media type is named.
func (d *describer) content(v any, media string) map[string]any {
	if media == "" {
		media = "application/json"
	}
	return map[string]any{media: map[string]any{"schema": d.schema(reflect.TypeOf(v))}}
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
	textType = reflect.TypeFor[encoding.TextMarshaler]()
)

// schema is the JSON Schema of a type as package encoding/json writes it.
func (d *describer) schema(t reflect.Type) map[string]any {
	switch {
	case t == timeType:
		return map[string]any{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return d.schema(t.Elem())
	case t == rawType:
		return map[string]any{}
	case t.Implements(textType):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Struct:
		return d.reference(t)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.String:
		if known, ok := reflect.Zero(t).Interface().(interface{ Enum() []string }); ok {
			return map[string]any{"type": "string", "enum": known.Enum()}
		}
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Interface:
		return map[string]any{}
	}
	return map[string]any{"type": "integer"}
}

// reference names a struct among the schemas, by its package and name where its
// name alone does not tell: several packages have a Status.
func (d *describer) reference(t reflect.Type) map[string]any {
	at, name, _ := strings.Cut(t.String(), ".")
	if at != "console" {
		name = strings.ToUpper(at[:1]) + at[1:] + name
	}
	if _, known := d.schemas[name]; !known {
		d.schemas[name] = nil // holds the name while the struct refers to itself
		d.schemas[name] = d.object(t)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

func (d *describer) object(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || name == "" {
			continue
		}
		property := d.schema(f.Type)
		if doc := d.comments[t.String()+"."+f.Name]; doc != "" {
			property["description"] = doc
		}
		properties[name] = property
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	out := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	if doc := d.comments[t.String()]; doc != "" {
		out["description"] = doc
	}
	return out
}
