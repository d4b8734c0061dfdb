package http1

import (
	"io"
	"net"
	"testing"
	"time"
)

// tcpPair returns the two ends of a TCP connection on loopback.
func tcpPair(tb testing.TB) (a, b net.Conn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		tb.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	tb.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func send(tb testing.TB, c net.Conn, s string) {
	tb.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		tb.Fatal(err)
	}
}

func receive(tb testing.TB, c net.Conn, n int) string {
	tb.Helper()
	p := make([]byte, n)
	if n, err := io.ReadFull(c, p); err != nil {
		tb.Fatalf("got %q: %v", p[:n], err)
	}
	return string(p)
}

// awaitState polls until the probe sees what the peer did.
func awaitState(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !reached(); {
		if time.Now().After(deadline) {
			t.Fatal("never " + what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestExchangePassesThroughBothSides(t *testing.T) {
	client, front := tcpPair(t)
	back, upstream := tcpPair(t)
	c, up := NewConn(front, nil), NewConn(back, nil)
	var req Request
	var resp Response
	for range 3 {
		send(t, client, "POST /a?b=1 HTTP/1.1\r\nHost: h\r\nConnection: x-drop\r\nX-Drop: 1\r\nX-Keep:  v \r\nContent-Length: 5\r\n\r\nhello")
		if err := c.Await(); err != nil {
			t.Fatal(err)
		}
		if err := c.ReadRequest(&req); err != nil {
			t.Fatal(err)
		}
		up.WriteRequestLine(req.Method, req.Target)
		up.WriteField([]byte("Host"), req.Host)
		for i := range req.Fields {
			if f := &req.Fields[i]; req.Forward(f) {
				up.WriteField(f.Name, f.Value)
			}
		}
		up.WriteFraming(req.Framing)
		up.EndHead()
		if n, err := c.Body().Relay(up, req.Framing); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		want := "POST /a?b=1 HTTP/1.1\r\nHost: h\r\nX-Keep: v\r\nContent-Length: 5\r\n\r\nhello"
		if got := receive(t, upstream, len(want)); got != want {
			t.Fatalf("upstream got %q", got)
		}

		send(t, upstream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: s\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n")
		if err := up.ReadResponse(&resp, req.Method); err != nil {
			t.Fatal(err)
		}
		c.WriteStatusLine(resp.Status, resp.Reason)
		for i := range resp.Fields {
			if f := &resp.Fields[i]; resp.Forward(f) {
				c.WriteField(f.Name, f.Value)
			}
		}
		c.WriteFraming(resp.Framing)
		c.EndHead()
		if n, err := up.Body().Relay(c, resp.Framing); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		want = "HTTP/1.1 200 OK\r\nServer: s\r\nTransfer-Encoding: chunked\r\n\r\n0005\r\nabcde\r\n0\r\n\r\n"
		if got := receive(t, client, len(want)); got != want {
			t.Fatalf("client got %q", got)
		}
		if !req.KeepAlive || !resp.KeepAlive {
			t.Fatal("connections are not kept")
		}
		c.Release()
		up.Release()
		if !up.Alive() {
			t.Fatal("idle upstream connection is not alive")
		}
	}
}

func TestAliveSeesCloseAndUnexpectedBytes(t *testing.T) {
	t.Run("close", func(t *testing.T) {
		a, b := tcpPair(t)
		c := NewConn(a, nil)
		if !c.Alive() || c.Gone() {
			t.Fatal("open connection is not alive")
		}
		b.Close()
		awaitState(t, "not alive", func() bool { return !c.Alive() })
		if !c.Gone() {
			t.Fatal("closed connection is not gone")
		}
	})
	t.Run("bytes", func(t *testing.T) {
		a, b := tcpPair(t)
		c := NewConn(a, nil)
		send(t, b, "x")
		awaitState(t, "not alive", func() bool { return !c.Alive() })
		if c.Gone() {
			t.Fatal("open connection is gone")
		}
	})
}

func TestAwaitHoldsNoBuffer(t *testing.T) {
	a, b := tcpPair(t)
	c := NewConn(b, nil)
	b.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	err := c.Await()
	if e, ok := err.(net.Error); !ok || !e.Timeout() {
		t.Fatalf("got %v, want a timeout", err)
	}
	if c.in != nil {
		t.Fatal("a buffer is held")
	}
	b.SetReadDeadline(time.Now().Add(20 * time.Second))
	send(t, a, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	var r Request
	if err := c.Await(); err != nil {
		t.Fatal(err)
	}
	if err := c.ReadRequest(&r); err != nil {
		t.Fatal(err)
	}
	c.Release()
	if c.in != nil {
		t.Fatal("a buffer is held after Release")
	}
	a.Close()
	if err := c.Await(); err != io.EOF {
		t.Fatalf("got %v, want io.EOF", err)
	}
}

func TestReadGoesOnAfterTimeout(t *testing.T) {
	upstream, back := tcpPair(t)
	c := NewConn(back, nil)
	var r Response
	message := ok("Content-Length: 2", "X: y") + "ab"
	for i := range len(message) - 2 {
		back.SetReadDeadline(time.Unix(1, 0))
		err := c.ReadResponse(&r, "GET")
		if e, ok := err.(net.Error); !ok || !e.Timeout() {
			t.Fatalf("after %d bytes: got %v, want a timeout", i, err)
		}
		back.SetReadDeadline(time.Now().Add(20 * time.Second))
		send(t, upstream, message[i:i+1])
		awaitState(t, "readable", func() bool { return c.probe.peek() == peerSent })
	}
	send(t, upstream, message[len(message)-2:])
	if err := c.ReadResponse(&r, "GET"); err != nil || r.Status != 200 || string(r.Get("X")) != "y" {
		t.Fatalf("got %d, %v", r.Status, err)
	}
	if body, err := io.ReadAll(c.Body()); string(body) != "ab" || err != nil {
		t.Fatalf("got %q, %v", body, err)
	}
}

func TestRequestsMayArriveTogether(t *testing.T) {
	input := ""
	for range 500 {
		input += head("POST /first HTTP/1.1", "Host: h", "Content-Length: 3") + "abc" +
			head("POST /second HTTP/1.1", "Host: h", "Transfer-Encoding: chunked") + "2\r\nde\r\n0\r\n\r\n" + getWith()
	}
	for _, step := range []int{wholly, 1, 1000} {
		c := NewConn(newFeed(input, step), nil)
		var r Request
		for range 500 {
			for _, want := range []string{"/first abc", "/second de", "/ "} {
				if err := c.Await(); err != nil {
					t.Fatal(err)
				}
				if err := c.ReadRequest(&r); err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(c.Body())
				if got := string(r.Path) + " " + string(body); got != want || err != nil {
					t.Fatalf("in steps of %d: got %q, %v, want %q", step, got, err, want)
				}
				c.Release()
				if c.in != nil && len(c.in.bytes) > blockSmall {
					t.Fatal("small requests need a large block")
				}
			}
		}
		if err := c.Await(); err != io.EOF {
			t.Fatalf("got %v, want io.EOF", err)
		}
	}
}

func TestNothingIsReadAfterRefusal(t *testing.T) {
	c := NewConn(newFeed(getWith("X Y: a")+getWith(), wholly), nil)
	var r Request
	for range 2 {
		if got := refusal(t, c.ReadRequest(&r)); got != 400 {
			t.Errorf("got %d", got)
		}
	}
	if err := c.Await(); refusal(t, err) != 400 || c.Alive() {
		t.Error("the connection lives on")
	}
}

// TestRefusalComesBeforeTheRest sends only as much as is needed to see that a
// message is bad, and keeps the connection open.
func TestRefusalComesBeforeTheRest(t *testing.T) {
	for _, input := range []string{"\x16\x03\x01", "GET / HTTP/1.1\n", "\r\n\n", "\rG", "GET / HTTP/1.1\r\nX: y\n", " "} {
		client, front := net.Pipe()
		go io.WriteString(client, input)
		c := NewConn(front, nil)
		var r Request
		if got := refusal(t, c.ReadRequest(&r)); got != 400 {
			t.Errorf("%q: got %d", input, got)
		}
		if got := refusal(t, c.ReadRequest(&r)); got != 400 {
			t.Errorf("%q: the refusal is forgotten: got %d", input, got)
		}
		client.Close()
		front.Close()
	}
}

func TestReadAndWritePassTheCodec(t *testing.T) {
	client, front := tcpPair(t)
	c := NewConn(front, nil)
	send(t, client, getWith("Connection: Upgrade", "Upgrade: x")+"early")
	var r Request
	if err := c.ReadRequest(&r); err != nil {
		t.Fatal(err)
	}
	c.WriteStatusLine(101, nil)
	c.EndHead()
	if _, err := c.Write([]byte("raw")); err != nil {
		t.Fatal(err)
	}
	want := head("HTTP/1.1 101 Switching Protocols") + "raw"
	if got := receive(t, client, len(want)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	send(t, client, "late")
	if got := receive(t, c, len("earlylate")); got != "earlylate" {
		t.Errorf("got %q", got)
	}
}

func TestAwaitAnswerSendsFirst(t *testing.T) {
	a, b := tcpPair(t)
	c := NewConn(b, nil)
	for range 3 {
		go func() {
			if got := receive(t, a, 4); got != "ping" {
				t.Errorf("got %q", got)
			}
			send(t, a, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}()
		c.AppendString("ping")
		if err := c.AwaitAnswer(); err != nil {
			t.Fatal(err)
		}
		if c.Pending() != 0 || c.out != nil {
			t.Fatal("a buffer is held")
		}
		var r Response
		if err := c.ReadResponse(&r, "GET"); err != nil || r.Status != 200 {
			t.Fatal(r.Status, err)
		}
		c.Release()
	}
}

func TestAwaitAnswerGoesOnAfterTimeout(t *testing.T) {
	a, b := tcpPair(t)
	c := NewConn(b, nil)
	awaitState(t, "gone", func() bool {
		a.(*net.TCPConn).CloseWrite() // the runtime may have seen it before the wait, which then does not
		return c.Gone()
	})
	c.AppendString("ping")
	b.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	err := c.AwaitAnswer()
	if e, ok := err.(net.Error); ok && e.Timeout() {
		b.SetReadDeadline(time.Now().Add(20 * time.Second))
		err = c.AwaitAnswer()
	}
	if err != io.EOF {
		t.Fatalf("got %v, want io.EOF", err)
	}
	if got := receive(t, a, 4); got != "ping" {
		t.Fatalf("got %q", got)
	}
}

func TestAwaitAnswerTellsThatItCouldNotSend(t *testing.T) {
	_, b := tcpPair(t)
	c := NewConn(b, nil)
	c.AppendString("ping")
	b.(*net.TCPConn).CloseWrite()
	err := c.AwaitAnswer()
	if _, ok := err.(*WriteError); !ok {
		t.Fatalf("got %v, want a WriteError", err)
	}
}
