package yamltree

import (
	"encoding"
	"errors"
	"os"
	"reflect"
	"slices"
	"strconv"
)

// problemsKept bounds the problems that one Decode collects.
const problemsKept = 1000

// Options of Decode. The zero value substitutes from the process's environment.
type Options struct {
	// Verbatim leaves ${...} in values alone. Documents of foreign formats are
	// read so.
	Verbatim bool
	// Lookup finds environment variables; nil means os.LookupEnv.
	Lookup func(name string) (value string, set bool)
}

// An Unmarshaler decodes itself: a union such as "a string or a map". It reports
// what is wrong through the decoder. Null never reaches it.
type Unmarshaler interface {
	DecodeYAML(d *Decoder, n *Node)
}

// A Plainer decodes itself from a plain value, as with other YAML libraries, so
// that its package need not know this one: it calls unmarshal with a *any and
// gets a string, bool, int64, float64, list or map. What is wrong it returns.
type Plainer interface {
	UnmarshalYAML(unmarshal func(any) error) error
}

// A Shorthander is a struct for which a plain value may stand: it sets the field
// of the name returned.
type Shorthander interface {
	ShortYAML() string
}

// An Enumerated string type is one of a few words.
type Enumerated interface {
	Enum() []string
}

// A Noter is a struct that knows fields of a foreign format which it does not
// support, by name. They are not taken for typing mistakes.
type Noter interface {
	YAMLNotes() map[string]Note
}

// A Note tells what becomes of a known field that is not supported.
type Note struct {
	// Severity is Error where ignoring the field would change behaviour.
	Severity Severity
	// Word is the message: why, in the operator's words.
	Word string
	// Fix is what to do; may be empty.
	Fix string
	// Neutral are values that change nothing, so that nothing is said. Null, {}
	// and [] always are.
	Neutral []string
}

// A Decoder carries one Decode. Only an [Unmarshaler] sees it.
type Decoder struct {
	problems Problems
}

// Decode fills a struct, or whatever into points to, from the document. It
// returns all problems at once; fields without a problem are filled even so.
// Fields that the document does not name, or names with null, keep their value,
// so defaults may be set before.
func (d *Document) Decode(into any, options Options) Problems {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic("yamltree: Decode wants a pointer")
	}
	dec := &Decoder{problems: slices.Clone(d.problems)}
	root := d.root
	if !options.Verbatim {
		lookup := options.Lookup
		if lookup == nil {
			lookup = os.LookupEnv
		}
		var unset Problems
		root, unset = substitute(root, lookup)
		dec.problems = append(dec.problems, unset...)
	}
	dec.value(root, v.Elem(), bounds{})
	return dec.problems
}

// Decode fills into, a pointer, from a node.
func (d *Decoder) Decode(n *Node, into any) {
	d.value(n, reflect.ValueOf(into).Elem(), bounds{})
}

// Problem reports an error at a node.
func (d *Decoder) Problem(n *Node, message, fix string) { d.report(n.problem(Error, message, fix)) }

// Warn reports a warning at a node.
func (d *Decoder) Warn(n *Node, message, fix string) { d.report(n.problem(Warning, message, fix)) }

// Want reports that a node is not what was wanted: "want X, got Y".
func (d *Decoder) Want(n *Node, wanted, fix string) {
	d.Problem(n, "want "+wanted+", got "+n.Got(), fix)
}

func (d *Decoder) report(p Problem) {
	if len(d.problems) < problemsKept {
		d.problems = append(d.problems, p)
	}
}

func (d *Decoder) value(n *Node, v reflect.Value, b bounds) {
	if n.kind == Null {
		return
	}
	switch own := v.Addr().Interface().(type) {
	case Unmarshaler:
		own.DecodeYAML(d, n)
		return
	case Plainer:
		d.plain(n, own)
		return
	case encoding.TextUnmarshaler:
		d.text(n, own)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), b)
	case reflect.Struct:
		d.fields(n, v)
	case reflect.Slice:
		d.list(n, v, b)
	case reflect.Map:
		d.entries(n, v, b)
	default:
		d.scalar(n, v, b)
	}
}

// fields decodes a map into a struct.
func (d *Decoder) fields(n *Node, v reflect.Value) {
	if f, ok := shortField(v.Type()); ok && n.kind != Map {
		d.value(n, v.FieldByIndex(f.index), f.bounds)
		return
	}
	if n.kind != Map {
		d.Want(n, "a map", "")
		return
	}
	shape := shapeOf(v.Type())
	present := make(map[string]bool, len(n.entries))
	for _, e := range n.entries {
		i, known := shape.byName[e.key]
		if !known {
			d.stranger(e, shape)
			continue
		}
		f := shape.fields[i]
		present[f.name] = e.kind != Null || e.substituted
		d.value(e, v.FieldByIndex(f.index), f.bounds)
	}
	for _, f := range shape.fields {
		if f.required && !present[f.name] {
			line, column := n.keyPosition()
			d.report(n.source.problem(line, column, Error, joinKey(n.Path(), f.name), "is required", ""))
		}
	}
}

// stranger reports a key that the struct does not read.
func (d *Decoder) stranger(n *Node, s *shape) {
	line, column := n.keyPosition()
	note, known := s.notes[n.key]
	switch {
	case !known:
		d.report(n.source.problem(line, column, Error, n.Path(), "unknown field", didYouMean(n.key, s.names())))
	case n.empty(), n.kind.Scalar() && slices.Contains(note.Neutral, n.text):
	default:
		d.report(n.source.problem(line, column, note.Severity, n.Path(), note.Word, note.Fix))
	}
}

func (d *Decoder) list(n *Node, v reflect.Value, b bounds) {
	if n.kind != List {
		fix := ""
		if n.kind.Scalar() {
			fix = "write [" + clip(n.text) + "]"
		}
		d.Want(n, "a list", fix)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.entries), len(n.entries))
	for i, e := range n.entries {
		d.value(e, out.Index(i), b)
	}
	v.Set(out)
}

func (d *Decoder) entries(n *Node, v reflect.Value, b bounds) {
	if n.kind != Map {
		d.Want(n, "a map", "")
		return
	}
	if v.Type().Key().Kind() != reflect.String {
		panic("yamltree: " + v.Type().String() + " wants string keys")
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.entries))
	for _, e := range n.entries {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e, item, b)
		out.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), item)
	}
	v.Set(out)
}

func (d *Decoder) plain(n *Node, own Plainer) {
	err := own.UnmarshalYAML(func(into any) error {
		value, ok := into.(*any)
		if !ok {
			return errors.New("can be read into *any alone")
		}
		*value = n.plain()
		if i, err := strconv.ParseInt(n.text, 0, 64); n.kind == Int && err == nil {
			*value = i
		}
		return nil
	})
	if err != nil {
		d.Problem(n, err.Error(), "")
	}
}

func (d *Decoder) text(n *Node, own encoding.TextUnmarshaler) {
	if !n.kind.Scalar() {
		d.Want(n, "a single value", "")
		return
	}
	if err := own.UnmarshalText([]byte(n.text)); err != nil {
		d.Problem(n, err.Error(), "")
	}
}
