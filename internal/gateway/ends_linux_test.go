package gateway

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
)

// corked has all that f writes leave in one packet with the end.
func corked(t *testing.T, conn *net.TCPConn, f func()) {
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	if err := raw.Control(func(fd uintptr) {
		if err := syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK, 1); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Error(err)
	}
	f()
}

// An endpoint may end a connection behind an answer without a word in it, and
// the end has come with the answer: whoever waits for something new to happen at
// the connection never sees it.
func TestUnannouncedEndLosesNoRequest(t *testing.T) {
	var lost atomic.Int64 // requests sent behind the end
	for name, end := range map[string]func(conn *net.TCPConn){
		"closes": func(conn *net.TCPConn) { conn.Close() },
		"half-closes": func(conn *net.TCPConn) { // as a lingering close does
			conn.CloseWrite()
			if n, _ := io.Copy(io.Discard, conn); n > 0 {
				lost.Add(1)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var asked, connections atomic.Int64
			address := script(t, func(conn net.Conn, r *bufio.Reader) {
				connections.Add(1)
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				io.Copy(io.Discard, req.Body)
				asked.Add(1)
				tcp := conn.(*net.TCPConn)
				corked(t, tcp, func() {
					io.WriteString(tcp, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
					end(tcp)
				})
			})
			g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
			conn := connect(t, url)
			const each = 6
			for range each {
				conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				if res, body := conn.answer("GET"); res.StatusCode != 200 || body != "hi" {
					t.Fatalf("GET got %d %q", res.StatusCode, body)
				}
				conn.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
				if res, body := conn.answer("POST"); res.StatusCode != 200 || body != "hi" {
					t.Fatalf("POST got %d %q", res.StatusCode, body)
				}
			}
			if asked.Load() != 2*each || connections.Load() != 2*each {
				t.Errorf("the endpoint saw %d requests on %d connections", asked.Load(), connections.Load())
			}
			if e := stateOf(g, "web", address); e.Failures != 0 {
				t.Errorf("the endpoint is blamed: %+v", e)
			}
			empty(t, g)
		})
	}
	if n := lost.Load(); n > 1 {
		t.Errorf("%d requests were sent behind the end: the first did not make the gateway wary", n)
	}
}

// Whatever a connection served before, its end is seen and the connection closed.
func TestClientThatEndsIsSoonClosed(t *testing.T) {
	address := named(t, "x")
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	for name, end := range map[string]func(c *caller){
		"after an answer": func(c *caller) { c.Conn.(*net.TCPConn).CloseWrite() },
		"with a request": func(c *caller) {
			corked(t, c.Conn.(*net.TCPConn), func() {
				c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				c.Conn.(*net.TCPConn).CloseWrite()
			})
			if res, body := c.answer("GET"); res.StatusCode != 200 || body != "x" {
				t.Errorf("got %d %q", res.StatusCode, body)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := connect(t, url)
			conn.warmUp()
			end(conn)
			if rest, err := io.ReadAll(conn.r); len(rest) > 0 || err != nil {
				t.Errorf("got %q, %v", rest, err)
			}
			l := g.listeners["127.0.0.1:0"]
			eventually(t, "its session has ended", func() bool { return l.count() == 0 })
		})
	}
}
