package gateway

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// HeaderEdits changes the fields of a message.
type HeaderEdits struct {
	// Set gives these fields one value, whatever they had.
	Set map[string]string `yaml:"set"`
	// Add adds a value to what these fields have.
	Add map[string]string `yaml:"add"`
	// Remove takes these fields away.
	Remove []string `yaml:"remove"`
}

// headerEdits are compiled HeaderEdits; nil changes nothing.
type headerEdits struct {
	drop []string // as names wants them
	add  []http1.Field
}

// newHeaderEdits compiles edits one after another: later ones see what earlier
// ones made.
func newHeaderEdits(all ...HeaderEdits) *headerEdits {
	e := &headerEdits{}
	for _, c := range all {
		for _, name := range slices.Sorted(maps.Keys(c.Set)) {
			e.remove(name)
			e.append(name, c.Set[name])
		}
		for _, name := range slices.Sorted(maps.Keys(c.Add)) {
			e.append(name, c.Add[name])
		}
		for _, name := range c.Remove {
			e.remove(name)
		}
	}
	if len(e.drop)+len(e.add) == 0 {
		return nil
	}
	return e
}

func (e *headerEdits) remove(name string) {
	lower := hyphened(name)
	e.drop = append(e.drop, lower)
	e.add = slices.DeleteFunc(e.add, func(f http1.Field) bool { return names(f.Name, lower) })
}

func (e *headerEdits) append(name, value string) {
	e.add = append(e.add, http1.Field{Name: []byte(name), Value: []byte(value)})
}

// drops reports whether a field that came is not passed on.
func (e *headerEdits) drops(name []byte) bool {
	if e == nil {
		return false
	}
	for _, lower := range e.drop {
		if names(name, lower) {
			return true
		}
	}
	return false
}

// addTo adds the edits' own fields.
func (e *headerEdits) addTo(to *extras) {
	if e != nil {
		to.fields = append(to.fields, e.add...)
	}
}

// editsBack are what the route changes of the response.
func (x *exchange) editsBack() *headerEdits {
	switch {
	case x.to != nil:
		return x.to.responseEdits
	case x.route != nil:
		return x.route.responseEdits
	}
	return nil
}

// editsMax bounds the fields of one place.
const editsMax = 100

// unchangeable are fields that frame messages or that Afloat sets itself.
var unchangeable = map[string]string{
	"connection": "frames the message", "content-length": "frames the message", "transfer-encoding": "frames the message",
	"te": "frames the message", "trailer": "frames the message", "upgrade": "frames the message", "keep-alive": "frames the message",
	"proxy-connection": "frames the message", "expect": "frames the message",
	"host":              "is changed under rewrite: {host: NAME}",
	"x-forwarded-for":   "is set by Afloat",
	"x-forwarded-proto": "is set by Afloat",
	"x-forwarded-host":  "is set by Afloat",
	"x-forwarded-port":  "is set by Afloat",
	"x-request-id":      "is set by Afloat",
	"afloat-attempt":    "is set by Afloat",
	"afloat-priority":   "is set by Afloat",
	"afloat-timeout-ms": "is set by Afloat",
	"date":              "is set by Afloat",
}

func (v *validator) edits(c *HeaderEdits, path ...string) {
	at := func(more ...string) []string { return append(slices.Clone(path), more...) }
	if n := len(c.Set) + len(c.Add) + len(c.Remove); n > editsMax {
		v.add("want at most %d fields, got %d", []any{editsMax, n}, path...)
	}
	for field, values := range map[string]map[string]string{"set": c.Set, "add": c.Add} {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			v.editedName(name, at(field, name)...)
			if !httpguts.ValidHeaderFieldValue(values[name]) {
				v.add("a header cannot have the value %q", []any{values[name]}, at(field, name)...)
			}
		}
	}
	for i, name := range c.Remove {
		v.editedName(name, at("remove", strconv.Itoa(i))...)
	}
}

func (v *validator) editedName(name string, path ...string) {
	if !validToken(name) {
		v.add("%q cannot be a header's name", []any{name}, path...)
	}
	if why := unchangeable[strings.ToLower(name)]; why != "" {
		v.add("%s %s", []any{name, why}, path...)
	}
}
