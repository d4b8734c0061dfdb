package http1

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestWriteFieldStringKeepsToItsLine(t *testing.T) {
	to := newFeed("", 1)
	c := NewConn(to, nil)
	c.WriteFieldString("X", "a\r\nInjected: b\x00\tc\x7f")
	c.WriteFieldString("Y", "plain")
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, want := to.written.String(), "X: a  Injected: b \tc \r\nY: plain\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriterGathersAndSpills(t *testing.T) {
	for _, size := range []int{0, 1, 4000, 4096, 8192, 32000, 32768, 32769, 100000} {
		to := newFeed("", 1)
		c := NewConn(to, nil)
		value := pattern(size)
		c.WriteField([]byte("Name"), []byte(value))
		c.AppendInt(-1234567890123456789)
		c.AppendByte('!')
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		if got, want := to.written.String(), "Name: "+value+"\r\n-1234567890123456789!"; got != want {
			t.Errorf("value of %d bytes: message differs", size)
		}
		if limit := 1 + (size+30)/blockLarge; to.writes > limit {
			t.Errorf("value of %d bytes: %d writes, want at most %d", size, to.writes, limit)
		}
	}
}

// TestWriteBodyFramesAnyPieces writes a chunked body in pieces of each size and
// has it read back.
func TestWriteBodyFramesAnyPieces(t *testing.T) {
	body := pattern(150000)
	for _, size := range []int{1, 7, 4095, 4096, 8191, 8192, 32763, 32768, 32769, 150000} {
		to := newFeed("", 1)
		c := NewConn(to, nil)
		for p := []byte(body); len(p) > 0; {
			n := min(size, len(p))
			c.WriteBody(p[:n], Framing{Chunked: true})
			p = p[n:]
		}
		c.EndBody(Framing{Chunked: true})
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		d, err := decodeRequest(chunked(to.written.String()), wholly)
		if err != nil || d.Body != body || d.Rest != "" {
			t.Errorf("pieces of %d bytes: body differs, or %v", size, err)
		}
	}
}

type failing struct{ *feed }

func (f failing) Write(p []byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriterKeepsItsError(t *testing.T) {
	c := NewConn(failing{newFeed("", 1)}, nil)
	c.WriteBody(make([]byte, 100000), Framing{Chunked: true})
	c.AppendString("more")
	for range 2 {
		if err := c.Flush(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v, want the first error", err)
		}
	}
	if c.Pending() != 0 {
		t.Errorf("%d bytes pending after an error", c.Pending())
	}
}

func TestWriteStatusLineAndDate(t *testing.T) {
	to := newFeed("", 1)
	c := NewConn(to, nil)
	c.WriteStatusLine(404, nil)
	c.WriteStatusLine(299, nil)
	c.WriteStatusLine(200, []byte("Fine"))
	c.WriteDate(time.Date(1994, 11, 6, 8, 49, 37, 0, time.FixedZone("", 3600)))
	c.WriteDate(time.Date(1994, 11, 6, 8, 49, 38, 0, time.UTC))
	c.WriteFraming(Framing{})
	c.WriteFraming(Framing{UntilClose: true})
	c.EndHead()
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"HTTP/1.1 404 Not Found", "HTTP/1.1 299 ", "HTTP/1.1 200 Fine",
		"Date: Sun, 06 Nov 1994 07:49:37 GMT", "Date: Sun, 06 Nov 1994 08:49:38 GMT", "Content-Length: 0", "", "",
	}, "\r\n")
	if got := to.written.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
