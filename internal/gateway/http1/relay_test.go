package http1

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// relay reads a request from input and relays its body, after a short head.
func relay(t *testing.T, input string, step int, f Framing) (to *feed, n int64, err error) {
	t.Helper()
	src := NewConn(newFeed(input, step), nil)
	var r Request
	if err := src.ReadRequest(&r); err != nil {
		t.Fatal(err)
	}
	to = newFeed("", wholly)
	dst := NewConn(to, nil)
	dst.AppendString("HEAD\r\n\r\n")
	n, err = src.Body().Relay(dst, f)
	return to, n, err
}

func TestRelaySendsHeadAndBodyInOneWrite(t *testing.T) {
	for _, test := range []struct {
		name  string
		input string
		f     Framing
		want  string
	}{
		{"length", getWith("Content-Length: 5") + "abcde", Framing{Length: 5}, "abcde"},
		{"nothing", getWith(), Framing{}, ""},
		{"chunks to one chunk", chunked("2\r\nab\r\n3;x\r\ncde\r\n0\r\nX: y\r\n\r\n"), Framing{Chunked: true}, "0005\r\nabcde\r\n0\r\n\r\n"},
		{"chunks to length", chunked("2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"), Framing{Length: 5}, "abcde"},
		{"length to chunks", getWith("Content-Length: 5") + "abcde", Framing{Chunked: true}, "0005\r\nabcde\r\n0\r\n\r\n"},
		{"chunks until close", chunked("2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"), Framing{UntilClose: true}, "abcde"},
		{"no chunks", chunked("0\r\n\r\n"), Framing{Chunked: true}, "0\r\n\r\n"},
		{"body of a block", getWith("Content-Length: 3900") + strings.Repeat("a", 3900), Framing{Length: 3900}, strings.Repeat("a", 3900)},
	} {
		t.Run(test.name, func(t *testing.T) {
			to, n, err := relay(t, test.input, wholly, test.f)
			if err != nil {
				t.Fatal(err)
			}
			if got := to.written.String(); got != "HEAD\r\n\r\n"+test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if want := strings.Count(test.want, "a") + len("bcde"); test.want != "" && strings.HasSuffix(test.want, "e") && int(n) != want {
				t.Errorf("counted %d bytes, want %d", n, want)
			}
			if to.writes != 1 {
				t.Errorf("%d writes, want 1", to.writes)
			}
		})
	}
}

func TestRelayKeepsLargeBodies(t *testing.T) {
	body := pattern(1 << 20)
	for name, input := range map[string]string{
		"length":     getWith("Content-Length: 1048576") + body,
		"one chunk":  chunked("100000\r\n" + body + "\r\n0\r\n\r\n"),
		"big chunks": chunked(inChunks(body, 20000) + "0\r\n\r\n"),
		"odd chunks": chunked(inChunks(body, 4097) + "0\r\n\r\n"),
	} {
		for _, f := range []Framing{{Length: 1 << 20}, {Chunked: true}, {UntilClose: true}} {
			for _, step := range []int{wholly, 1447} {
				to, n, err := relay(t, input, step, f)
				if err != nil || n != 1<<20 {
					t.Fatalf("%s to %+v: %d, %v", name, f, n, err)
				}
				got := strings.TrimPrefix(to.written.String(), "HEAD\r\n\r\n")
				if f.Chunked {
					d, err := decodeRequest(chunked(got), wholly)
					if err != nil {
						t.Fatalf("%s to chunks: %v", name, err)
					}
					got = d.Body
				}
				if got != body {
					t.Fatalf("%s to %+v in steps of %d: body differs", name, f, step)
				}
			}
		}
	}
}

// pattern returns bytes that show when some are lost or moved.
func pattern(n int) string {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return string(p)
}

func inChunks(body string, size int) string {
	var s strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		c := NewConn(newFeed("", 1), nil)
		c.appendHex(n)
		s.Write(c.out.bytes[:c.n])
		s.WriteString("\r\n" + body[:n] + "\r\n")
		body = body[n:]
	}
	return s.String()
}

// TestRelayFlushesBeforeItWaits is what server-sent events need: each piece must
// arrive although the body goes on.
func TestRelayFlushesBeforeItWaits(t *testing.T) {
	for name, connect := range map[string]func(testing.TB) (net.Conn, net.Conn){"TCP": tcpPair, "no socket": pipePair} {
		t.Run(name, func(t *testing.T) {
			upstream, back := connect(t)
			front, client := connect(t)
			src, dst := NewConn(back, nil), NewConn(front, nil)
			done := make(chan error, 1)
			go func() {
				var r Response
				if err := src.ReadResponse(&r, "GET"); err != nil {
					done <- err
					return
				}
				dst.AppendString("HEAD\r\n\r\n")
				_, err := src.Body().Relay(dst, r.Framing)
				done <- err
			}()
			send(t, upstream, ok("Transfer-Encoding: chunked"))
			if got := receive(t, client, 8); got != "HEAD\r\n\r\n" {
				t.Fatalf("got %q", got)
			}
			for range 3 {
				send(t, upstream, "7\r\nevent\n\n\r\n")
				if got, want := receive(t, client, 15), "0007\r\nevent\n\n\r\n"; got != want {
					t.Fatalf("got %q, want %q", got, want)
				}
			}
			send(t, upstream, "0\r\n\r\n")
			if got, want := receive(t, client, 5), "0\r\n\r\n"; got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		})
	}
}

func pipePair(tb testing.TB) (a, b net.Conn) {
	a, b = net.Pipe()
	tb.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestRelayTellsWhichSideFailed(t *testing.T) {
	var readErr *ReadError
	var writeErr *WriteError

	to, n, err := relay(t, getWith("Content-Length: 5")+"abc", wholly, Framing{Length: 5})
	if !errors.As(err, &readErr) || !errors.Is(err, io.ErrUnexpectedEOF) || n != 3 {
		t.Errorf("truncated: got %d, %v", n, err)
	}
	if got := to.written.String(); got != "HEAD\r\n\r\nabc" {
		t.Errorf("truncated: what came was not passed on: %q", got)
	}

	_, _, err = relay(t, chunked("3\r\nabc\r\nx"), wholly, Framing{Chunked: true})
	var refused *ProtocolError
	if !errors.As(err, &readErr) || !errors.As(err, &refused) {
		t.Errorf("bad chunk: got %v", err)
	}

	for _, length := range []int64{2, 4} {
		to, n, err := relay(t, chunked("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), wholly, Framing{Length: length})
		if !errors.As(err, &writeErr) || n > length || to.written.Len() > len("HEAD\r\n\r\n")+int(length) {
			t.Errorf("body of 3 bytes announced as %d: got %d, %v, wrote %q", length, n, err, to.written.String())
		}
	}

	a, b := tcpPair(t)
	dst := NewConn(a, nil)
	b.Close()
	a.Close()
	src := NewConn(newFeed(getWith("Content-Length: 5")+"abcde", wholly), nil)
	var r Request
	if err := src.ReadRequest(&r); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Body().Relay(dst, r.Framing); !errors.As(err, &writeErr) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed receiver: got %v", err)
	}
}

func TestRelayBlamesTheSideThatStalls(t *testing.T) {
	t.Run("sender", func(t *testing.T) {
		client, front := tcpPair(t)
		src, dst := NewConn(front, nil), NewConn(newFeed("", 1), nil)
		send(t, client, getWith("Content-Length: 5")+"ab")
		var r Request
		if err := src.ReadRequest(&r); err != nil {
			t.Fatal(err)
		}
		src.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := src.Body().Relay(dst, r.Framing)
		var readErr *ReadError
		var timeout net.Error
		if !errors.As(err, &readErr) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("got %v, want a timeout of the read", err)
		}
	})
	t.Run("receiver", func(t *testing.T) {
		a, _ := tcpPair(t)
		src, dst := NewConn(newFeed(getWith("Content-Length: 1000000000")+strings.Repeat("a", 16<<20), wholly), nil), NewConn(a, nil)
		dst.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		var r Request
		if err := src.ReadRequest(&r); err != nil {
			t.Fatal(err)
		}
		_, err := src.Body().Relay(dst, r.Framing)
		var writeErr *WriteError
		var timeout net.Error
		if !errors.As(err, &writeErr) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("got %v, want a timeout of the write", err)
		}
	})
}

// A restless connection sets its own deadline before each read, as a gateway's
// may, and leaves it behind.
type restless struct{ *net.TCPConn }

func (r restless) Transparent() {}

func (r restless) Read(p []byte) (int, error) {
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	return r.TCPConn.Read(p)
}

// TestRelayForgivesPassedDeadline is what a receiver does that took longer than
// the sender may be silent: the deadline of the last read is behind us, and the
// sender not to blame.
func TestRelayForgivesPassedDeadline(t *testing.T) {
	client, front := tcpPair(t)
	src, dst := NewConn(restless{front.(*net.TCPConn)}, nil), NewConn(newFeed("", 1), nil)
	send(t, client, getWith("Content-Length: 5")+"ab")
	var r Request
	if err := src.ReadRequest(&r); err != nil {
		t.Fatal(err)
	}
	src.SetReadDeadline(time.Unix(1, 0))
	send(t, client, "cde")
	if n, err := src.Body().Relay(dst, r.Framing); n != 5 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

// TestHeadOutlivesItsBody reads a body that needs several blocks, and then looks
// at the head's views.
func TestHeadOutlivesItsBody(t *testing.T) {
	for _, fieldBytes := range []int{10, 3000, 20000, 32000} {
		value := strings.Repeat("0123456789", fieldBytes/10)
		c := NewConn(newFeed(getWith("Content-Length: 200000", "X: "+value)+strings.Repeat("-", 200000), 5000), nil)
		var r Request
		if err := c.ReadRequest(&r); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c.Body()); err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{blockSmall, blockSmall, blockLarge, blockLarge} {
			clear(newBlock(size).bytes) // overwrites what was given back too early
		}
		if string(r.Get("x")) != value || string(r.Path) != "/" || string(r.Host) != "h" {
			t.Errorf("field of %d bytes: views changed while the body was read", fieldBytes)
		}
		c.Release()
		if c.in != nil || c.head != nil || c.out != nil {
			t.Error("a buffer is held after Release")
		}
	}
}

func TestDiscard(t *testing.T) {
	for _, test := range []struct {
		name  string
		input string
		limit int64
		want  error
	}{
		{"within the limit", getWith("Content-Length: 5") + "abcde", 5, nil},
		{"announced beyond it", getWith("Content-Length: 6") + "abcde", 5, ErrTooLong},
		{"chunks within it", chunked("5\r\nabcde\r\n0\r\n\r\n"), 5, nil},
		{"chunks beyond it", chunked("5\r\nabcde\r\n1\r\nf\r\n0\r\n\r\n"), 5, ErrTooLong},
		{"no body", getWith(), 0, nil},
		{"truncated", getWith("Content-Length: 5") + "abc", 5, io.ErrUnexpectedEOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewConn(newFeed(test.input, 1), nil)
			var r Request
			if err := c.ReadRequest(&r); err != nil {
				t.Fatal(err)
			}
			if err := c.Body().Discard(test.limit); err != test.want {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if c.Body().Done() != (test.want == nil) {
				t.Errorf("Done is %v", c.Body().Done())
			}
			if err := c.ReadRequest(&r); test.want == ErrTooLong && err != ErrUnread {
				t.Errorf("next message: got %v, want ErrUnread", err)
			}
		})
	}
}

// TestRelayOfTrickledBytes sends a message a byte at a time over a socket, where
// most reads find nothing at first.
func TestRelayOfTrickledBytes(t *testing.T) {
	body := pattern(3000)
	upstream, back := tcpPair(t)
	front, client := tcpPair(t)
	src, dst := NewConn(back, nil), NewConn(front, nil)
	go func() {
		message := ok("Transfer-Encoding: chunked", "Connection: close") + inChunks(body, 100) + "0\r\nX: y\r\n\r\n"
		for i := range len(message) {
			if _, err := io.WriteString(upstream, message[i:i+1]); err != nil {
				return // the test has failed elsewhere
			}
		}
	}()
	done := make(chan error, 1)
	go func() {
		defer front.Close()
		var r Response
		if err := src.ReadResponse(&r, "GET"); err != nil {
			done <- err
			return
		}
		_, err := src.Body().Relay(dst, r.Framing)
		done <- err
	}()
	got, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	d, err := decodeRequest(chunked(string(got)), wholly)
	if err != nil || d.Body != body || d.Rest != "" {
		t.Errorf("body differs, or %v", err)
	}
}
