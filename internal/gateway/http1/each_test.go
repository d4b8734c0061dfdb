package http1

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// serveEach serves c's requests within one wait until one is left over, and
// returns their targets.
func serveEach(t *testing.T, c *Conn, each func(r *Request)) (targets []string, err error) {
	t.Helper()
	var r Request
	err = c.AwaitEach(func() bool {
		if !c.ReadWhole(&r) {
			return false
		}
		targets = append(targets, string(r.Target))
		if each != nil {
			each(&r)
		}
		c.Body().Discard(1 << 20)
		c.Release()
		return true
	})
	return targets, err
}

func TestAwaitEachServesOneAfterAnother(t *testing.T) {
	client, front := tcpPair(t)
	c := NewConn(front, nil)
	answered := make(chan bool)
	go func() {
		for range 3 {
			send(t, client, "POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
			<-answered
		}
		send(t, client, strings.Repeat("GET /two HTTP/1.1\r\nHost: h\r\n\r\n", 3)) // at once
		for range 3 {
			<-answered
		}
		client.(*net.TCPConn).CloseWrite()
	}()
	targets, err := serveEach(t, c, func(r *Request) {
		if view, _ := c.Body().Peek(); r.Method == "POST" && string(view) != "hi" {
			t.Errorf("the body is %q", view)
		}
		c.AppendString("ok")
		if err := c.Flush(); err != nil {
			t.Error(err)
		}
		answered <- true
	})
	if got := strings.Join(targets, " "); got != "/one /one /one /two /two /two" || err != io.EOF {
		t.Fatalf("got %s, %v", got, err)
	}
	if c.in != nil {
		t.Fatal("a buffer is held")
	}
}

// What a read left in the kernel is no news to the runtime: nobody would be told
// of it.
func TestAwaitEachReadsOnBehindAFullBlock(t *testing.T) {
	client, front := tcpPair(t)
	c := NewConn(front, nil)
	const one = "GET / HTTP/1.1\r\nHost: h\r\nX: "
	exact := one + strings.Repeat("x", blockSmall-len(one)-4) + "\r\n\r\n"
	send(t, client, exact+exact+"GET /last HTTP/1.1\r\nHost: h\r\n\r\n")
	front.SetReadDeadline(time.Now().Add(5 * time.Second))
	targets, err := serveEach(t, c, func(r *Request) {
		if string(r.Target) == "/last" {
			client.Close()
		}
	})
	if got := strings.Join(targets, " "); got != "/ / /last" || err != io.EOF {
		t.Fatalf("got %s, %v", got, err)
	}
}

// A connection that ended along with its last request is looked at when the read
// deadline has passed.
func TestAwaitEachFindsAnEndAfterTimeout(t *testing.T) {
	client, front := tcpPair(t)
	c := NewConn(front, nil)
	front.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	send(t, client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	client.(*net.TCPConn).CloseWrite()
	targets, err := serveEach(t, c, nil)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		front.SetReadDeadline(time.Now().Add(20 * time.Second))
		err = c.Await()
	}
	if len(targets) != 1 || err != io.EOF {
		t.Fatalf("got %s, %v", targets, err)
	}
}

func TestAwaitEachLeavesTheRestToReadRequest(t *testing.T) {
	for name, left := range map[string]struct {
		input  string
		status int
	}{
		"a head in pieces":        {input: "GET /left HTTP/1.1\r\nHost: h\r\n"},
		"a body in pieces":        {input: "POST /left HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc"},
		"a body in chunks":        {input: "POST /left HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		"a change of protocols":   {input: "GET /left HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
		"an empty line before it": {input: "\r\nGET /left HTTP/1.1\r\n"},
		"no request":              {input: "GET /left\r\n\r\n", status: 400},
		"no host":                 {input: "GET /left HTTP/1.1\r\n\r\n", status: 400},
		"a head that is too long": {input: "GET /left HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", 101) + "\r\n", status: 431},
	} {
		t.Run(name, func(t *testing.T) {
			client, front := tcpPair(t)
			c := NewConn(front, nil)
			send(t, client, "GET /first HTTP/1.1\r\nHost: h\r\n\r\n"+left.input)
			if targets, err := serveEach(t, c, nil); len(targets) != 1 || err != nil {
				t.Fatal(targets, err)
			}
			if c.Buffered() == 0 {
				t.Fatal("nothing is left")
			}
			if !strings.Contains(left.input, "\r\n\r\n") {
				send(t, client, "Host: h\r\n\r\n"[strings.Count(left.input, "Host")*len("Host: h\r\n"):])
			}
			var r Request
			err := c.ReadRequest(&r)
			if left.status != 0 {
				if got := refusal(t, err); got != left.status {
					t.Fatalf("got %d", got)
				}
				return
			}
			if err != nil || string(r.Target) != "/left" {
				t.Fatalf("got %s, %v", r.Target, err)
			}
		})
	}
}

func TestReadWhileServingFails(t *testing.T) {
	client, front := tcpPair(t)
	c := NewConn(front, nil)
	send(t, client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	var r Request
	var read error
	if err := c.AwaitEach(func() bool {
		c.ReadWhole(&r)
		c.Release()
		read = c.ReadRequest(&r)
		return false
	}); err != nil {
		t.Fatal(err)
	}
	if read != errHeld {
		t.Fatalf("got %v", read)
	}
}
