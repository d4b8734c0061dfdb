// Package xconnect has net/http take extended CONNECT, with which WebSockets
// come over HTTP/2 (RFC 8441). net/http looks for that, once, in the environment
// that it finds when it is initialized, and has no other switch.
//
// It works by an order that the language specifies: of the packages whose
// imports are initialized, the one whose path sorts first is next. This one
// imports little and its path sorts before net/http. [Restore], called when
// net/http is initialized, leaves the environment as it was, so that programs
// which Afloat starts get none of it.
package xconnect

import "os"

// variable is where net/http looks, and setting what it looks for.
const (
	variable = "GODEBUG"
	setting  = "http2xconnect=1"
)

var before, was = os.LookupEnv(variable)

func init() {
	value := setting
	if before != "" {
		value = before + "," + setting
	}
	_ = os.Setenv(variable, value) // fails only for names that are none
}

// Restore gives the environment its own value back.
func Restore() {
	if was {
		_ = os.Setenv(variable, before)
	} else {
		_ = os.Unsetenv(variable)
	}
}
