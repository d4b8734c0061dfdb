package gateway

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestDrippedHeadIsEnded: a byte now and then does not buy more time.
func TestDrippedHeadIsEnded(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "x"))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", HeaderTimeout: 200 * time.Millisecond}}
	g, url := start(t, c)
	conn := connect(t, url)
	conn.send("GET / HTTP/1.1\r\nHost: a\r\nX: ")
	for range 2000 { // 20 s
		if _, err := io.WriteString(conn, "x"); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	answer, err := io.ReadAll(conn.r)
	if expired(err) || len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		t.Errorf("got %q, %v", answer, err)
	}
	eventually(t, "the connection is gone", func() bool { return g.Status().Listeners[0].Connections == 0 })
	if status, _ := get(t, url); status != 200 {
		t.Errorf("the next request got %d", status)
	}
}

// TestUnfinishedHeadsTakeBoundedMemory holds many connections in the middle of a
// head, which is when they have the most of Afloat's memory without a request.
func TestUnfinishedHeadsTakeBoundedMemory(t *testing.T) {
	const clients, headerBytes = 200, 8 << 10
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "x"))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", HeaderBytes: headerBytes}}
	g, url := start(t, c)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range clients {
		conn := connect(t, url)
		conn.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", headerBytes-64))
	}
	eventually(t, "all are connected", func() bool { return g.Status().Listeners[0].Connections == clients })
	for range clients { // more than the limit is not read
		conn := connect(t, url)
		conn.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 2*headerBytes))
		if res, err := http.ReadResponse(conn.r, nil); err != nil || res.StatusCode != 431 {
			t.Fatalf("got %v, %v", res, err)
		}
		conn.Close()
	}
	// What a client has at most: a buffer that doubles up to the limit, and the
	// session. This test's own ends of the connections count as well.
	const most = 2*headerBytes + 32<<10
	if grown := int64(heap()) - int64(before); grown > clients*most {
		t.Errorf("%d clients take %d KiB each, want at most %d", clients, grown/clients>>10, most>>10)
	} else {
		t.Logf("%d KiB a client", grown/clients>>10)
	}
}

// TestDrippedBodiesLeaveTheServiceToOthers: a short body is collected before an
// endpoint is asked.
func TestDrippedBodiesLeaveTheServiceToOthers(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", StallTimeout: 300 * time.Millisecond}}
	g, url := start(t, c)
	var slow []net.Conn
	for range 50 {
		conn := connect(t, url)
		conn.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
		slow = append(slow, conn)
	}
	eventually(t, "all are connected", func() bool { return g.Status().Listeners[0].Connections == 50 })
	if n := g.Status().Services[0].InFlight; n > 0 {
		t.Errorf("%d hold a place of the service", n)
	}
	if status, _ := get(t, url); status != 200 {
		t.Errorf("another client got %d", status)
	}
	for _, conn := range slow { // and they stall
		answer := make([]byte, 12)
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 408" {
			t.Fatalf("got %q, %v", answer, err)
		}
	}
}
