package signal

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// Bounds of what a client may put into a line; what is longer is cut and ends
// in an ellipsis.
const (
	loggedPathMax = 2048
	loggedHostMax = 256
	loggedNameMax = 256
)

// appendLine appends a request as a line of JSON, with its line feed. Fields
// that are empty are left out, so that a line of a request that went well is
// short.
func appendLine(b []byte, r *gateway.Record) []byte {
	b = append(b, `{"time":"`...)
	b = appendTime(b, r.Start)
	b = append(b, `","client":"`...)
	if r.Client.IsValid() {
		// A scoped address may hold a zone of any bytes, which nobody needs.
		b = r.Client.Addr().Unmap().WithZone("").AppendTo(b)
		b = append(b, `","client_port":`...)
		b = strconv.AppendUint(b, uint64(r.Client.Port()), 10)
	} else {
		b = append(b, '"')
	}
	if r.Peer.IsValid() {
		b = append(b, `,"peer":"`...)
		b = append(r.Peer.Addr().Unmap().WithZone("").AppendTo(b), '"')
	}
	b = appendString(b, `,"request_id":"`, r.RequestID, loggedNameMax)
	if r.Trace.Valid() {
		b = hex.AppendEncode(append(b, `,"trace_id":"`...), r.Trace.TraceID[:])
		b = append(b, '"')
	}
	b = appendString(b, `,"identity":"`, r.Identity, loggedNameMax)
	b = appendString(b, `,"listener":"`, r.Listener, loggedNameMax)
	b = appendString(b, `,"protocol":"`, r.Protocol, loggedNameMax)
	b = appendString(b, `,"method":"`, r.Method, loggedNameMax)
	b = appendString(b, `,"host":"`, r.Host, loggedHostMax)
	b = appendString(b, `,"path":"`, withoutQuery(r.Path), loggedPathMax)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(r.Status), 10)
	b = appendString(b, `,"grpc_status":"`, r.GRPC, loggedNameMax)
	b = appendString(b, `,"reason":"`, string(r.Reason), loggedNameMax)
	b = appendString(b, `,"route":"`, r.Route, loggedNameMax)
	b = appendString(b, `,"service":"`, r.Service, loggedNameMax)
	b = appendString(b, `,"endpoint":"`, r.Endpoint, loggedNameMax)
	b = append(b, `,"tries":`...)
	b = strconv.AppendInt(b, int64(r.Tries), 10)
	b = append(b, `,"duration_ms":`...)
	b = appendMillis(b, r.Duration)
	b = append(b, `,"first_byte_ms":`...)
	b = appendMillis(b, r.FirstByte)
	b = append(b, `,"request_bytes":`...)
	b = strconv.AppendInt(b, r.RequestBytes, 10)
	b = append(b, `,"response_bytes":`...)
	b = strconv.AppendInt(b, r.ResponseBytes, 10)
	return append(b, '}', '\n')
}

// withoutQuery cuts the query off, which may hold secrets.
func withoutQuery(path []byte) []byte {
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		return path[:i]
	}
	return path
}

// appendString appends a key, which opens the quotes, and a value, or nothing
// when the value is empty.
func appendString[S string | []byte](b []byte, key string, value S, most int) []byte {
	if len(value) == 0 {
		return b
	}
	b = append(b, key...)
	if len(value) > most {
		b = appendEscaped(b, value[:most])
		return append(b, "…\""...)
	}
	return append(appendEscaped(b, value), '"')
}

const hexDigits = "0123456789abcdef"

// appendEscaped appends the inside of a JSON string (RFC 8259, section 7).
// Control bytes are escaped, those that terminals obey too (DEL and U+0080 to
// U+009F), and so are U+2028 and U+2029, which are line ends to JavaScript. A
// byte that is not UTF-8 becomes U+FFFD.
func appendEscaped[S string | []byte](b []byte, s S) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			r, size = decodeRune(s, i)
			plain := r > 0x9f && r != '\u2028' && r != '\u2029'
			if plain && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
			b = append(b, s[from:i]...)
			if r == utf8.RuneError {
				b = append(b, "\uFFFD"...)
			} else {
				b = append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
			}
		} else {
			b = append(b, s[from:i]...)
			b = appendEscape(b, c)
		}
		i += size
		from = i
	}
	return append(b, s[from:]...)
}

// appendEscape appends the escape of an ASCII byte.
func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// decodeRune decodes the rune at i, without turning bytes into a string.
func decodeRune[S string | []byte](s S, i int) (rune, int) {
	var window [utf8.UTFMax]byte
	n := copy(window[:], s[i:])
	return utf8.DecodeRune(window[:n])
}

// appendTime appends a time in UTC as RFC 3339 with milliseconds.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append2(append2(b, year/100), year%100)
	b = append2(append(b, '-'), int(month))
	b = append2(append(b, '-'), day)
	b = append2(append(b, 'T'), hour)
	b = append2(append(b, ':'), minute)
	b = append2(append(b, ':'), second)
	b = append3(append(b, '.'), t.Nanosecond()/1e6)
	return append(b, 'Z')
}

// appendMillis appends milliseconds with three digits after the point.
func appendMillis(b []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	b = strconv.AppendInt(b, us/1000, 10)
	return append3(append(b, '.'), int(us%1000))
}

// append2 appends a number below 100 as two digits.
func append2(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// append3 appends a number below 1000 as three digits.
func append3(b []byte, n int) []byte { return append2(append(b, byte('0'+n/100)), n%100) }
