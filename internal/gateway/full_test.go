package gateway

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/afloat-dev/afloat/policy"
)

// TestFullEndpointLeavesRequestsToTheOthers: it is not asked, so that no try is
// used up, whatever the method, and it is not blamed.
func TestFullEndpointLeavesRequestsToTheOthers(t *testing.T) {
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	defer release() // where the test ends early: the origin waits for its handlers
	begun := make(chan struct{}, 2)
	page := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			begun <- struct{}{}
			<-hold
		}
		io.WriteString(w, "page")
	}
	c := ServiceConfig{Endpoints: Addresses(origin(t, page), origin(t, page)), ConnectionsMax: 1, Balance: BalanceRoundRobin,
		Retry: policy.RetryConfig{Attempts: -1}}
	g, url := start(t, oneService(c))
	busy := func() *caller {
		conn := connect(t, url)
		conn.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
		<-begun
		return conn
	}
	first := busy()
	for i := range 10 {
		for _, method := range []string{"GET", "POST"} {
			if res, body := do(t, http.DefaultClient, method, url, "x"); res.StatusCode != 200 {
				t.Fatalf("%s %d got %d %q", method, i, res.StatusCode, body)
			}
			eventually(t, "its connection is free again", func() bool { // the answer is there a moment before
				idle := 0
				for _, e := range g.Status().Services[0].Endpoints {
					idle += e.Idle
				}
				return idle == 1
			})
		}
	}
	second := busy()
	res, body := do(t, http.DefaultClient, "GET", url, "")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "connections") {
		t.Errorf("with both full: %d %v %q", res.StatusCode, res.Header, body)
	}
	release()
	for _, conn := range []*caller{first, second} {
		if res, _ := conn.answer("GET"); res.StatusCode != 200 {
			t.Errorf("one that held a connection got %d", res.StatusCode)
		}
	}
	if status, _ := get(t, url); status != 200 {
		t.Errorf("with room again: %d", status)
	}
	for _, e := range g.Status().Services[0].Endpoints {
		if e.State != "up" || e.Failures > 0 {
			t.Errorf("a full endpoint is blamed: %+v", e)
		}
	}
}
