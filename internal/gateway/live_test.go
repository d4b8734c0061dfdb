package gateway

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestEventStreamIsNotRepeatedOnceItHasBegun: events that a client has seen must
// not come twice, and those that it missed are its own to ask for.
func TestEventStreamIsNotRepeatedOnceItHasBegun(t *testing.T) {
	var streams atomic.Int32
	release := make(chan struct{})
	events := func(w http.ResponseWriter, r *http.Request) {
		streams.Add(1)
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: one\n\n")
		w.(http.Flusher).Flush()
		<-release
		panic(http.ErrAbortHandler) // the endpoint dies
	}
	n := new(notes)
	_, url := startObserved(t, oneService(ServiceConfig{Endpoints: Addresses(origin(t, events), origin(t, events))}), n)
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	if line, err := r.ReadString('\n'); line != "data: one\n" || err != nil { // before the endpoint writes more
		t.Fatalf("got %q, %v", line, err)
	}
	close(release)
	if rest, err := io.ReadAll(r); err == nil || strings.Contains(string(rest), "one") {
		t.Errorf("the broken stream goes on with %q, %v", rest, err)
	}
	if got := n.last(t, 1); got.Reason != ReasonBrokenOff || got.Tries != 1 || streams.Load() != 1 {
		t.Errorf("got %+v of %d streams", got, streams.Load())
	}
}

// TestUpgradedConnectionsGoOnInADrainUntilItsEnd: what they carry is unknown, so
// that nobody can tell them to come again.
func TestUpgradedConnectionsGoOnInADrainUntilItsEnd(t *testing.T) {
	address := script(t, func(conn net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(conn, r)
	})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", DrainTimeout: 2 * time.Second}}
	g, url := start(t, c)
	var conns []*caller
	for range 2 {
		conn := connect(t, url)
		conn.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		if res, err := http.ReadResponse(conn.r, nil); err != nil || res.StatusCode != 101 {
			t.Fatal(res, err)
		}
		conns = append(conns, conn)
	}
	l := sole(g)
	drained := make(chan struct{})
	go func() { defer close(drained); l.drain() }()
	eventually(t, "the listener drains", l.ending.Load)
	for _, conn := range conns {
		if got := conn.says("still here"); got != "still here" {
			t.Errorf("in the drain: %q", got)
		}
	}
	conns[0].Close()
	<-drained
	if b, err := conns[1].r.ReadByte(); err == nil || expired(err) {
		t.Errorf("after the drain: %q, %v", b, err)
	}
	empty(t, g)
}
