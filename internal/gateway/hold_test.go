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

	"github.com/afloat-dev/afloat/policy"
)

func TestStreamThatOutlastsAProbeLetsTheEndpointBackIn(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, chan struct{}){
		"stream": func(w http.ResponseWriter, hold chan struct{}) { w.(http.Flusher).Flush(); <-hold },
		"tunnel": func(w http.ResponseWriter, hold chan struct{}) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			<-hold
		},
	} {
		t.Run(name, func(t *testing.T) {
			hold := make(chan struct{})
			address := origin(t, func(w http.ResponseWriter, r *http.Request) { answer(w, hold) })
			c := ServiceConfig{Endpoints: Addresses(address)}
			c.Breaker = policy.BreakerConfig{OpenDuration: 20 * time.Millisecond, Probes: 2, ProbeTimeout: 50 * time.Millisecond}
			g, url := start(t, oneService(c))
			t.Cleanup(func() { close(hold) })
			(*g.table.Load().services["web"].endpoints.Load())[0].breaker.Trip("test")
			time.Sleep(40 * time.Millisecond)
			for range 2 {
				conn := connect(t, url)
				conn.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				if line, err := conn.r.ReadString('\n'); err != nil || strings.Contains(line, "503") {
					t.Fatalf("got %q, %v", line, err)
				}
			}
			if s := stateOf(g, "web", address).State; s != "up" {
				t.Fatalf("the endpoint is %s while its probes stream", s)
			}
		})
	}
}

func TestSilentEventStreamIsNotBrokenOff(t *testing.T) {
	goOn := make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
		io.WriteString(w, "data: 2\n\n")
	})
	c := ServiceConfig{Endpoints: Addresses(address), StallTimeout: 50 * time.Millisecond}
	g, url := start(t, oneService(c))
	conn := connect(t, url)
	conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	res, err := http.ReadResponse(conn.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(4 * c.StallTimeout)
	gone := connect(t, url)
	gone.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := gone.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	gone.Close()
	eventually(t, "the client that left is noticed", func() bool { return g.Status().Services[0].InFlight == 1 })
	close(goOn)
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "data: 1\n\ndata: 2\n\n" {
		t.Fatalf("got %q, %v", body, err)
	}
	if e := stateOf(g, "web", address); e.State != "up" || e.Failures != 0 {
		t.Errorf("the endpoint is blamed: %+v", e)
	}
}

func TestHangIsHeldAgainstTriesBeforeItOnly(t *testing.T) {
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(named(t, "a"))}))
	get(t, url)
	e := (*g.table.Load().services["web"].endpoints.Load())[0]
	before := time.Now()
	e.hung.Store(int64(time.Since(clock)) + 1)
	if !e.hangsSince(before) {
		t.Error("a try that waited is not told of the hang")
	}
	if e.hangsSince(time.Now().Add(time.Second)) {
		t.Error("a probe is given up before it has shown anything")
	}
	e.tried(policy.Success, time.Now().Add(time.Second), 1, 0, nil)
	if e.hangsSince(before) {
		t.Error("an endpoint that answers hangs")
	}
}

func TestHangBreaksNoRequestOffThatCannotBeRepeated(t *testing.T) {
	goOn, began := make(chan struct{}), make(chan struct{}, 2)
	a := origin(t, func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		<-goOn
		io.WriteString(w, "order taken")
	})
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(a)}))
	answer := make(chan string, 1)
	go func() {
		res, err := http.Post(url, "text/plain", strings.NewReader("order"))
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answer <- string(body)
	}()
	<-began
	g.SetEndpoints("web", []string{named(t, "b")}) // where a GET would go
	for _, e := range *g.table.Load().services["web"].endpoints.Load() {
		if e.address == a {
			e.hung.Store(int64(time.Since(clock)))
		}
	}
	select {
	case got := <-answer:
		t.Errorf("broken off: %q", got)
	case <-time.After(3 * lookInterval):
	}
	close(goOn)
	if got := <-answer; got != "order taken" {
		t.Fatalf("got %q", got)
	}
}

func TestSlowUploadIsNotTheEndpointsLatency(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	conn := connect(t, url)
	conn.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	time.Sleep(10 * lookInterval)
	conn.send("0\r\n\r\n")
	conn.answer("POST")
	if got := stateOf(g, "web", address).LatencySeconds; got > 0.7 {
		t.Errorf("%.1f s are held against the endpoint", got)
	}
}

func TestDeadServiceIsCalledUnreachableNotEjected(t *testing.T) {
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(refusing(t))}))
	if status, body := get(t, url); status != 503 || !strings.Contains(body, "cannot be reached") {
		t.Fatalf("got %d %q", status, body)
	}
}

func TestEndpointThatIsDownIsAskedWhenAllAre(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(a, b)}))
	for _, e := range *g.table.Load().services["web"].endpoints.Load() {
		e.markDown("test")
	}
	if status, _ := get(t, url); status != 200 {
		t.Fatalf("got %d", status)
	}
}

func TestFallbackHidesFailuresAndNothingElse(t *testing.T) {
	status := 500
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Services["web"] = ServiceConfig{Endpoints: Addresses(address), Breaker: policy.BreakerConfig{ConsecutiveFailures: -1, FailureRate: -1}}
	c.Routes[0].Fallback = &FallbackConfig{Body: "sorry"}
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", StallTimeout: 100 * time.Millisecond, BodyBytes: 10}}
	_, url := start(t, c)
	conn := connect(t, url)
	for _, status = range []int{500, 503, 404, 429, 400} {
		want := status
		if status >= 500 {
			want = 200
		}
		for _, method := range []string{"GET", "HEAD"} {
			conn.send(method + " / HTTP/1.1\r\nHost: a\r\n\r\n")
			res, body := conn.answer(method)
			if res.StatusCode != want || method == "HEAD" && body != "" {
				t.Errorf("%s, service says %d: got %d %q", method, status, res.StatusCode, body)
			}
		}
	}
	for want, request := range map[string]string{
		"408": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
		"400": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx",
		"413": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nabcdefghijk\r\n0\r\n\r\n",
	} {
		if answer := raw(t, url, request); !strings.HasPrefix(answer, "HTTP/1.1 "+want) {
			t.Errorf("got %q, want %s", answer, want)
		}
	}
	c.Routes[0].RateLimit = &policy.RateLimitConfig{Requests: 1, Per: time.Hour, Burst: 1}
	_, url = start(t, c)
	get(t, url)
	if got, _ := get(t, url); got != 429 {
		t.Errorf("the rate limit is hidden by %d", got)
	}
}

func TestRetriesSendTheSameRequest(t *testing.T) {
	var requests []string
	var n atomic.Int64
	address := script(t, func(conn net.Conn, r *bufio.Reader) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			requests = append(requests, req.Method+" "+req.RequestURI+" "+req.Header.Get("X-Id")+" "+string(body))
			status := "503 Service Unavailable"
			if n.Add(1) == 3 {
				status = "200 OK"
			}
			io.WriteString(conn, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")
		}
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	conn := connect(t, url)
	body := strings.Repeat("b", 20_000) // in pieces, so that it fits no single read
	conn.send("PUT /p?q=1 HTTP/1.1\r\nHost: a\r\nX-Id: 7\r\nContent-Length: 20000\r\n\r\n")
	for i := 0; i < len(body); i += 5000 {
		time.Sleep(5 * time.Millisecond)
		conn.send(body[i : i+5000])
	}
	if res, _ := conn.answer("PUT"); res.StatusCode != 200 {
		t.Fatalf("got %d", res.StatusCode)
	}
	for _, r := range requests {
		if r != "PUT /p?q=1 7 "+body {
			t.Fatalf("an endpoint got %.60q", r)
		}
	}
	if len(requests) != 3 {
		t.Errorf("%d tries", len(requests))
	}
}
