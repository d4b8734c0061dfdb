package http1

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ok(fields ...string) string { return head(append([]string{"HTTP/1.1 200 OK"}, fields...)...) }

var refusedResponses = []struct {
	name  string
	input string
}{
	{"both framing fields", ok("Content-Length: 3", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
	{"repeated length", ok("Content-Length: 3", "Content-Length: 3") + "abc"},
	{"list of lengths", ok("Content-Length: 3, 3") + "abc"},
	{"length with plus", ok("Content-Length: +3") + "abc"},
	{"length over 63 bits", ok("Content-Length: 9223372036854775808")},
	{"repeated coding", ok("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
	{"unknown coding", ok("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n"},
	{"coding in HTTP/1.0", head("HTTP/1.0 200 OK", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
	{"coding in a 204", head("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
	{"coding in a 100", head("HTTP/1.1 100 Continue", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
	{"length in a 103", head("HTTP/1.1 103 Early Hints", "Content-Length: 3") + "abc"},
	{"length in a 101", head("HTTP/1.1 101 Switching Protocols", "Content-Length: 3") + "abc"},
	{"both framing fields in a 304", head("HTTP/1.1 304 Not Modified", "Content-Length: 3", "Transfer-Encoding: chunked")},
	{"folded line", ok("X: a", " b")},
	{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
	{"bare CR in a value", ok("X: a\rb")},
	{"NUL in a value", ok("X: a\x00b")},
	{"NUL in the reason", head("HTTP/1.1 200 O\x00K")},
	{"bare CR in the reason", head("HTTP/1.1 200 O\rK")},
	{"space before the colon", ok("Content-Length : 3") + "abc"},
	{"empty line first", "\r\n" + ok("Content-Length: 0")},
	{"version in lower case", head("http/1.1 200 OK")},
	{"HTTP/2", head("HTTP/2 200 OK")},
	{"HTTP/2.0", head("HTTP/2.0 200 OK")},
	{"another protocol", head("ICY/1.1 200 OK")},
	{"status of two digits", head("HTTP/1.1 20 OK")},
	{"status of four digits", head("HTTP/1.1 2000 OK")},
	{"status with a letter", head("HTTP/1.1 2x0 OK")},
	{"status with a sign", head("HTTP/1.1 +20 OK")},
	{"status below 100", head("HTTP/1.1 099 OK")},
	{"two spaces before the status", head("HTTP/1.1  200 OK")},
	{"no status", head("HTTP/1.1")},
	{"tab before the reason", head("HTTP/1.1 200\tOK")},
	{"body without a head", "<html>\r\n\r\n"},
	{"SSH banner", "SSH-2.0-OpenSSH\r\n\r\n"},
	{"head too large", ok("X: " + strings.Repeat("a", 40<<10))},
	{"too many fields", ok(strings.Split(strings.Repeat("X: a\n", 100)+"X: a", "\n")...)},
	{"bad chunk", ok("Transfer-Encoding: chunked") + "x\r\n"},
	{"bad trailer", ok("Transfer-Encoding: chunked") + "0\r\nContent-Length: 3\r\n\r\n"},
}

func TestResponseRefused(t *testing.T) {
	for _, test := range refusedResponses {
		t.Run(test.name, func(t *testing.T) {
			for _, step := range []int{wholly, 1} {
				_, err := decodeResponse(test.input, "GET", step)
				if got := refusal(t, err); got != 502 {
					t.Errorf("in steps of %d: status %d (%v), want 502", step, got, err)
				}
			}
		})
	}
}

var acceptedResponses = []struct {
	name   string
	method string
	input  string
	want   decoded
}{
	{"length", "GET", ok("Content-Length: 3") + "abcREST", decoded{Status: 200, KeepAlive: true, Body: "abc", Rest: "REST"}},
	{"length zero", "GET", ok("Content-Length: 0") + "REST", decoded{Status: 200, KeepAlive: true, Rest: "REST"}},
	{"chunks", "GET", ok("Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\nX: y\r\n\r\nREST", decoded{Status: 200, KeepAlive: true, Body: "abc", Rest: "REST"}},
	{"until close", "GET", ok() + "abc", decoded{Status: 200, Body: "abc"}},
	{"until close, large", "GET", ok() + strings.Repeat("a", 100000), decoded{Status: 200, Body: strings.Repeat("a", 100000)}},
	{"until close, empty", "GET", ok(), decoded{Status: 200}},
	{"close", "GET", ok("Connection: close", "Content-Length: 3") + "abc", decoded{Status: 200, Body: "abc"}},
	{"HTTP/1.0", "GET", head("HTTP/1.0 200 OK", "Content-Length: 3") + "abc", decoded{Status: 200, Body: "abc"}},
	{"HTTP/1.0 kept alive", "GET", head("HTTP/1.0 200 OK", "Connection: keep-alive", "Content-Length: 3") + "abc", decoded{Status: 200, KeepAlive: true, Body: "abc"}},
	{"HTTP/1.0 kept alive without length", "GET", head("HTTP/1.0 200 OK", "Connection: keep-alive") + "abc", decoded{Status: 200, Body: "abc"}},
	{"answer to HEAD with length", "HEAD", ok("Content-Length: 3") + "REST", decoded{Status: 200, KeepAlive: true, Rest: "REST"}},
	{"answer to HEAD with coding", "HEAD", ok("Transfer-Encoding: chunked") + "REST", decoded{Status: 200, KeepAlive: true, Rest: "REST"}},
	{"answer to HEAD without framing", "HEAD", ok() + "REST", decoded{Status: 200, KeepAlive: true, Rest: "REST"}},
	{"no content", "GET", head("HTTP/1.1 204 No Content") + "REST", decoded{Status: 204, KeepAlive: true, Rest: "REST"}},
	{"no content of length zero", "GET", head("HTTP/1.1 204 No Content", "Content-Length: 0") + "REST", decoded{Status: 204, KeepAlive: true, Rest: "REST"}},
	{"no content with a length", "GET", head("HTTP/1.1 204 No Content", "Content-Length: 3") + "abc", decoded{Status: 204, Rest: "abc"}},
	{"not modified with a length", "GET", head("HTTP/1.1 304 Not Modified", "Content-Length: 3") + "REST", decoded{Status: 304, KeepAlive: true, Rest: "REST"}},
	{"interim", "GET", head("HTTP/1.1 100 Continue") + ok("Content-Length: 0"), decoded{Status: 100, KeepAlive: true, Rest: ok("Content-Length: 0")}},
	{"early hints", "GET", head("HTTP/1.1 103 Early Hints", "Link: a") + "REST", decoded{Status: 103, KeepAlive: true, Rest: "REST"}},
	{"switch of protocols", "GET", head("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket") + "REST", decoded{Status: 101, Rest: "REST"}},
	{"tunnel", "CONNECT", ok("Content-Length: 3") + "REST", decoded{Status: 200, Rest: "REST"}},
	{"tunnel refused", "CONNECT", head("HTTP/1.1 403 Forbidden", "Content-Length: 3") + "abcREST", decoded{Status: 403, KeepAlive: true, Body: "abc", Rest: "REST"}},
	{"no reason", "GET", head("HTTP/1.1 200 ", "Content-Length: 0"), decoded{Status: 200, KeepAlive: true}},
	{"no reason and no space", "GET", head("HTTP/1.1 200", "Content-Length: 0"), decoded{Status: 200, KeepAlive: true}},
	{"reason of words", "GET", head("HTTP/1.1 200 all is well\t\xe9", "Content-Length: 0"), decoded{Status: 200, KeepAlive: true}},
	{"status 999", "GET", head("HTTP/1.1 999 Denied", "Content-Length: 0"), decoded{Status: 999, KeepAlive: true}},
}

func TestResponseAccepted(t *testing.T) {
	for _, test := range acceptedResponses {
		t.Run(test.name, func(t *testing.T) {
			for _, step := range []int{wholly, 1, 7, 4096} {
				got, err := decodeResponse(test.input, test.method, step)
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

func TestResponseAgreesWithNetHTTP(t *testing.T) {
	for _, test := range acceptedResponses {
		t.Run(test.name, func(t *testing.T) { compareResponse(t, test.input, test.method, test.want) })
	}
}

func compareResponse(t *testing.T, input, method string, ours decoded) {
	t.Helper()
	in := bufio.NewReaderSize(strings.NewReader(input), 64<<10)
	r, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("net/http refuses %q: %v", input, err)
	}
	theirs := decoded{Status: r.StatusCode}
	// To net/http, a tunnel's bytes are the body.
	if ours.Status != 101 && !(method == "CONNECT" && ours.Status/100 == 2) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatalf("net/http refuses the body of %q: %v", input, err)
		}
		theirs.Body = string(body)
		if ours.KeepAlive && r.Close {
			t.Fatalf("%q: net/http would close the connection", input)
		}
	}
	rest, _ := io.ReadAll(in)
	theirs.Rest = string(rest)
	ours.KeepAlive = false
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Fatalf("%q differs (-net/http +ours):\n%s", input, diff)
	}
}

func TestResponsesFollowInterimOnes(t *testing.T) {
	c := NewConn(newFeed(head("HTTP/1.1 100 Continue")+head("HTTP/1.1 103 Early Hints", "Link: a")+ok("Content-Length: 2")+"ab", wholly), nil)
	var r Response
	for _, want := range []int{100, 103, 200} {
		if err := c.ReadResponse(&r, "POST"); err != nil || r.Status != want {
			t.Fatalf("got %d, %v, want %d", r.Status, err, want)
		}
	}
	if body, err := io.ReadAll(c.Body()); string(body) != "ab" || err != nil {
		t.Fatalf("got %q, %v", body, err)
	}
}

func TestResponseForward(t *testing.T) {
	for _, test := range []struct {
		name, method, input string
		want                []string
	}{
		{"hop-by-hop fields stay", "GET", ok("Server: s", "Connection: X", "X: a", "Upgrade: h2c", "Keep-Alive: 1", "Content-Length: 0"), []string{"Server"}},
		{"length informs after HEAD", "HEAD", ok("Content-Length: 3"), []string{"Content-Length"}},
		{"length informs in a 304", "GET", head("HTTP/1.1 304 Not Modified", "ETag: e", "Content-Length: 3"), []string{"ETag", "Content-Length"}},
		{"length of a 204 stays", "HEAD", head("HTTP/1.1 204 No Content", "Content-Length: 3"), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r Response
			if err := NewConn(newFeed(test.input, wholly), nil).ReadResponse(&r, test.method); err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range r.Fields {
				if f := &r.Fields[i]; r.Forward(f) {
					got = append(got, string(f.Name))
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
