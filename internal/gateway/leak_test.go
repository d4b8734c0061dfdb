package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// empty waits until the service holds no place, no try and no connection but
// idle ones.
func empty(t *testing.T, g *Gateway) {
	t.Helper()
	eventually(t, "everything is given back", func() bool {
		s := g.table.Load().services["web"]
		for _, e := range *s.endpoints.Load() {
			if e.inFlight.Load() != 0 || e.waiting.Load() != 0 || e.pool.open.Load() != int64(e.pool.idleCount()) {
				return false
			}
		}
		return g.Status().Services[0].InFlight == 0
	})
}

func TestClientThatDoesNotReadTimesOut(t *testing.T) {
	const size = 64 << 20
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		io.CopyN(w, endless{}, size)
	})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", StallTimeout: 200 * time.Millisecond}}
	g, url := start(t, c)
	conn := connect(t, url)
	conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := conn.r.ReadString('\n'); err != nil { // and no more
		t.Fatal(err)
	}
	empty(t, g)
	if e := stateOf(g, "web", address); e.Failures != 0 || e.State != "up" {
		t.Errorf("the endpoint is blamed: %+v", e)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// panicking panics when told of what it is to panic at.
type panicking struct {
	nothing
	at string
}

func (p panicking) Route(string, string) RequestObserver { return p }
func (p panicking) Endpoint(string, string) TryObserver  { return p }
func (p panicking) Request(*Record) {
	if p.at == "request" {
		panic("observer")
	}
}
func (p panicking) Try(policy.Class, time.Duration) {
	if p.at == "try" {
		panic("observer")
	}
}

func TestPanicEndsItsConnectionOnlyAndLeaksNothing(t *testing.T) {
	address := named(t, "x")
	for _, at := range []string{"request", "try"} {
		g := New(Options{Observer: panicking{at: at}})
		c := oneService(ServiceConfig{Endpoints: Addresses(address)})
		c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}}
		if err := g.Apply(c); err != nil {
			t.Fatal(err)
		}
		for range 50 { // the limit begins at 20
			conn := connect(t, g.Addresses()[0])
			conn.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			io.Copy(io.Discard, conn.r)
		}
		empty(t, g)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		g.Serve(ctx)
	}
}

func TestNothingIsLeftAfterEveryKindOfEnd(t *testing.T) {
	hold := make(chan struct{})
	var n atomic.Int64
	moody := origin(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 6 {
		case 0:
			w.WriteHeader(500)
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case 3:
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		case 4:
			w.Header().Set("Connection", "close")
		}
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, strings.Repeat("x", 50_000))
	})
	defer close(hold)
	c := ServiceConfig{Endpoints: Addresses(moody, refusing(t)), Timeout: time.Second, TryTimeout: 150 * time.Millisecond}
	c.Outlier.Disabled, c.Breaker = true, policy.BreakerConfig{ConsecutiveFailures: -1, FailureRate: -1}
	g, url := start(t, oneService(c))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}}
	defer client.CloseIdleConnections()
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for j := range 25 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+200*(j%3))*time.Millisecond)
				body := io.Reader(strings.NewReader(strings.Repeat("y", 10_000*(i%3))))
				if j%2 == 0 {
					body = io.MultiReader(body) // of unknown length: streamed
				}
				req, _ := http.NewRequestWithContext(ctx, []string{"GET", "PUT", "POST"}[j%3], url, body)
				if res, err := client.Do(req); err == nil {
					io.CopyN(io.Discard, res.Body, int64(j*5000))
					res.Body.Close()
				}
				cancel()
			}
		})
	}
	clients.Wait()
	empty(t, g)
}

func TestStoppedGatewayLeavesNoGoroutine(t *testing.T) {
	address := named(t, "x")
	get(t, "http://"+address)
	http.DefaultClient.CloseIdleConnections()
	running := func() int {
		b := make([]byte, 1<<20)
		return strings.Count(string(b[:runtime.Stack(b, true)]), "internal/gateway.(*")
	}
	eventually(t, "other tests' gateways have ended", func() bool { return running() == 0 })
	g := New(Options{})
	c := oneService(ServiceConfig{Endpoints: Addresses(address, refusing(t)), Health: HealthConfig{Path: "/"}})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}}
	c.Services["other"] = ServiceConfig{Endpoints: Addresses(address)}
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Serve(ctx) }()
	get(t, "http://"+g.Addresses()[0])
	fewer := *c
	fewer.Services = map[string]ServiceConfig{"web": c.Services["web"]}
	if err := g.Apply(&fewer); err != nil {
		t.Fatal(err)
	}
	g.SetEndpoints("web", []string{refusing(t)})
	cancel()
	<-ended
	eventually(t, "no goroutine is left", func() bool { return running() == 0 })
}

func TestDrainTimeoutCutsASilentResponse(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); <-hold })
	g := New(Options{})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", DrainTimeout: 100 * time.Millisecond}}
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Serve(ctx) }()
	res, err := http.Get("http://" + g.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	cancel()
	select {
	case <-ended:
	case <-time.After(15 * time.Second): // the service's StallTimeout is 30 s
		t.Fatal("the drain waits for a silent response")
	}
}

func TestDrainFailsNoRequestWithATimeout(t *testing.T) {
	address := named(t, "x")
	for range 5 {
		g := New(Options{})
		c := oneService(ServiceConfig{Endpoints: Addresses(address)})
		c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}}
		if err := g.Apply(c); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); g.Serve(ctx) }()
		var clients sync.WaitGroup
		for range 8 {
			conn := connect(t, g.Addresses()[0])
			clients.Go(func() {
				defer conn.Close()
				for {
					if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
						return
					}
					res, err := http.ReadResponse(conn.r, nil)
					if err != nil {
						return // closed between two requests
					}
					io.Copy(io.Discard, res.Body)
					if res.StatusCode != 200 {
						t.Errorf("got %d", res.StatusCode)
					}
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		cancel()
		<-ended
		clients.Wait()
	}
}

func TestMoreConnectionsMaxLetsWaitingClientsIn(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "x"))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", ConnectionsMax: 1}}
	g, url := start(t, c)
	first := connect(t, url)
	first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	first.answer("GET")
	second := connect(t, url) // waits in the kernel's queue
	second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	more := *c
	more.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", ConnectionsMax: 2}}
	if err := g.Apply(&more); err != nil {
		t.Fatal(err)
	}
	if res, _ := second.answer("GET"); res.StatusCode != 200 {
		t.Fatalf("got %d", res.StatusCode)
	}
}

func TestConnectionsMaxOfAnEndpointIsKept(t *testing.T) {
	var open, most atomic.Int64
	address := script(t, func(conn net.Conn, r *bufio.Reader) {
		n := open.Add(1)
		defer open.Add(-1)
		for {
			if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c := ServiceConfig{Endpoints: Addresses(address), ConnectionsMax: 3}
	g, url := start(t, oneService(c))
	var clients sync.WaitGroup
	for range 10 {
		clients.Go(func() {
			conn := connect(t, url)
			for range 5 {
				conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				if res, _ := conn.answer("GET"); res.StatusCode != 200 && res.StatusCode != 503 {
					t.Errorf("got %d", res.StatusCode)
				}
			}
		})
	}
	clients.Wait()
	if most.Load() > 3 {
		t.Errorf("%d connections", most.Load())
	}
	if e := stateOf(g, "web", address); e.State != "up" || e.Failures > 0 {
		t.Errorf("the endpoint is blamed for the limit: %+v", e)
	}
	empty(t, g)
}

func TestRemovedServiceServesTheRequestsItHas(t *testing.T) {
	address := named(t, "old")
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	g, url := start(t, c)
	conn := connect(t, url)
	conn.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc") // to be continued
	web := g.table.Load().services["web"]
	eventually(t, "the request is under way", func() bool { return web.users.Load() == 1 })
	next := &Config{
		Listeners: c.Listeners,
		Services:  map[string]ServiceConfig{"new": {Endpoints: Addresses(named(t, "new"))}},
		Routes:    []RouteConfig{{To: []DestinationConfig{{Service: "new"}}}},
	}
	if err := g.Apply(next); err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	go func() { defer close(drained); g.Drain(t.Context(), "web", address) }()
	if _, body := get(t, url); body != "new" {
		t.Errorf("got %q", body)
	}
	time.Sleep(20 * time.Millisecond)
	select {
	case <-drained:
		t.Error("drained with a request under way")
	default:
	}
	conn.send("def")
	if res, body := conn.answer("POST"); res.StatusCode != 200 || body != "old" {
		t.Fatalf("got %d %q", res.StatusCode, body)
	}
	<-drained
	eventually(t, "the service has ended", func() bool { return web.ctx.Err() != nil })
}

func TestAnnouncedBodyTakesNoMemoryBeforeItComes(t *testing.T) {
	const size, clients = 4 << 20, 50
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(named(t, "x")), ReplayBytes: size}))
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for range clients {
		connect(t, url).send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", size))
	}
	whole := connect(t, url) // is served after the others have begun to wait
	whole.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
	whole.answer("POST")
	if grown := heap() - before; grown > clients*size/4 {
		t.Errorf("%d MiB for bodies that have not come", grown>>20)
	}
}

func TestEndpointGivenTwiceIsOne(t *testing.T) {
	address := named(t, "x")
	g, _ := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	g.SetEndpoints("web", []string{address, address})
	if n := len(g.Status().Services[0].Endpoints); n != 1 {
		t.Fatalf("%d endpoints", n)
	}
	g.SetEndpoints("web", nil)
	if e := stateOf(g, "web", address); e.State != "up" {
		t.Fatalf("the configured endpoint is %q", e.State)
	}
}

// TestWaitingConnectionHoldsNoExchange: many connections wait, and few work.
func TestWaitingConnectionHoldsNoExchange(t *testing.T) {
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(named(t, "x"))}))
	conn := connect(t, url)
	for range 3 {
		conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		res, err := http.ReadResponse(conn.r, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("got %v, %v", res, err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the connection waits and holds no exchange", func() bool {
			waits := 0
			for _, l := range g.listeners {
				waits += len(l.some(func(s *session) bool {
					s.mu.Lock()
					defer s.mu.Unlock()
					return s.idle && s.exchange == nil
				}))
			}
			return waits == 1
		})
	}
}
