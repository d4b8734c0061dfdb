package gateway

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestFullListenerClosesTheLongestIdle, and none that serves a request.
func TestFullListenerClosesTheLongestIdle(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "page"))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", ConnectionsMax: 3, IdleTimeout: time.Hour}}
	g, url := start(t, c)
	var kept []*caller
	for range 3 {
		conn := connect(t, url)
		conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		conn.answer("GET")
		kept = append(kept, conn)
	}
	for range 5 { // each takes the room of the one before, but for the first
		conn := connect(t, url)
		conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if res, _ := conn.answer("GET"); res.StatusCode != 200 {
			t.Fatalf("got %d", res.StatusCode)
		}
		if n := g.Status().Listeners[0].Connections; n > 3 {
			t.Errorf("%d connections are open", n)
		}
	}
	for i, conn := range kept {
		if _, err := conn.r.ReadByte(); err != io.EOF {
			t.Errorf("connection %d, idle for the longest, was not closed: %v", i, err)
		}
	}
}

// TestFullListenerWaitsForRequestsToEnd, and lets the next in once one has.
func TestFullListenerWaitsForRequestsToEnd(t *testing.T) {
	c, begun, next := crowded(t)
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", ConnectionsMax: 1, IdleTimeout: time.Hour}}
	_, url := start(t, c)
	busy := connect(t, url)
	busy.send("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n")
	<-begun
	waiting := connect(t, url)
	waiting.send("GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n")
	select {
	case name := <-begun:
		t.Fatalf("%s is served beyond the limit", name)
	case <-time.After(50 * time.Millisecond):
	}
	next <- struct{}{}
	if res, _ := busy.answer("GET"); res.StatusCode != 200 {
		t.Errorf("the one that was served got %d", res.StatusCode)
	}
	<-begun // the other's, although the first client keeps its connection
	next <- struct{}{}
	if res, _ := waiting.answer("GET"); res.StatusCode != 200 {
		t.Errorf("the one that waited got %d", res.StatusCode)
	}
}

func TestClientHasSoManyConnectionsAtMost(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "page"))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", ConnectionsPerClientMax: 2}}
	g, url := start(t, c)
	first := connect(t, url)
	connect(t, url)
	eventually(t, "both are there", func() bool { return g.Status().Listeners[0].Connections == 2 })
	wantReset(t, url) // one too many
	first.Close()
	eventually(t, "one has gone", func() bool { return g.Status().Listeners[0].Connections == 1 })
	again := connect(t, url)
	again.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if res, _ := again.answer("GET"); res.StatusCode != 200 {
		t.Errorf("with room again: %d", res.StatusCode)
	}
}

func TestClientOfIPv6IsItsNetwork(t *testing.T) {
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:1")
	if hostOf(a) != hostOf(b) || hostOf(a) == hostOf(netip.MustParseAddr("2001:db8:0:1::1")) {
		t.Error("a /64 is not one client")
	}
	if hostOf(netip.MustParseAddr("10.0.0.1")) == hostOf(netip.MustParseAddr("10.0.0.2")) {
		t.Error("two addresses of IPv4 are one client")
	}
}

// TestFullListenerClosesIdleConnectionsOfStreams fills a listener with
// connections of HTTP/2 that have nothing to ask any more.
func TestFullListenerClosesIdleConnectionsOfStreams(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "page"))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", ConnectionsMax: 3, IdleTimeout: time.Hour}}
	g, url := start(t, c)
	for i := range 10 {
		if res, body := do(t, http2Client(t, nil), "GET", url, ""); res.StatusCode != 200 || body != "page" {
			t.Fatalf("connection %d: got %d %q", i, res.StatusCode, body)
		}
	}
	conn := connect(t, url)
	conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if res, _ := conn.answer("GET"); res.StatusCode != 200 {
		t.Errorf("a client of HTTP/1.1 got %d", res.StatusCode)
	}
	if n := g.Status().Listeners[0].Connections; n > 3 {
		t.Errorf("%d connections are open", n)
	}
}

// TestFullListenerLeavesNewConnectionsOfStreamsAlone: one that is about to ask
// for the first time has not been idle for the longest.
func TestFullListenerLeavesNewConnectionsOfStreamsAlone(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "page"))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", ConnectionsMax: 2, IdleTimeout: time.Hour}}
	g, url := start(t, c)
	do(t, http2Client(t, nil), "GET", url, "")
	fresh := connect(t, url)
	fresh.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00") // and no settings
	if _, err := fresh.r.ReadByte(); err != nil {
		t.Fatal(err) // of the server's settings
	}
	other := connect(t, url)
	other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if res, _ := other.answer("GET"); res.StatusCode != 200 {
		t.Fatalf("got %d", res.StatusCode)
	}
	fresh.send("\x00\x00\x08\x06\x00\x00\x00\x00\x00pingpong")
	answer := make([]byte, 0, 256)
	for !strings.Contains(string(answer), "pingpong") {
		b, err := fresh.r.ReadByte()
		if err != nil {
			t.Fatalf("the new connection was closed: %v", err)
		}
		answer = append(answer, b)
	}
	if n := g.Status().Listeners[0].Connections; n > 2 {
		t.Errorf("%d connections are open", n)
	}
}

// TestFullListenerClosesIdleConnectionsOfHTTP3 does so over UDP, where what is
// too much is refused: clients of TCP take the room.
func TestFullListenerClosesIdleConnectionsOfHTTP3(t *testing.T) {
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(named(t, "page"))})
	c.Listeners[0].ConnectionsMax = 2
	_, _, at := startTLS(t, c)
	for range 2 {
		do(t, http3Client(t, trust), "GET", "https://"+at, "")
	}
	if res, body := do(t, http2Client(t, trust), "GET", "https://"+at, ""); res.StatusCode != 200 || body != "page" {
		t.Errorf("got %d %q", res.StatusCode, body)
	}
}
