package gateway

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// TestRequestsWaitWhileAServiceHasNoEndpoint as while its only replica is
// started again: nobody is refused, whatever the method.
func TestRequestsWaitWhileAServiceHasNoEndpoint(t *testing.T) {
	address := echo(t)
	g, url := start(t, oneService(ServiceConfig{Hold: 10 * time.Second}))
	var all sync.WaitGroup
	for name, client := range clients(t) {
		for _, method := range []string{"GET", "POST"} {
			all.Go(func() {
				if res, body := do(t, client, method, url, "a body"); res.StatusCode != 200 {
					t.Errorf("%s, %s: %d %s", name, method, res.StatusCode, body)
				}
			})
		}
	}
	eventually(t, "the status says that they wait", func() bool { return g.Status().Services[0].Held == 4 })
	g.SetEndpoints("web", []string{address})
	all.Wait()
	if held := g.Status().Services[0].Held; held != 0 {
		t.Errorf("%d wait after all were served", held)
	}
}

// TestHeldRequestsTakeNoPlace: all that wait for a service are served by it, many
// more than it has places and a queue for.
func TestHeldRequestsTakeNoPlace(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(20 * time.Millisecond) })
	g, url := start(t, oneService(ServiceConfig{
		Hold: time.Minute, Timeout: time.Minute, Concurrency: policy.AdaptiveConfig{Min: 1, Initial: 2, Max: 2, QueueMax: 2},
	}))
	const crowd = 50
	var all sync.WaitGroup
	for range crowd {
		all.Go(func() {
			if res, body := do(t, http.DefaultClient, "POST", url, "a body"); res.StatusCode != 200 {
				t.Errorf("%d %s", res.StatusCode, body)
			}
		})
	}
	eventually(t, "all are held", func() bool { return g.Status().Services[0].Held == crowd })
	if n := limitOf(g).InFlight; n != 0 {
		t.Errorf("they take %d places", n)
	}
	g.SetEndpoints("web", []string{address})
	all.Wait()
	if shed := limitOf(g).Shed; shed > crowd {
		t.Errorf("the limit refused %d times", shed)
	}
}

// TestWaitForAnEndpointEnds with its time, with the request's, and when nobody
// waits for the answer any more.
func TestWaitForAnEndpointEnds(t *testing.T) {
	for name, c := range map[string]ServiceConfig{
		"its time":      {Hold: 50 * time.Millisecond},
		"the request's": {Hold: time.Hour, Timeout: 50 * time.Millisecond},
		"none":          {Hold: -1},
	} {
		n := new(notes)
		_, url := startObserved(t, oneService(c), n)
		res, body := do(t, http.DefaultClient, "GET", url, "")
		if res.StatusCode != 503 || !strings.Contains(body, "no endpoint") {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
		if got := n.last(t, 1); got.Reason != ReasonNoEndpoint || got.Tries != 0 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	n := new(notes)
	_, url := startObserved(t, oneService(ServiceConfig{Hold: time.Hour, Timeout: time.Hour}), n)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	if _, err := http.DefaultClient.Do(req); err == nil {
		t.Fatal("somebody answered")
	}
	n.last(t, 1) // it has ended although the time of neither is over
}
