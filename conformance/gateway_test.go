// Package conformance_test holds the gateway to what others test protocols by.
package conformance_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// start runs a gateway until the test ends, and returns its addresses.
func start(t *testing.T, c *gateway.Config) (*gateway.Gateway, *notes, []string) {
	t.Helper()
	n := new(notes)
	g := gateway.New(gateway.Options{Observer: n})
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return g, n, g.Addresses()
}

// plain routes everything that comes in without TLS to one service.
func plain(s gateway.ServiceConfig) *gateway.Config {
	return &gateway.Config{
		Listeners: []gateway.ListenerConfig{{Address: "127.0.0.1:0", DrainTimeout: time.Second}},
		Services:  map[string]gateway.ServiceConfig{"web": s},
		Routes:    []gateway.RouteConfig{{Name: "all", To: []gateway.DestinationConfig{{Service: "web"}}}},
	}
}

// freePort is a port that nobody listens on.
// notes remembers the requests that ended.
type notes struct {
	mu      sync.Mutex
	records []gateway.Record
	opened  int // breakers, so far
}

func (n *notes) Route(string, string) gateway.RequestObserver { return n }
func (n *notes) Endpoint(string, string) gateway.TryObserver  { return n }
func (n *notes) Try(policy.Class, time.Duration)              {}
func (n *notes) Request(r *gateway.Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.records = append(n.records, *r)
}

func (n *notes) Event(e gateway.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.Kind == gateway.EventBreaker && e.To == "open" {
		n.opened++
	}
}

// last is the record of the request so many came before.
func (n *notes) last(t *testing.T, before int) (r gateway.Record) {
	t.Helper()
	eventually(t, "a request is noted", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.records) <= before {
			return false
		}
		r = n.records[len(n.records)-1]
		return true
	})
	return r
}

// eventually waits for something that others do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 10 s: %s", what)
}
