package http1

import (
	"net"
	"strings"
	"testing"
)

const browserRequest = "GET /api/v1/items?page=2&sort=name HTTP/1.1\r\n" +
	"Host: shop.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\n" +
	"Connection: keep-alive\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n" +
	"X-Request-Id: 7b7f0e9c-6a4e-4e39-8f0b-0d8c8f5d1d2a\r\n\r\n"

var serverResponse = "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" +
	"Content-Type: application/json\r\nContent-Length: 1024\r\nConnection: keep-alive\r\nETag: \"5f3c\"\r\n\r\n" +
	strings.Repeat("x", 1024)

// A loop is a connection whose peer sends one message over and over, no two of
// them in one read, and takes whatever is written.
type loop struct {
	net.Conn
	message string
	at      int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.message[l.at:])
	l.at = (l.at + n) % len(l.message)
	return n, nil
}

func (l *loop) Write(p []byte) (int, error) { return len(p), nil }

// An exchange is a gateway's work on one request, policies aside.
type exchange struct {
	front, back *Conn
	req         Request
	resp        Response
}

func (x *exchange) do(tb testing.TB) {
	if err := x.front.Await(); err != nil {
		tb.Fatal(err)
	}
	if err := x.front.ReadRequest(&x.req); err != nil {
		tb.Fatal(err)
	}
	x.back.WriteRequestLine(x.req.Method, x.req.Target)
	x.back.AppendString("Host: ")
	x.back.AppendBytes(x.req.Host)
	x.back.AppendString(crlf)
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; x.req.Forward(f) {
			x.back.WriteField(f.Name, f.Value)
		}
	}
	x.back.EndHead()
	if _, err := x.front.Body().Relay(x.back, x.req.Framing); err != nil {
		tb.Fatal(err)
	}
	if err := x.back.ReadResponse(&x.resp, x.req.Method); err != nil {
		tb.Fatal(err)
	}
	x.front.WriteStatusLine(x.resp.Status, x.resp.Reason)
	for i := range x.resp.Fields {
		if f := &x.resp.Fields[i]; x.resp.Forward(f) {
			x.front.WriteField(f.Name, f.Value)
		}
	}
	x.front.WriteFraming(x.resp.Framing)
	x.front.EndHead()
	if _, err := x.back.Body().Relay(x.front, x.resp.Framing); err != nil {
		tb.Fatal(err)
	}
	x.back.Release()
	x.front.Release()
}

func newLoops() *exchange {
	return &exchange{front: NewConn(&loop{message: browserRequest}, nil), back: NewConn(&loop{message: serverResponse}, nil)}
}

func TestKeptAliveExchangeAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools")
	}
	memory := newLoops()
	if n := testing.AllocsPerRun(1000, func() { memory.do(t) }); n != 0 {
		t.Errorf("in memory: %v allocations an exchange", n)
	}
	sockets := newSockets(t)
	if n := testing.AllocsPerRun(1000, func() { sockets.do(t) }); n != 0 {
		t.Errorf("over sockets: %v allocations an exchange", n)
	}
}

// newSockets returns an exchange over TCP, with a client that sends the next
// request after each response, and an upstream that answers.
func newSockets(tb testing.TB) *exchange {
	client, front := tcpPair(tb)
	back, upstream := tcpPair(tb)
	go echo(client, browserRequest, true)
	go echo(upstream, serverResponse, false)
	return &exchange{front: NewConn(front, nil), back: NewConn(back, nil)}
}

// echo answers every read with the message; a client speaks first.
func echo(c net.Conn, message string, client bool) {
	p, answer := make([]byte, 8<<10), []byte(message)
	for {
		if client {
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
		if _, err := c.Read(p); err != nil {
			return
		}
		if !client {
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	for name, x := range map[string]*exchange{"memory": newLoops(), "sockets": newSockets(b)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.do(b)
			}
		})
	}
}

func BenchmarkReadRequest(b *testing.B) {
	c := NewConn(&loop{message: browserRequest}, nil)
	var r Request
	b.ReportAllocs()
	b.SetBytes(int64(len(browserRequest)))
	for b.Loop() {
		if err := c.ReadRequest(&r); err != nil {
			b.Fatal(err)
		}
		c.Release()
	}
}

func BenchmarkRelay(b *testing.B) {
	for name, input := range map[string]string{
		"length":      getWith("Content-Length: 1048576") + strings.Repeat("x", 1<<20),
		"tiny chunks": chunked(strings.Repeat("1\r\nx\r\n", 1<<15) + "0\r\n\r\n"),
	} {
		b.Run(name, func(b *testing.B) {
			dst := NewConn(&loop{}, nil)
			var r Request
			b.ReportAllocs()
			b.SetBytes(int64(len(input)))
			for b.Loop() {
				src := NewConn(newFeed(input, wholly), nil)
				if err := src.ReadRequest(&r); err != nil {
					b.Fatal(err)
				}
				if _, err := src.Body().Relay(dst, r.Framing); err != nil {
					b.Fatal(err)
				}
				src.Release()
				dst.Release()
			}
		})
	}
}
