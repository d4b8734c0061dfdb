package gateway

import (
	"bytes"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// forwarded is an element of Forwarded (RFC 7239): what a proxy says of one that
// asked it. What it does not say is nil.
type forwarded struct {
	node, scheme, host []byte
}

// followForwarded is follow by the field Forwarded, for peers that speak that
// instead of X-Forwarded-For. A field that is not well-formed says nothing.
func (o *originator) followForwarded(fields []http1.Field, trusted networks) {
	var room [hopsMax]forwarded
	elements, ok := room[:0], true
	for i := range fields {
		if names(fields[i].Name, "forwarded") {
			if elements, ok = parseForwarded(elements, fields[i].Value); !ok {
				return
			}
		}
	}
	var nodes [hopsMax][]byte
	hops := nodes[:0]
	for i := len(elements) - 1; i >= 0; i-- {
		e := &elements[i]
		address, ok := hopAddress(e.node)
		if ok {
			o.client = address
			hops = append(hops, []byte(address.String()))
		}
		if string(e.scheme) == "http" || string(e.scheme) == "https" {
			o.scheme = e.scheme
		}
		if http1.ValidHost(e.host) {
			o.host = e.host
		}
		if !ok || !trusted.hold(address) {
			break // who it was said of may not be believed itself, or is not known
		}
	}
	o.join(hops)
}

// parseForwarded adds the elements of a field, of which the last hopsMax stay.
func parseForwarded(elements []forwarded, text []byte) ([]forwarded, bool) {
	for {
		var e forwarded
		for {
			text = bytes.TrimLeft(text, " \t")
			if len(text) == 0 || text[0] == ';' || text[0] == ',' { // nothing, as RFC 9110 allows in lists
				break
			}
			name, rest, ok := bytes.Cut(text, []byte("="))
			if !ok || !validToken(string(name)) {
				return nil, false
			}
			var value []byte
			if value, text, ok = forwardedValue(rest); !ok {
				return nil, false
			}
			for _, known := range [...]struct {
				name string
				to   *[]byte
			}{{"for", &e.node}, {"proto", &e.scheme}, {"host", &e.host}} {
				if !names(name, known.name) {
					continue
				}
				if *known.to != nil {
					return nil, false // once in an element
				}
				*known.to = value
			}
			if text = bytes.TrimLeft(text, " \t"); len(text) == 0 || text[0] != ';' {
				break
			}
			text = text[1:]
		}
		if e.node != nil || e.scheme != nil || e.host != nil {
			if len(elements) == hopsMax {
				elements = append(elements[:0], elements[1:]...)
			}
			elements = append(elements, e)
		}
		if len(text) == 0 {
			return elements, true
		}
		if text[0] != ',' {
			return nil, false
		}
		text = text[1:]
	}
}

// forwardedValue is a token or a quoted string, and what follows it. What is not
// nil is not empty.
func forwardedValue(text []byte) (value, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		end := bytes.IndexAny(text, ";, \t")
		if end < 0 {
			end = len(text)
		}
		// Addresses with colons and brackets are to be quoted, and often are not.
		return text[:end], text[end:], end > 0 && !bytes.ContainsAny(text[:end], `"=\`)
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return value, text[i+1:], len(value) > 0
		case '\\':
			if i++; i == len(text) {
				return nil, nil, false
			}
		}
		value = append(value, text[i])
	}
	return nil, nil, false
}
