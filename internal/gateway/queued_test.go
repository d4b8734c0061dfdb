package gateway

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// TestQueuedRequestOfAClientThatLeftIsNotSent has a queue of requests for one
// place, most of whose clients go away.
func TestQueuedRequestOfAClientThatLeftIsNotSent(t *testing.T) {
	release := make(chan struct{})
	var sent atomic.Int64
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		sent.Add(1)
		if r.URL.Path == "/first" {
			<-release
		}
	})
	c := ServiceConfig{Endpoints: Addresses(address), Health: HealthConfig{Interval: time.Hour}}
	c.Concurrency = policy.AdaptiveConfig{Min: 1, Initial: 1, Max: 1, WaitMax: 20 * time.Second, WaitTarget: 20 * time.Second}
	g, url := start(t, oneService(c))
	queued := func(n int) func() bool {
		return func() bool { return int(g.Status().Services[0].Queued) == n }
	}

	first := connect(t, url)
	first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually(t, "the place is taken", func() bool { return sent.Load() == 1 })
	const leaving = 5
	var left []*caller
	for range leaving {
		one := connect(t, url)
		one.send("GET /left HTTP/1.1\r\nHost: a\r\n\r\n")
		left = append(left, one)
	}
	stays := connect(t, url)
	stays.send("GET /stays HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually(t, "the others wait", queued(leaving+1))
	for _, one := range left {
		one.Conn.Close()
	}
	since := time.Now()
	eventually(t, "they have waited long", func() bool { return time.Since(since) > 2*queuedLong })
	close(release)

	res, err := http.ReadResponse(stays.r, nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("who stayed got %v, %v", res, err)
	}
	eventually(t, "nobody waits", queued(0))
	empty(t, g)
	if n := sent.Load(); n != 2 {
		t.Errorf("%d requests reached the endpoint, want the first and that of the client who stayed", n)
	}
}

// TestHeldClientThatLeftIsNotRefused has a request held until its service is
// back, and then for a place that never gets free.
func TestHeldClientThatLeftIsNotRefused(t *testing.T) {
	release, asked := make(chan struct{}), make(chan struct{})
	address := origin(t, func(http.ResponseWriter, *http.Request) { close(asked); <-release })
	c := ServiceConfig{Hold: time.Minute, Timeout: time.Minute, Health: HealthConfig{Interval: time.Hour}}
	c.Concurrency = policy.AdaptiveConfig{Min: 1, Initial: 1, Max: 1, WaitMax: time.Millisecond, WaitTarget: time.Millisecond}
	n := new(notes)
	g, url := startWith(t, oneService(c), Options{Observer: n})
	t.Cleanup(func() { close(release) })
	held := func(n int) func() bool { return func() bool { return g.Status().Services[0].Held == n } }

	one, other := connect(t, url), connect(t, url)
	one.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually(t, "both are held", held(2))
	g.SetEndpoints("web", []string{address})
	<-asked
	eventually(t, "the other is held for a place", held(1))
	one.Conn.Close()
	other.Conn.Close()
	for _, r := range n.all(t, 2) {
		if r.Status != 499 || r.Reason != ReasonClientGone {
			t.Errorf("got %d %q", r.Status, r.Reason)
		}
	}
}
