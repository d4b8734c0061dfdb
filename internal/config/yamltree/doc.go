// Package yamltree reads YAML strictly and remembers where everything stood.
//
// [Parse] turns a file into documents, a [Document] is decoded into structs by
// their `yaml` tags, and whatever is wrong comes back at once as [Problems]:
// each with file, line, column, the path of the field, the offending line and
// what to write instead. Checks that run after decoding know paths only;
// [Document.Problem] puts them in place.
//
// # Struct tags
//
//	yaml:"name"      the key; a field without this tag is not read
//	yaml:",inline"   an embedded struct whose fields belong to this one
//	required:"true"  the key must be present and not null
//	min:"1" max:"9"  bounds of a number or a duration, both included
//	doc:"..."        the description in the JSON Schema
//	default:"..."    the default in the JSON Schema; Decode sets nothing
//
// Own types may implement [encoding.TextUnmarshaler] (any scalar), [Unmarshaler]
// (anything, such as "a string or a map"), [Plainer] (the same, without this
// package), [Enumerated] (one of a few words) and
// [Noter] (fields that exist but are not supported).
//
// # Types
//
// A string wants a YAML string, a number wants a number: nothing is converted
// in silence, because 1.20 and "1.20" are different image tags. Durations are
// written with a unit (500ms, 1.5s, 5m) and are negative only where a min tag
// allows it. Null means that the field is absent. YAML 1.2 decides what is what: yes and on are strings.
//
// # Environment
//
// Values, never keys, may hold ${NAME} and ${NAME:-default}; $${ stands for a
// plain ${. The result takes the type that its field wants, so ${PORT} can be a
// number, but it is never read as YAML structure. [Options.Verbatim] turns this
// off for documents of foreign formats.
package yamltree
