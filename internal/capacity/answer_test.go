package capacity

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	const next = "HTTP/1.1 299 Next\r\n"
	tests := []struct {
		name   string
		head   bool
		input  string
		status int
		keep   bool
		err    error
	}{
		{"length", false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, true, nil},
		{"no reason", false, "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", 200, true, nil},
		{"bare line feeds", false, "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, true, nil},
		{"chunked", false, "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n", 500, true, nil},
		{"asked to close", false, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 200, false, nil},
		{"HTTP/1.0", false, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, false, nil},
		{"no content", false, "HTTP/1.1 204 No Content\r\n\r\n", 204, true, nil},
		{"not modified", false, "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, true, nil},
		{"answer to HEAD", true, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", 200, true, nil},
		{"interim first", false, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, true, nil},
		{"empty", false, "", 0, false, io.EOF},
		{"cut in the status line", false, "HTTP/1.1 2", 0, false, io.ErrUnexpectedEOF},
		{"cut in the head", false, "HTTP/1.1 200 OK\r\nA: b\r\n", 0, false, io.ErrUnexpectedEOF},
		{"cut in the body", false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 0, false, io.ErrUnexpectedEOF},
		{"cut in a chunk", false, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 0, false, io.ErrUnexpectedEOF},
		{"not HTTP", false, "SSH-2.0-OpenSSH_9.9 Debian\r\n", 0, false, errAnswer},
		{"status that is no number", false, "HTTP/1.1 2x0 OK\r\n\r\n", 0, false, errAnswer},
		{"length that is no number", false, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, false, errAnswer},
		{"bad chunk size", false, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n", 0, false, errAnswer},
		{"chunk too long", false, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n", 0, false, errAnswer},
		{"header without colon", false, "HTTP/1.1 200 OK\r\nwhat\r\n\r\n", 0, false, errAnswer},
		{"endless header", false, "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 2*readBuffer), 0, false, errAnswer},
		{"endless headers", false, "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 2*headersMax), 0, false, errAnswer},
		{"endless interim", false, strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 2*informMax), 0, false, errAnswer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			input := test.input
			if test.keep {
				input += next // must be left alone
			}
			r := bufio.NewReaderSize(strings.NewReader(input), readBuffer)
			status, keep, err := readAnswer(r, test.head)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if test.err != nil {
				return
			}
			if status != test.status || keep != test.keep {
				t.Errorf("status %d, keep %v; want %d, %v", status, keep, test.status, test.keep)
			}
			if rest, _ := io.ReadAll(r); test.keep && string(rest) != next {
				t.Errorf("rest %q, want %q", rest, next)
			}
		})
	}
}

func TestReadAnswerUntilClose(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\n\r\nas long as it lasts"))
	status, keep, err := readAnswer(r, false)
	if status != 200 || keep || err != nil {
		t.Errorf("readAnswer = %d, %v, %v", status, keep, err)
	}
}

func TestReadAnswerAllocatesNothing(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
	source := strings.NewReader(answer)
	r := bufio.NewReader(source)
	if n := testing.AllocsPerRun(100, func() {
		source.Reset(answer)
		r.Reset(source)
		if _, _, err := readAnswer(r, false); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations an answer", n)
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), false)
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 304 x\n\n"), true)
	f.Fuzz(func(t *testing.T, input []byte, head bool) {
		status, keep, err := readAnswer(bufio.NewReaderSize(strings.NewReader(string(input)), 64), head)
		if err == nil && (status < 200 || status > 999) {
			t.Errorf("status %d without error", status)
		}
		if err != nil && status == 0 && keep {
			t.Errorf("connection kept after %v", err)
		}
	})
}
