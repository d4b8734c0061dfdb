package yamltree

import (
	"reflect"
	"strings"
	"sync"
)

// A field is one key that a struct reads.
type field struct {
	name     string
	index    []int
	typ      reflect.Type
	required bool
	bounds   bounds
	doc      string
	fallback string // the default tag
	owner    reflect.Type
	goName   string
}

// bounds are the min and max tags as written; empty means none.
type bounds struct{ min, max string }

// A shape is all that a struct reads and knows.
type shape struct {
	fields []field // in the order of the struct
	byName map[string]int
	notes  map[string]Note
}

// names returns the keys that may stand in the map, supported or not.
func (s *shape) names() []string {
	out := make([]string, 0, len(s.fields)+len(s.notes))
	for _, f := range s.fields {
		out = append(out, f.name)
	}
	for name := range s.notes {
		out = append(out, name)
	}
	return out
}

var shapes sync.Map // reflect.Type to *shape

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := &shape{byName: map[string]int{}, notes: map[string]Note{}}
	s.add(t, nil)
	cached, _ := shapes.LoadOrStore(t, s)
	return cached.(*shape)
}

// shortField is the field that a plain value stands for, where the struct is a
// [Shorthander].
func shortField(t reflect.Type) (field, bool) {
	short, ok := reflect.New(t).Interface().(Shorthander)
	if !ok {
		return field{}, false
	}
	s := shapeOf(t)
	return s.fields[s.byName[short.ShortYAML()]], true
}

// add takes over the fields of a struct, and those of structs inlined in it.
func (s *shape) add(t reflect.Type, index []int) {
	if noter, ok := reflect.New(t).Interface().(Noter); ok {
		for name, note := range noter.YAMLNotes() {
			s.notes[name] = note
		}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("yaml")
		if !ok {
			continue
		}
		at := append(append([]int(nil), index...), i)
		name, option, _ := strings.Cut(tag, ",")
		if option == "inline" && f.Type.Kind() == reflect.Struct {
			s.add(f.Type, at)
			continue
		}
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		if _, twice := s.byName[name]; twice {
			panic("yamltree: " + t.String() + " reads " + name + " twice")
		}
		s.byName[name] = len(s.fields)
		s.fields = append(s.fields, field{
			name: name, index: at, typ: f.Type, owner: t, goName: f.Name,
			required: f.Tag.Get("required") == "true",
			bounds:   bounds{f.Tag.Get("min"), f.Tag.Get("max")},
			doc:      f.Tag.Get("doc"), fallback: f.Tag.Get("default"),
		})
	}
}
