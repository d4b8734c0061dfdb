package http1

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var refusedRequests = []struct {
	name   string
	status int
	input  string
}{
	// Framing.
	{"both framing fields", 400, getWith("Content-Length: 3", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
	{"both framing fields, coding first", 400, getWith("Transfer-Encoding: chunked", "Content-Length: 3") + "0\r\n\r\n"},
	{"both framing fields, length zero", 400, getWith("Content-Length: 0", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
	{"repeated length", 400, getWith("Content-Length: 3", "Content-Length: 4") + "abcd"},
	{"repeated equal length", 400, getWith("Content-Length: 3", "content-length: 3") + "abc"},
	{"list of lengths", 400, getWith("Content-Length: 3, 4") + "abcd"},
	{"list of equal lengths", 400, getWith("Content-Length: 3,3") + "abc"},
	{"empty length", 400, getWith("Content-Length:")},
	{"length of spaces", 400, getWith("Content-Length:   ")},
	{"length with plus", 400, getWith("Content-Length: +3") + "abc"},
	{"length with minus", 400, getWith("Content-Length: -3") + "abc"},
	{"length in hexadecimal", 400, getWith("Content-Length: 0x3") + "abc"},
	{"length with a letter", 400, getWith("Content-Length: 3a") + "abc"},
	{"length with inner space", 400, getWith("Content-Length: 1 0") + "0123456789"},
	{"length with underscore", 400, getWith("Content-Length: 1_0") + "0123456789"},
	{"length with a decimal point", 400, getWith("Content-Length: 3.0") + "abc"},
	{"length in quotes", 400, getWith(`Content-Length: "3"`) + "abc"},
	{"length in wide digits", 400, getWith("Content-Length: ３") + "abc"},
	{"length over 63 bits", 400, getWith("Content-Length: 9223372036854775808")},
	{"length over 64 bits", 400, getWith("Content-Length: 18446744073709551619") + "abc"},
	{"length of many digits", 400, getWith("Content-Length: " + strings.Repeat("9", 100))},
	{"repeated coding", 400, getWith("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
	{"repeated coding, one identity", 400, getWith("Transfer-Encoding: identity", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
	{"chunked twice in a list", 400, getWith("Transfer-Encoding: chunked, chunked") + "0\r\n\r\n"},
	{"chunked not last", 400, getWith("Transfer-Encoding: chunked, gzip") + "0\r\n\r\n"},
	{"chunked with a parameter", 400, getWith("Transfer-Encoding: chunked;x=y") + "0\r\n\r\n"},
	{"chunked in quotes", 400, getWith(`Transfer-Encoding: "chunked"`) + "0\r\n\r\n"},
	{"chunked after vertical tab", 400, getWith("Transfer-Encoding: \vchunked") + "0\r\n\r\n"},
	{"chunked before NUL", 400, getWith("Transfer-Encoding: chunked\x00") + "0\r\n\r\n"},
	{"chunked before no-break space", 400, getWith("Transfer-Encoding: chunked\xa0") + "0\r\n\r\n"},
	{"empty coding", 400, getWith("Transfer-Encoding:")},
	{"coding of a comma", 400, getWith("Transfer-Encoding: ,")},
	{"coding in HTTP/1.0", 400, head("POST / HTTP/1.0", "Host: h", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
	{"unknown coding", 501, getWith("Transfer-Encoding: gzip")},
	{"gzip before chunked", 501, getWith("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n"},
	{"identity coding", 501, getWith("Transfer-Encoding: identity")},
	{"xchunked", 501, getWith("Transfer-Encoding: xchunked") + "0\r\n\r\n"},
	{"chunked behind space before colon", 400, getWith("Transfer-Encoding : chunked") + "0\r\n\r\n"},

	// Lines.
	{"folded line", 400, getWith("X: a", " b")},
	{"folded line with tab", 400, getWith("X: a", "\tb")},
	{"folded first line", 400, head("GET / HTTP/1.1", " Host: h")},
	{"folded coding", 400, getWith("Transfer-Encoding:", " chunked") + "0\r\n\r\n"},
	{"bare LF after the request line", 400, "GET / HTTP/1.1\nHost: h\r\n\r\n"},
	{"bare LF after a field", 400, "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n"},
	{"bare LF as the empty line", 400, "GET / HTTP/1.1\r\nHost: h\r\n\n"},
	{"bare LFs only", 400, "GET / HTTP/1.1\nHost: h\n\n"},
	{"bare LF first", 400, "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"bare CR in a value", 400, getWith("X: a\rb")},
	{"bare CR in a name", 400, getWith("X\rY: a")},
	{"bare CR before CRLF", 400, getWith("X: a\r")},
	{"bare CR as the empty line", 400, "GET / HTTP/1.1\r\nHost: h\r\n\r\r\n\r\n"},
	{"bare CR in the request line", 400, head("GET /\r HTTP/1.1", "Host: h")},
	{"bare CR first", 400, "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"two empty lines first", 400, "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"},

	// Fields.
	{"NUL in a value", 400, getWith("X: a\x00b")},
	{"NUL in a name", 400, getWith("X\x00: a")},
	{"escape in a value", 400, getWith("X: a\x1bb")},
	{"backspace in a long value", 400, getWith("X: 0123456789abcdef\x08")},
	{"delete in a value", 400, getWith("X: a\x7f")},
	{"delete inside a word", 400, getWith("X: 0123456\x7f89abcdef")},
	{"vertical tab in a value", 400, getWith("X: a\vb")},
	{"form feed in a value", 400, getWith("X: a\fb")},
	{"space before the colon", 400, getWith("X : a")},
	{"tab before the colon", 400, getWith("X\t: a")},
	{"space before the colon of Host", 400, head("GET / HTTP/1.1", "Host : h")},
	{"empty name", 400, getWith(": a")},
	{"line without a colon", 400, getWith("X")},
	{"space in a name", 400, getWith("X Y: a")},
	{"parenthesis in a name", 400, getWith("X(Y): a")},
	{"slash in a name", 400, getWith("X/Y: a")},
	{"at sign in a name", 400, getWith("X@Y: a")},
	{"non-ASCII name", 400, getWith("Xé: a")},
	{"quoted name", 400, getWith(`"X": a`)},
	{"byte order mark before a name", 400, getWith("\xef\xbb\xbfX: a")},

	// Request line.
	{"no version", 400, head("GET /", "Host: h")},
	{"method alone", 400, head("GET", "Host: h")},
	{"two spaces after the method", 400, head("GET  / HTTP/1.1", "Host: h")},
	{"two spaces before the version", 400, head("GET /  HTTP/1.1", "Host: h")},
	{"space in the target", 400, head("GET /a b HTTP/1.1", "Host: h")},
	{"space after the version", 400, head("GET / HTTP/1.1 ", "Host: h")},
	{"space before the method", 400, head(" GET / HTTP/1.1", "Host: h")},
	{"tabs for spaces", 400, head("GET\t/\tHTTP/1.1", "Host: h")},
	{"tab in the target", 400, head("GET /a\tb HTTP/1.1", "Host: h")},
	{"no target", 400, head("GET HTTP/1.1", "Host: h")},
	{"empty target", 400, head("GET  HTTP/1.1", "Host: h")},
	{"no method", 400, head("/ HTTP/1.1", "Host: h")},
	{"method with a colon", 400, head("GET: / HTTP/1.1", "Host: h")},
	{"method with a slash", 400, head("GE/T / HTTP/1.1", "Host: h")},
	{"method with NUL", 400, head("GET\x00 / HTTP/1.1", "Host: h")},
	{"method with parentheses", 400, head("G() / HTTP/1.1", "Host: h")},
	{"method too long", 501, head(strings.Repeat("M", 33)+" / HTTP/1.1", "Host: h")},
	{"version in lower case", 400, head("GET / http/1.1", "Host: h")},
	{"version of another protocol", 400, head("GET / ICY/1.1", "Host: h")},
	{"version without a minor", 400, head("GET / HTTP/1", "Host: h")},
	{"version of two digits", 400, head("GET / HTTP/1.10", "Host: h")},
	{"version with a comma", 400, head("GET / HTTP/1,1", "Host: h")},
	{"version with a sign", 400, head("GET / HTTP/+.1", "Host: h")},
	{"HTTP/2.0", 505, head("GET / HTTP/2.0", "Host: h")},
	{"HTTP/1.2", 505, head("GET / HTTP/1.2", "Host: h")},
	{"HTTP/0.9 with a version", 505, head("GET / HTTP/0.9", "Host: h")},
	{"preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	{"TLS handshake", 400, "\x16\x03\x01\x02\x00\x01\x00"},
	{"CONNECT", 501, head("CONNECT h:443 HTTP/1.1", "Host: h:443")},

	// Target.
	{"fragment", 400, head("GET /#a HTTP/1.1", "Host: h")},
	{"NUL in the target", 400, head("GET /\x00 HTTP/1.1", "Host: h")},
	{"delete in the target", 400, head("GET /\x7f HTTP/1.1", "Host: h")},
	{"non-ASCII target", 400, head("GET /é HTTP/1.1", "Host: h")},
	{"no slash first", 400, head("GET a HTTP/1.1", "Host: h")},
	{"query without a path", 400, head("GET ?a HTTP/1.1", "Host: h")},
	{"asterisk with GET", 400, head("GET * HTTP/1.1", "Host: h")},
	{"asterisk and more", 400, head("OPTIONS *a HTTP/1.1", "Host: h")},
	{"authority form with GET", 400, head("GET h:80 HTTP/1.1", "Host: h")},
	{"cut escape", 400, head("GET /%2 HTTP/1.1", "Host: h")},
	{"invalid escape", 400, head("GET /%zz HTTP/1.1", "Host: h")},
	{"scheme ftp", 400, head("GET ftp://h/ HTTP/1.1", "Host: h")},
	{"scheme file", 400, head("GET file:///etc/passwd HTTP/1.1", "Host: h")},
	{"scheme without slashes", 400, head("GET http:/a HTTP/1.1", "Host: h")},
	{"absolute without authority", 400, head("GET http:///a HTTP/1.1", "Host: h")},
	{"absolute with nothing", 400, head("GET http:// HTTP/1.1", "Host: h")},
	{"absolute with userinfo", 400, head("GET http://u:p@h/ HTTP/1.1", "Host: h")},
	{"absolute with a bad port", 400, head("GET http://h:x/ HTTP/1.1", "Host: h")},

	// Host.
	{"no Host", 400, head("GET / HTTP/1.1")},
	{"no Host with an absolute target", 400, head("GET http://h/ HTTP/1.1")},
	{"two Hosts", 400, head("GET / HTTP/1.1", "Host: h", "Host: i")},
	{"two equal Hosts", 400, head("GET / HTTP/1.1", "Host: h", "host: h")},
	{"two Hosts in HTTP/1.0", 400, head("GET / HTTP/1.0", "Host: h", "Host: i")},
	{"empty Host", 400, head("GET / HTTP/1.1", "Host:")},
	{"Host of a port", 400, head("GET / HTTP/1.1", "Host: :80")},
	{"Host with userinfo", 400, head("GET / HTTP/1.1", "Host: u@h")},
	{"Host with a space", 400, head("GET / HTTP/1.1", "Host: a b")},
	{"Host with a tab", 400, head("GET / HTTP/1.1", "Host: a\tb")},
	{"Host with a slash", 400, head("GET / HTTP/1.1", "Host: h/a")},
	{"Host with a backslash", 400, head("GET / HTTP/1.1", `Host: h\a`)},
	{"Host with a question mark", 400, head("GET / HTTP/1.1", "Host: h?a")},
	{"Host with a fragment", 400, head("GET / HTTP/1.1", "Host: h#a")},
	{"Host with a scheme", 400, head("GET / HTTP/1.1", "Host: http://h")},
	{"Host with an escape", 400, head("GET / HTTP/1.1", "Host: h%2e")},
	{"list of Hosts", 400, head("GET / HTTP/1.1", "Host: h,i")},
	{"Host with non-ASCII", 400, head("GET / HTTP/1.1", "Host: hé")},
	{"Host with quotes", 400, head("GET / HTTP/1.1", `Host: "h"`)},
	{"Host with two ports", 400, head("GET / HTTP/1.1", "Host: h:80:81")},
	{"Host with a port of letters", 400, head("GET / HTTP/1.1", "Host: h:http")},
	{"Host with a port too large", 400, head("GET / HTTP/1.1", "Host: h:65536")},
	{"Host with a port of many digits", 400, head("GET / HTTP/1.1", "Host: h:"+strings.Repeat("0", 40)+"99999999999999999999")},
	{"Host of a bare IPv6 address", 400, head("GET / HTTP/1.1", "Host: ::1")},
	{"Host with an open bracket", 400, head("GET / HTTP/1.1", "Host: [::1")},
	{"Host with bytes after the bracket", 400, head("GET / HTTP/1.1", "Host: [::1]x")},
	{"Host with an IPv4 address in brackets", 400, head("GET / HTTP/1.1", "Host: [127.0.0.1]")},
	{"Host with a zone", 400, head("GET / HTTP/1.1", "Host: [fe80::1%25lo]")},
	{"bad Host under an absolute target", 400, head("GET http://h/ HTTP/1.1", "Host: a b")},

	// Limits and expectations.
	{"unknown expectation", 417, getWith("Expect: the-unexpected")},
	{"second expectation unknown", 417, getWith("Expect: x", "Expect: 100-continue")},
	{"expectation with a parameter", 417, getWith("Expect: 100-continue;q=1")},
	{"head too large", 431, getWith("X: " + strings.Repeat("a", 33<<10))},
	{"head too large and without an end", 431, "GET / HTTP/1.1\r\nX: " + strings.Repeat("a", 40<<10)},
	{"too many fields", 431, getWith(strings.Split(strings.Repeat("X: a\n", 100)+"X: a", "\n")...)},
	{"target too long", 414, head("GET /"+strings.Repeat("a", 8<<10)+" HTTP/1.1", "Host: h")},
	{"target without an end", 414, "GET /" + strings.Repeat("a", 9<<10)},
	{"framing field announced in Trailer", 400, getWith("Trailer: X, Content-Length")},

	// Chunks.
	{"chunk size with plus", 400, chunked("+1\r\na\r\n0\r\n\r\n")},
	{"chunk size with minus", 400, chunked("-1\r\na\r\n0\r\n\r\n")},
	{"chunk size with 0x", 400, chunked("0x1\r\na\r\n0\r\n\r\n")},
	{"chunk size after a space", 400, chunked(" 1\r\na\r\n0\r\n\r\n")},
	{"chunk size before a space", 400, chunked("1 \r\na\r\n0\r\n\r\n")},
	{"chunk size before a tab", 400, chunked("1\t\r\na\r\n0\r\n\r\n")},
	{"chunk size before space and extension", 400, chunked("1 ;x\r\na\r\n0\r\n\r\n")},
	{"chunk size of 64 bits", 400, chunked("ffffffffffffffff\r\na\r\n0\r\n\r\n")},
	{"chunk size of the sign bit", 400, chunked("8000000000000000\r\na\r\n0\r\n\r\n")},
	{"chunk size wrapping to one", 400, chunked("10000000000000001\r\na\r\n0\r\n\r\n")},
	{"chunk size of too many zeros", 400, chunked("00000000000000001\r\na\r\n0\r\n\r\n")},
	{"chunk size missing", 400, chunked("\r\na\r\n0\r\n\r\n")},
	{"chunk size missing before extension", 400, chunked(";x\r\na\r\n0\r\n\r\n")},
	{"chunk size with a letter", 400, chunked("1g\r\na\r\n0\r\n\r\n")},
	{"chunk size with an underscore", 400, chunked("1_0\r\n0123456789abcdef\r\n0\r\n\r\n")},
	{"chunk size with NUL", 400, chunked("1\x00\r\na\r\n0\r\n\r\n")},
	{"chunk line with bare LF", 400, chunked("1\na\r\n0\r\n\r\n")},
	{"chunk line with bare CR", 400, chunked("1\rX\r\na\r\n0\r\n\r\n")},
	{"chunk line with two CRs", 400, chunked("1\r\r\na\r\n0\r\n\r\n")},
	{"chunk extension with bare LF", 400, chunked("1;x\na\r\n0\r\n\r\n")},
	{"chunk extension with bare CR", 400, chunked("1;x\ry\r\na\r\n0\r\n\r\n")},
	{"chunk extension with NUL", 400, chunked("1;x\x00\r\na\r\n0\r\n\r\n")},
	{"chunk extension too long", 400, chunked("1;" + strings.Repeat("x", 256) + "\r\na\r\n0\r\n\r\n")},
	{"chunk data longer than its size", 400, chunked("1\r\nab\r\n0\r\n\r\n")},
	{"chunk data ended by bare LF", 400, chunked("1\r\na\n0\r\n\r\n")},
	{"chunk data ended by bare CR", 400, chunked("1\r\na\r0\r\n\r\n")},
	{"chunk data ended by another byte and LF", 400, chunked("1\r\naX\n0\r\n\r\n")},
	{"chunk data not ended", 400, chunked("1\r\na0\r\n\r\n")},
	{"chunks with too little data", 400, chunked(strings.Repeat("1;"+strings.Repeat("x", 200)+"\r\na\r\n", 100) + "0\r\n\r\n")},
	{"last chunk with bare LF", 400, chunked("0\n\n")},
	{"end of chunks with bare LF", 400, chunked("0\r\n\n")},
	{"end of chunks with bare CR", 400, chunked("0\r\n\rX")},
	{"bytes for the end of chunks", 400, chunked("0\r\nGET / HTTP/1.1\r\n\r\n")},
	{"trailer without a colon", 400, chunked("0\r\nX\r\n\r\n")},
	{"trailer with an empty name", 400, chunked("0\r\n: a\r\n\r\n")},
	{"trailer with space before the colon", 400, chunked("0\r\nX : a\r\n\r\n")},
	{"trailer folded", 400, chunked("0\r\nX: a\r\n b\r\n\r\n")},
	{"trailer with NUL", 400, chunked("0\r\nX: \x00\r\n\r\n")},
	{"trailer with bare LF", 400, chunked("0\r\nX: a\n\r\n")},
	{"trailer with bare CR", 400, chunked("0\r\nX: a\rb\r\n\r\n")},
	{"trailer Content-Length", 400, chunked("0\r\nContent-Length: 1\r\n\r\n")},
	{"trailer Transfer-Encoding", 400, chunked("0\r\nTRANSFER-ENCODING: chunked\r\n\r\n")},
	{"trailer Host", 400, chunked("0\r\nHost: i\r\n\r\n")},
	{"trailer Authorization", 400, chunked("0\r\nauthorization: x\r\n\r\n")},
	{"trailer Proxy-Authorization", 400, chunked("0\r\nProxy-Authorization: x\r\n\r\n")},
	{"trailer Connection", 400, chunked("0\r\nConnection: close\r\n\r\n")},
	{"trailer Cookie", 400, chunked("0\r\nCookie: a=b\r\n\r\n")},
	{"trailers too large", 431, chunked("0\r\nX: " + strings.Repeat("a", 8<<10) + "\r\n\r\n")},
	{"too many trailers", 431, chunked("0\r\n" + strings.Repeat("X: a\r\n", 101) + "\r\n")},
}

func TestRequestRefused(t *testing.T) {
	for _, test := range refusedRequests {
		t.Run(test.name, func(t *testing.T) {
			for _, step := range []int{wholly, 1, 7} {
				_, err := decodeRequest(test.input, step)
				if got := refusal(t, err); got != test.status {
					t.Errorf("in steps of %d: status %d (%v), want %d", step, got, err, test.status)
				}
			}
		})
	}
}

var acceptedRequests = []struct {
	name  string
	input string
	want  decoded
}{
	{"minimal", getWith(), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"query", head("GET /a/b?c=d&e HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/a/b", Query: "c=d&e", Host: "h", KeepAlive: true}},
	{"empty query", head("GET /a? HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/a", Host: "h", KeepAlive: true}},
	{"two question marks", head("GET /a?b?c HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/a", Query: "b?c", Host: "h", KeepAlive: true}},
	{"stray percent in the query", head("GET /a?100% HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/a", Query: "100%", Host: "h", KeepAlive: true}},
	{"escapes in the path", head("GET /%2F%c3%A9 HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/%2F%c3%A9", Host: "h", KeepAlive: true}},
	{"path of two slashes", head("GET //a HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "//a", Host: "h", KeepAlive: true}},
	{"path of dots", head("GET /../a HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/../a", Host: "h", KeepAlive: true}},
	{"path with brackets and quotes", head(`GET /{a}|"<b>^`+"`"+`\ HTTP/1.1`, "Host: h"), decoded{Method: "GET", Path: `/{a}|"<b>^` + "`" + `\`, Host: "h", KeepAlive: true}},
	{"absolute target", head("GET http://i:8/a?b HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/a", Query: "b", Host: "i:8", KeepAlive: true}},
	{"absolute target in capitals", head("GET HTTP://i/a HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/a", Host: "i", KeepAlive: true}},
	{"absolute https target", head("GET https://i/a HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/a", Host: "i", KeepAlive: true}},
	{"absolute target without a path", head("GET http://i HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/", Host: "i", KeepAlive: true}},
	{"absolute target with only a query", head("GET http://i?a HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/", Query: "a", Host: "i", KeepAlive: true}},
	{"OPTIONS of all", head("OPTIONS * HTTP/1.1", "Host: h"), decoded{Method: "OPTIONS", Path: "*", Host: "h", KeepAlive: true}},
	{"OPTIONS of all, absolute", head("OPTIONS http://i HTTP/1.1", "Host: h"), decoded{Method: "OPTIONS", Path: "*", Host: "i", KeepAlive: true}},
	{"OPTIONS of a path", head("OPTIONS /a HTTP/1.1", "Host: h"), decoded{Method: "OPTIONS", Path: "/a", Host: "h", KeepAlive: true}},
	{"registered method", head("PROPFIND / HTTP/1.1", "Host: h"), decoded{Method: "PROPFIND", Path: "/", Host: "h", KeepAlive: true}},
	{"unknown method", head("M-SEARCH / HTTP/1.1", "Host: h"), decoded{Method: "M-SEARCH", Path: "/", Host: "h", KeepAlive: true}},
	{"method in lower case", head("get / HTTP/1.1", "Host: h"), decoded{Method: "get", Path: "/", Host: "h", KeepAlive: true}},
	{"Host with a port", head("GET / HTTP/1.1", "Host: a.b-c_d.example:8080"), decoded{Method: "GET", Path: "/", Host: "a.b-c_d.example:8080", KeepAlive: true}},
	{"Host with an empty port", head("GET / HTTP/1.1", "Host: h:"), decoded{Method: "GET", Path: "/", Host: "h:", KeepAlive: true}},
	{"Host of an IPv4 address", head("GET / HTTP/1.1", "Host: 127.0.0.1:80"), decoded{Method: "GET", Path: "/", Host: "127.0.0.1:80", KeepAlive: true}},
	{"Host of an IPv6 address", head("GET / HTTP/1.1", "Host: [::1]:80"), decoded{Method: "GET", Path: "/", Host: "[::1]:80", KeepAlive: true}},
	{"Host with spaces around", head("GET / HTTP/1.1", "Host: \t h \t"), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"Host without a space", head("GET / HTTP/1.1", "HOST:h"), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"close", getWith("Connection: close"), decoded{Method: "GET", Path: "/", Host: "h"}},
	{"close in a list", getWith("Connection: foo, CLOSE"), decoded{Method: "GET", Path: "/", Host: "h"}},
	{"close in a second field", getWith("Connection: keep-alive", "Connection: close"), decoded{Method: "GET", Path: "/", Host: "h"}},
	{"closed is not close", getWith("Connection: closed"), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"HTTP/1.0", head("GET / HTTP/1.0"), decoded{Method: "GET", Path: "/"}},
	{"HTTP/1.0 with Host", head("GET / HTTP/1.0", "Host: h"), decoded{Method: "GET", Path: "/", Host: "h"}},
	{"HTTP/1.0 kept alive", head("GET / HTTP/1.0", "Connection: Keep-Alive"), decoded{Method: "GET", Path: "/", KeepAlive: true}},
	{"HTTP/1.0 with both tokens", head("GET / HTTP/1.0", "Connection: keep-alive, close"), decoded{Method: "GET", Path: "/"}},
	{"HTTP/1.0 with a body", head("POST / HTTP/1.0", "Content-Length: 3") + "abc", decoded{Method: "POST", Path: "/", Body: "abc"}},
	{"empty line first", "\r\n" + getWith(), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"length", getWith("Content-Length: 3") + "abcREST", decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true, Body: "abc", Rest: "REST"}},
	{"length zero", getWith("Content-Length: 0") + "REST", decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true, Rest: "REST"}},
	{"length with zeros first", getWith("Content-Length: 003") + "abcREST", decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true, Body: "abc", Rest: "REST"}},
	{"length with spaces around", getWith("Content-Length: \t3 ") + "abcREST", decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true, Body: "abc", Rest: "REST"}},
	{"length of a large body", getWith("Content-Length: 100000") + strings.Repeat("a", 100000) + "REST", decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true, Body: strings.Repeat("a", 100000), Rest: "REST"}},
	{"next request follows", getWith() + getWith(), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true, Rest: getWith()}},
	{"fields of every token char", getWith("!#$%&'*+-.^_`|~09azAZ: a"), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"underscore in a name", getWith("X_Y: a"), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"empty value", getWith("X:", "Y: "), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"tab and high bytes in a value", getWith("X: a\tb\xffcdefghij\tklm\x80"), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"colons in a value", getWith("X: a:b:c"), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"head of many blocks", getWith("X: " + strings.Repeat("a", 30<<10)), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"target of the limit", head("GET /"+strings.Repeat("a", 8<<10-1)+" HTTP/1.1", "Host: h"), decoded{Method: "GET", Path: "/" + strings.Repeat("a", 8<<10-1), Host: "h", KeepAlive: true}},
	{"fields of the limit", getWith(strings.Split(strings.Repeat("X: a\n", 98)+"X: a", "\n")...), decoded{Method: "GET", Path: "/", Host: "h", KeepAlive: true}},
	{"expectation in HTTP/1.0", head("GET / HTTP/1.0", "Expect: x"), decoded{Method: "GET", Path: "/"}},
	{"chunks", chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nREST"), decoded{Method: "POST", Path: "/", Host: "h", KeepAlive: true, Body: "abcde", Rest: "REST"}},
	{"chunks of nothing", chunked("0\r\n\r\nREST"), decoded{Method: "POST", Path: "/", Host: "h", KeepAlive: true, Rest: "REST"}},
	{"chunk size in capitals with zeros", chunked("00A\r\n0123456789\r\n000\r\n\r\nREST"), decoded{Method: "POST", Path: "/", Host: "h", KeepAlive: true, Body: "0123456789", Rest: "REST"}},
	{"chunk of CRLFs", chunked("4\r\n\r\n\r\n\r\n0\r\n\r\nREST"), decoded{Method: "POST", Path: "/", Host: "h", KeepAlive: true, Body: "\r\n\r\n", Rest: "REST"}},
	{"chunk extensions", chunked("1;a=b;c=\"d;e\"\r\na\r\n0;x\r\n\r\nREST"), decoded{Method: "POST", Path: "/", Host: "h", KeepAlive: true, Body: "a", Rest: "REST"}},
	{"chunk extension of the limit", chunked("1;" + strings.Repeat("x", 255) + "\r\na\r\n0\r\n\r\nREST"), decoded{Method: "POST", Path: "/", Host: "h", KeepAlive: true, Body: "a", Rest: "REST"}},
	{"many tiny chunks", chunked(strings.Repeat("1\r\na\r\n", 20000) + "0\r\n\r\nREST"), decoded{Method: "POST", Path: "/", Host: "h", KeepAlive: true, Body: strings.Repeat("a", 20000), Rest: "REST"}},
	{"large chunk", chunked("186a0\r\n" + strings.Repeat("a", 100000) + "\r\n0\r\n\r\nREST"), decoded{Method: "POST", Path: "/", Host: "h", KeepAlive: true, Body: strings.Repeat("a", 100000), Rest: "REST"}},
	{"trailers", chunked("1\r\na\r\n0\r\nX: b\r\nY-Checksum-Of-The-Whole-Body: c\t\xff\r\nZ:\r\n\r\nREST"), decoded{Method: "POST", Path: "/", Host: "h", KeepAlive: true, Body: "a", Rest: "REST"}},
	{"trailers announced", head("POST / HTTP/1.1", "Host: h", "Trailer: X, Y", "Transfer-Encoding: chunked") + "0\r\nX: b\r\n\r\nREST", decoded{Method: "POST", Path: "/", Host: "h", KeepAlive: true, Rest: "REST"}},
	{"chunked in capitals", head("POST / HTTP/1.1", "Host: h", "TRANSFER-ENCODING: \tCHUNKED ") + "0\r\n\r\nREST", decoded{Method: "POST", Path: "/", Host: "h", KeepAlive: true, Rest: "REST"}},
}

func TestRequestAccepted(t *testing.T) {
	for _, test := range acceptedRequests {
		t.Run(test.name, func(t *testing.T) {
			for _, step := range []int{wholly, 1, 7, 4096} {
				got, err := decodeRequest(test.input, step)
				if err != nil {
					t.Fatalf("in steps of %d: %v", step, err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("in steps of %d (-want +got):\n%s", step, diff)
				}
			}
		})
	}
}

// TestRequestAgreesWithNetHTTP holds the second opinion against ours: whatever
// we accept, net/http must take for the same message.
func TestRequestAgreesWithNetHTTP(t *testing.T) {
	for _, test := range acceptedRequests {
		t.Run(test.name, func(t *testing.T) { compareRequest(t, test.input, test.want) })
	}
}

func compareRequest(t *testing.T, input string, ours decoded) {
	t.Helper()
	in := bufio.NewReaderSize(strings.NewReader(input), 64<<10)
	// A server passes over one empty line, ReadRequest does not.
	if strings.HasPrefix(input, "\r\n") {
		in.Discard(2)
	}
	r, err := http.ReadRequest(in)
	if err != nil {
		t.Fatalf("net/http refuses %q: %v", input, err)
	}
	theirs := decoded{Method: r.Method, Path: rawPath(r), Query: r.URL.RawQuery, Host: r.Host, KeepAlive: !r.Close}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("net/http refuses the body of %q: %v", input, err)
	}
	rest, _ := io.ReadAll(in)
	theirs.Body, theirs.Rest = string(body), string(rest)
	if theirs.Path == "" {
		theirs.Path = "/"
		if r.Method == "OPTIONS" && r.URL.RawQuery == "" && !r.URL.ForceQuery {
			theirs.Path = "*"
		}
	}
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Fatalf("%q differs (-net/http +ours):\n%s", input, diff)
	}
}

// rawPath cuts the path out of the target with the lengths that net/url found.
func rawPath(r *http.Request) string {
	target := r.RequestURI
	if r.URL.Scheme != "" {
		target = target[len(r.URL.Scheme)+len("://")+len(r.URL.Host):]
	}
	path, _, _ := strings.Cut(target, "?")
	return path
}

func TestRequestTruncated(t *testing.T) {
	for _, input := range []string{
		"G", "GET / HTTP/1.1\r\nHost: h\r\n", "\r", chunked("5\r\nab"), chunked("1\r\na\r\n0\r\n"), chunked("1"),
		getWith("Content-Length: 5") + "ab",
	} {
		if _, err := decodeRequest(input, wholly); err != io.ErrUnexpectedEOF {
			t.Errorf("%q: got %v, want io.ErrUnexpectedEOF", input, err)
		}
	}
	if _, err := decodeRequest("", wholly); err != io.EOF {
		t.Errorf("nothing: got %v, want io.EOF", err)
	}
}

func TestRequestUpgrade(t *testing.T) {
	for _, test := range []struct {
		name  string
		input string
		want  string
	}{
		{"websocket", getWith("Connection: Upgrade", "Upgrade: websocket"), "websocket"},
		{"in a list", getWith("Connection: keep-alive, upgrade", "Upgrade: a/1, b"), "a/1, b"},
		{"not named by Connection", getWith("Upgrade: websocket"), ""},
		{"h2c", getWith("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"), ""},
		{"h2c in a list", getWith("Connection: Upgrade", "Upgrade: websocket, H2C"), ""},
		{"repeated", getWith("Connection: Upgrade", "Upgrade: a", "Upgrade: b"), ""},
		{"HTTP/1.0", head("GET / HTTP/1.0", "Connection: Upgrade", "Upgrade: websocket"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r Request
			if err := NewConn(newFeed(test.input, wholly), nil).ReadRequest(&r); err != nil {
				t.Fatal(err)
			}
			if string(r.Upgrade) != test.want {
				t.Errorf("got %q, want %q", r.Upgrade, test.want)
			}
			for i := range r.Fields {
				if f := &r.Fields[i]; r.Forward(f) {
					t.Errorf("%s is forwarded", f.Name)
				}
			}
		})
	}
}

func TestExpectContinueNeedsBody(t *testing.T) {
	for input, want := range map[string]bool{
		getWith("Expect: 100-Continue", "Content-Length: 1"):                            true,
		getWith("Expect: 100-continue"):                                                 false,
		head("POST / HTTP/1.0", "Host: h", "Expect: 100-continue", "Content-Length: 1"): false,
	} {
		var r Request
		if err := NewConn(newFeed(input, wholly), nil).ReadRequest(&r); err != nil {
			t.Fatal(err)
		}
		if r.ExpectContinue != want {
			t.Errorf("%q: got %v, want %v", input, r.ExpectContinue, want)
		}
	}
}

func TestRequestForwardsEndToEndFields(t *testing.T) {
	input := getWith("Accept: a", "Connection: x-one, keep-alive", "X-One: 1", "Keep-Alive: 1", "TE: trailers", "Trailer: X",
		"Proxy-Connection: a", "HTTP2-Settings: a", "Upgrade: a", "Connection: X-TWO", "X-Two: 2", "X-Three: 3",
		"Proxy-Authorization: a", "Content-Length: 0", "Expect: 100-continue", "Cookie: c")
	var r Request
	if err := NewConn(newFeed(input, wholly), nil).ReadRequest(&r); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range r.Fields {
		if f := &r.Fields[i]; r.Forward(f) {
			got = append(got, string(f.Name))
		}
	}
	if diff := cmp.Diff([]string{"Accept", "X-Three", "Cookie"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := string(r.Get("x-THREE")); got != "3" {
		t.Errorf("Get: got %q", got)
	}
	if r.Get("absent") != nil {
		t.Error("an absent field is not nil")
	}
}
