package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
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

// deaf is an address that refuses connections until somebody listens.
func deaf(t *testing.T) (address string, listen func() net.Listener) {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(socket), "deaf")
	t.Cleanup(func() { file.Close() })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port), func() net.Listener {
		if err := syscall.Listen(socket, 100); err != nil {
			t.Fatal(err)
		}
		l, err := net.FileListener(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
}

// TestRequestsWaitWhileAllRefuseConnections as while somebody else starts the
// service again: nobody is refused, whatever the method, those that found it out
// included.
func TestRequestsWaitWhileAllRefuseConnections(t *testing.T) {
	a, listen := deaf(t)
	b, _ := deaf(t)
	g, url := start(t, oneService(ServiceConfig{Hold: 10 * time.Second, Endpoints: Addresses(a, b), Retry: policy.RetryConfig{Attempts: 1}}))
	var all sync.WaitGroup
	for name, client := range clients(t) {
		for _, method := range []string{"GET", "POST"} {
			all.Go(func() {
				if res, body := do(t, client, method, url, "a body"); res.StatusCode != 200 || body != "a body" {
					t.Errorf("%s, %s: %d %s", name, method, res.StatusCode, body)
				}
			})
		}
	}
	eventually(t, "the status says that they wait", func() bool { return g.Status().Services[0].Held == 4 })
	go http.Serve(listen(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	all.Wait()
}

func TestTCPWaitsWhileAllRefuseConnections(t *testing.T) {
	address, listen := deaf(t)
	c := tcpTo(address)
	s := c.Services["web"]
	s.Hold = 10 * time.Second
	c.Services["web"] = s
	g, url := start(t, c)
	conn := connect(t, url)
	eventually(t, "the connection waits", func() bool { return g.Status().Services[0].Held == 1 })
	go giveBack(listen())
	if got := conn.says("x"); got != "x" {
		t.Errorf("got %q", got)
	}
}

// TestRequestsWaitWhileAllAreEjected: one at a time scouts, and the others are
// served with it once the service is well.
func TestRequestsWaitWhileAllAreEjected(t *testing.T) {
	well := make(chan struct{})
	a, b := origin(t, func(w http.ResponseWriter, r *http.Request) { <-well }), refusing(t)
	g, url := start(t, oneService(ServiceConfig{Hold: time.Minute, Timeout: time.Minute, TryTimeout: time.Minute, Endpoints: Addresses(a, b),
		Breaker: policy.BreakerConfig{OpenDuration: time.Hour}}))
	for _, e := range *g.table.Load().services["web"].endpoints.Load() {
		e.breaker.Trip("test")
	}
	var all sync.WaitGroup
	for name, client := range clients(t) {
		for _, method := range []string{"GET", "POST", "GET"} {
			all.Go(func() {
				if res, body := do(t, client, method, url, "a body"); res.StatusCode != 200 {
					t.Errorf("%s, %s: %d %s", name, method, res.StatusCode, body)
				}
			})
		}
	}
	eventually(t, "one has gone ahead", func() bool { return stateOf(g, "web", a).InFlight > 0 })
	close(well)
	all.Wait()
}

// TestServiceIsPaused by an operator who takes its endpoints out for a moment.
func TestServiceIsPaused(t *testing.T) {
	address := named(t, "a")
	g, url := start(t, oneService(ServiceConfig{Hold: time.Minute, Timeout: time.Minute, Endpoints: Addresses(address)}))
	for _, kind := range []LeverKind{LeverDrain, LeverIsolate} {
		if err := g.Pull(Lever{Service: "web", Endpoint: address, Kind: kind, Why: "a moment", Who: "ada"}); err != nil {
			t.Fatal(err)
		}
		answered := make(chan int)
		go func() {
			status, _ := get(t, url)
			answered <- status
		}()
		eventually(t, "the request waits", func() bool { return g.Status().Services[0].Held == 1 })
		if _, err := g.Undo("web", address, kind, "done"); err != nil {
			t.Fatal(err)
		}
		if status := <-answered; status != 200 {
			t.Errorf("%s: %d", kind, status)
		}
	}
}

// TestServiceThatIsThereHoldsNobodyByDefault: to fail fast is better, where nobody
// knows how long it will last.
func TestServiceThatIsThereHoldsNobodyByDefault(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	n := new(notes)
	_, url := startObserved(t, oneService(ServiceConfig{HoldAbsent: time.Hour, Timeout: time.Hour, Endpoints: Addresses(address),
		Breaker: policy.BreakerConfig{ConsecutiveFailures: 2}, Health: HealthConfig{Path: "/", UnhealthyThreshold: 1}}), n)
	for i := range 10 {
		get(t, url)
		if r := n.last(t, i+1); r.Decisions.Held != 0 {
			t.Fatalf("request %d was held for %v: %+v", i, r.Decisions.Held, r)
		}
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
		for reason, addresses := range map[Reason][]string{ReasonNoEndpoint: nil, ReasonUnreachable: {refusing(t)}} {
			c.Endpoints = Addresses(addresses...)
			n := new(notes)
			_, url := startObserved(t, oneService(c), n)
			res, body := do(t, http.DefaultClient, "GET", url, "")
			if res.StatusCode != 503 && res.StatusCode != 504 {
				t.Errorf("%s, %s: %d %s", name, reason, res.StatusCode, body)
			}
			if got := n.last(t, 1); got.Reason != reason && got.Reason != ReasonTimeout || c.Hold < 0 && got.Decisions.Held != 0 {
				t.Errorf("%s, %s: got %+v", name, reason, got)
			}
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
