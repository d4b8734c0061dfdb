package gateway

import (
	"bytes"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// cookie returns the first value of a cookie (RFC 6265, 4.2.1).
func cookie(fields []http1.Field, name string) (value []byte, ok bool) {
	for i := range fields {
		if !names(fields[i].Name, "cookie") {
			continue
		}
		for rest := fields[i].Value; len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, semicolon)
			pair = bytes.Trim(pair, " \t")
			if len(pair) > len(name) && pair[len(name)] == '=' && string(pair[:len(name)]) == name {
				return bytes.Trim(pair[len(name)+1:], `"`), true
			}
		}
	}
	return nil, false
}

var semicolon = []byte(";")
