package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// warmUp sends the requests after which a connection serves within its wait.
func (c *caller) warmUp() {
	c.t.Helper()
	for range 2 {
		c.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
		if res, _ := c.answer("GET"); res.StatusCode != 200 {
			c.t.Fatalf("got %d", res.StatusCode)
		}
	}
}

func TestDrainTimeoutCutsALaterRequest(t *testing.T) {
	for name, serve := range map[string]func(w http.ResponseWriter, r *http.Request, hold chan struct{}){
		"no answer":     func(_ http.ResponseWriter, _ *http.Request, hold chan struct{}) { <-hold },
		"a silent body": func(w http.ResponseWriter, _ *http.Request, hold chan struct{}) { w.(http.Flusher).Flush(); <-hold },
		"an endless body": func(w http.ResponseWriter, r *http.Request, _ chan struct{}) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 8<<10)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var later atomic.Bool
			began, hold := make(chan struct{}), make(chan struct{})
			defer close(hold)
			address := origin(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/later" {
					if !later.Swap(true) {
						close(began)
					}
					serve(w, r, hold)
				}
			})
			g := New(Options{})
			c := oneService(ServiceConfig{Endpoints: Addresses(address)})
			c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", DrainTimeout: 100 * time.Millisecond}}
			if err := g.Apply(c); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan struct{})
			go func() { defer close(ended); g.Serve(ctx) }()
			conn := connect(t, g.Addresses()[0])
			conn.warmUp()
			conn.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
			<-began
			read := make(chan struct{})
			go func() { defer close(read); io.Copy(io.Discard, conn.r) }()
			cancel()
			for what, end := range map[string]chan struct{}{"the gateway": ended, "the connection": read} {
				select {
				case <-end:
				case <-time.After(15 * time.Second): // the service's StallTimeout is 30 s
					t.Fatal(what + " does not end")
				}
			}
		})
	}
}

// Requests of every kind take turns on one connection: those that come as a
// whole, and those that are read bit by bit.
func TestKindsOfRequestsTakeTurns(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	conn := connect(t, url)
	conn.warmUp()
	long := strings.Repeat("long", 50_000)
	kinds := []struct{ pieces, want string }{
		{"GET /whole HTTP/1.1\r\nHost: a\r\n\r\n", "GET /whole "},
		{"POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "POST /whole abc"},
		{"GET /head HTTP/1.1\r\nHo|st: a\r\n\r\n", "GET /head "},
		{"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na|bc", "POST /body abc"},
		{"POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n|1\r\nc\r\n0\r\n\r\n", "POST /chunks abc"},
		{fmt.Sprintf("POST /long HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(long), long), "POST /long " + long},
	}
	for i := range 2 * len(kinds) * len(kinds) {
		one, next := kinds[i%len(kinds)], kinds[i/len(kinds)%len(kinds)]
		for _, k := range [...]struct{ pieces, want string }{one, next} {
			for j, piece := range strings.Split(k.pieces, "|") {
				if j > 0 {
					time.Sleep(time.Millisecond) // so that it comes by itself; else the test is easier, not wrong
				}
				conn.send(piece)
			}
			if res, body := conn.answer("GET"); res.StatusCode != 200 || body != k.want {
				t.Fatalf("got %d and %d bytes, want %q", res.StatusCode, len(body), k.want[:min(40, len(k.want))])
			}
		}
	}
}
