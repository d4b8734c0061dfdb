package gateway

import (
	"bytes"
	"iter"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// cookie returns the first value of a cookie (RFC 6265, 4.2.1).
func cookie(fields []http1.Field, name string) (value []byte, ok bool) {
	for value := range cookies(fields, name) {
		return value, true
	}
	return nil, false
}

// cookies are the values of a cookie.
func cookies(fields []http1.Field, name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range fields {
			if !names(fields[i].Name, "cookie") {
				continue
			}
			for rest := fields[i].Value; len(rest) > 0; {
				var pair []byte
				pair, rest, _ = bytes.Cut(rest, semicolon)
				pair = bytes.Trim(pair, " \t")
				if len(pair) > len(name) && pair[len(name)] == '=' && string(pair[:len(name)]) == name &&
					!yield(bytes.Trim(pair[len(name)+1:], `"`)) {
					return
				}
			}
		}
	}
}

var semicolon = []byte(";")
