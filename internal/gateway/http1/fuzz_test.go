package http1

import (
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The fuzz targets hold three properties of any input: how it is split into
// reads changes nothing; nothing panics; and what we accept, net/http accepts
// for the same message with the same end.

func FuzzReadRequest(f *testing.F) {
	for _, test := range acceptedRequests {
		f.Add([]byte(short(test.input)), uint8(3))
	}
	for _, test := range refusedRequests {
		f.Add([]byte(short(test.input)), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		input := string(data)
		whole, err := decodeRequest(input, wholly)
		split, splitErr := decodeRequest(input, 1+int(step))
		compareSplit(t, whole, err, split, splitErr)
		if err == nil {
			compareRequest(t, input, whole)
		}
	})
}

func FuzzReadResponse(f *testing.F) {
	for _, test := range acceptedResponses {
		f.Add([]byte(short(test.input)), uint8(3), uint8(len(test.method)))
	}
	for _, test := range refusedResponses {
		f.Add([]byte(short(test.input)), uint8(3), uint8(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, step, method uint8) {
		input := string(data)
		m := [...]string{"GET", "HEAD", "CONNECT", "POST"}[method%4]
		whole, err := decodeResponse(input, m, wholly)
		split, splitErr := decodeResponse(input, m, 1+int(step))
		compareSplit(t, whole, err, split, splitErr)
		if err == nil {
			compareResponse(t, input, m, whole)
		}
	})
}

// FuzzBody fuzzes what follows the head of a chunked request, and relays what is
// accepted: the relayed message must decode to the same body.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		"3\r\nabc\r\n0\r\n\r\nREST", "1;a=b\r\na\r\n0\r\nX: y\r\n\r\n", "00a\r\n0123456789\r\n0\r\n\r\n",
		"1\na\r\n0\r\n\r\n", "5\r\nab", "0\r\nHost: h\r\n\r\n", "ffffffffffffffff\r\n",
	} {
		f.Add([]byte(body), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		input := chunked(string(data))
		whole, err := decodeRequest(input, wholly)
		split, splitErr := decodeRequest(input, 1+int(step))
		compareSplit(t, whole, err, split, splitErr)
		if err != nil {
			return
		}
		compareRequest(t, input, whole)
		for _, framing := range []Framing{{Chunked: true}, {Length: int64(len(whole.Body))}} {
			again, err := decodeRequest(relayed(t, input, 1+int(step), framing), wholly)
			if err != nil || again.Body != whole.Body || again.Rest != "" {
				t.Fatalf("relayed as %+v: %+v, %v", framing, again, err)
			}
		}
	})
}

func compareSplit(t *testing.T, whole decoded, err error, split decoded, splitErr error) {
	t.Helper()
	if diff := cmp.Diff(whole, split); diff != "" {
		t.Fatalf("splitting changes the message (-whole +split):\n%s", diff)
	}
	if (err == nil) != (splitErr == nil) {
		t.Fatalf("splitting changes the verdict: %v, split %v", err, splitErr)
	}
	var refused *ProtocolError
	if err != nil && !errors.As(err, &refused) && err != io.EOF && err != io.ErrUnexpectedEOF {
		t.Fatalf("unexpected kind of error: %v", err)
	}
}

// relayed returns a message as it leaves after its body was relayed.
func relayed(t *testing.T, input string, step int, framing Framing) string {
	t.Helper()
	src, to := NewConn(newFeed(input, step), nil), newFeed("", wholly)
	dst := NewConn(to, nil)
	var r Request
	if err := src.ReadRequest(&r); err != nil {
		t.Fatal(err)
	}
	dst.WriteRequestLine(r.Method, r.Target)
	dst.WriteField([]byte("Host"), r.Host)
	dst.WriteFraming(framing)
	dst.EndHead()
	if _, err := src.Body().Relay(dst, framing); err != nil {
		t.Fatal(err)
	}
	return to.written.String()
}

// short keeps seeds small: the fuzzer finds its own long ones.
func short(s string) string { return s[:min(len(s), 2000)] }
