package gateway

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// directives are what a Cache-Control field says, as far as it is heeded (RFC
// 9111, 5.2; RFC 5861).
type directives struct {
	noStore, noCache, private, public, mustRevalidate, onlyIfCached bool

	maxAge, sMaxAge, staleIfError, staleWhileRevalidate time.Duration // negative: not said
}

// directivesOf reads all Cache-Control fields. What cannot be read counts as the
// strictest thing that it may have meant.
func directivesOf(fields []http1.Field) directives {
	d := directives{maxAge: -1, sMaxAge: -1, staleIfError: -1, staleWhileRevalidate: -1}
	for i := range fields {
		if names(fields[i].Name, "cache-control") {
			for part := range bytes.SplitSeq(fields[i].Value, comma) {
				d.read(part)
			}
		}
	}
	return d
}

var comma = []byte(",")

func (d *directives) read(part []byte) {
	name, value, _ := strings.Cut(strings.ToLower(strings.Trim(string(part), " \t")), "=")
	switch name {
	case "no-store":
		d.noStore = true
	case "no-cache":
		d.noCache = true
	case "private":
		d.private = true
	case "public":
		d.public = true
	case "must-revalidate", "proxy-revalidate":
		d.mustRevalidate = true
	case "only-if-cached":
		d.onlyIfCached = true
	case "max-age":
		d.maxAge = seconds(value)
	case "s-maxage":
		d.sMaxAge = seconds(value)
	case "stale-if-error":
		d.staleIfError = seconds(value)
	case "stale-while-revalidate":
		d.staleWhileRevalidate = seconds(value)
	}
}

// seconds reads a number of seconds; 0 for what is none.
func seconds(text string) time.Duration {
	n, ok := number([]byte(strings.Trim(text, `"`)))
	if !ok {
		return 0
	}
	return time.Duration(min(n, int64(staleMax/time.Second))) * time.Second
}

// lifetime is how long the response is fresh from its date on, and whether it
// may be kept at all.
func (x *exchange) lifetime(d *directives, ttl time.Duration) (fresh time.Duration, ok bool) {
	switch x.response.Status {
	case 200, 203, 204, 300, 301, 308, 404, 410:
	default:
		return 0, false
	}
	if !x.shareable(d) || d.noCache {
		return 0, false
	}
	switch {
	case d.sMaxAge >= 0:
		return d.sMaxAge, true
	case d.maxAge >= 0:
		return d.maxAge, true
	}
	if text := x.response.Get("Expires"); text != nil {
		expires, err := http.ParseTime(string(text))
		date, errDate := http.ParseTime(string(x.response.Get("Date")))
		return max(expires.Sub(date), 0), err == nil && errDate == nil
	}
	return ttl, ttl > 0
}

// shareable reports whether another user may get the response too, as far as it
// says itself.
func (x *exchange) shareable(d *directives) bool {
	if d.noStore || d.private || x.response.Get("Set-Cookie") != nil || !varies(x.response.Fields, nil) {
		return false
	}
	return !x.personal() || d.public || d.sMaxAge >= 0
}

// personal reports whether the request may be answered otherwise than another
// user's.
func (x *exchange) personal() bool {
	return x.request.Get("Authorization") != nil || x.request.Get("Cookie") != nil || x.session.identity != ""
}

// varies calls f with the names of fields of the request on which the response
// depends, in lower case. It returns false where it depends on more than fields.
func varies(fields []http1.Field, f func(name string)) bool {
	for i := range fields {
		if !names(fields[i].Name, "vary") {
			continue
		}
		for part := range bytes.SplitSeq(fields[i].Value, comma) {
			switch name := hyphened(strings.Trim(string(part), " \t")); {
			case name == "*":
				return false
			case name != "" && f != nil:
				f(name)
			}
		}
	}
	return true
}

// joined is all that a request says in a field.
func joined(fields []http1.Field, name string) string {
	var all []string
	for i := range fields {
		if names(fields[i].Name, name) {
			all = append(all, string(fields[i].Value))
		}
	}
	return strings.Join(all, ", ")
}
