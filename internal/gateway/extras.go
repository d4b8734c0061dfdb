package gateway

import (
	"strconv"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// extras are fields that Afloat adds to a message itself. What they say lives
// until the next message. Unlike the fields that came, they cannot be named away
// by a Connection field.
type extras struct {
	fields []http1.Field
	text   []byte
}

func (e *extras) reset() { e.fields, e.text = e.fields[:0], e.text[:0] }

func (e *extras) add(name, value []byte) {
	e.fields = append(e.fields, http1.Field{Name: name, Value: value})
}

// addText is add for a value that is not at hand as bytes.
func (e *extras) addText(name []byte, value string) {
	from := len(e.text)
	e.text = append(e.text, value...)
	e.add(name, e.text[from:len(e.text):len(e.text)])
}

func (e *extras) addInt(name []byte, n int64) {
	from := len(e.text)
	e.text = strconv.AppendInt(e.text, n, 10)
	e.add(name, e.text[from:len(e.text):len(e.text)])
}
