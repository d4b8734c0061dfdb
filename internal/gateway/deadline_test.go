package gateway

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

func TestUploadMayTakeLongerThanTheTimeout(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if n == 6 {
			io.WriteString(w, "whole")
		}
	})
	c := ServiceConfig{Endpoints: Addresses(address), Timeout: 300 * time.Millisecond}
	_, url := start(t, oneService(c))
	conn := connect(t, url)
	conn.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	time.Sleep(3 * c.Timeout)
	conn.send("3\r\ndef\r\n0\r\n\r\n")
	if res, body := conn.answer("POST"); res.StatusCode != 200 || body != "whole" {
		t.Fatalf("got %d %q", res.StatusCode, body)
	}
}

func TestTimeoutBeginsWhenTheUploadHasEnded(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-hold })
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), Timeout: 300 * time.Millisecond}))
	conn := connect(t, url)
	conn.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	if res, _ := conn.answer("POST"); res.StatusCode != 504 {
		t.Fatalf("got %d", res.StatusCode)
	}
}

func TestNegativeTimeoutIsNone(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(300 * time.Millisecond) })
	c := oneService(ServiceConfig{Endpoints: Addresses(address), Timeout: 50 * time.Millisecond})
	c.Routes[0].Timeout = -1
	_, url := start(t, c)
	if status, _ := get(t, url); status != 200 {
		t.Fatalf("got %d", status)
	}
}

// A request that has next to no time left is no proof of anything.
func TestSpentDeadlineTakesNoEndpointDown(t *testing.T) {
	address := named(t, "x")
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), TryTimeout: 1}))
	if status, _ := get(t, url); status != 504 {
		t.Errorf("got %d", status)
	}
	if s := stateOf(g, "web", address).State; s != "up" {
		t.Fatalf("the endpoint is %s", s)
	}
}

func TestEndpointThatDoesNotReadMeetsTheTryTimeout(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	address := script(t, func(conn net.Conn, r *bufio.Reader) { <-hold })
	const size = 16 << 20
	c := ServiceConfig{Endpoints: Addresses(address), TryTimeout: 300 * time.Millisecond, ReplayBytes: size}
	c.Retry = policy.RetryConfig{Attempts: -1}
	_, url := start(t, oneService(c))
	began := time.Now()
	req, _ := http.NewRequest("PUT", url, strings.NewReader(strings.Repeat("x", size)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if took := time.Since(began); res.StatusCode != 504 || took > 20*time.Second {
		t.Fatalf("got %d after %v", res.StatusCode, took) // StallTimeout is 30 s
	}
}

func TestRetryStopsAtTheDeadline(t *testing.T) {
	bad := origin(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	c := ServiceConfig{Endpoints: Addresses(bad), Timeout: 200 * time.Millisecond}
	c.Retry = policy.RetryConfig{Attempts: 5, Delay: time.Second, DelayMax: time.Second, Jitter: policy.JitterNone}
	_, url := start(t, oneService(c))
	if status, _ := get(t, url); status != 500 {
		t.Fatalf("got %d; want the service's own answer, at once", status)
	}
}
