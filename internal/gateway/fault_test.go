package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// named is an origin that answers with its name.
func named(t *testing.T, name string) string {
	return origin(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name) })
}

// refusing is an address that nobody listens on.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func stateOf(g *Gateway, service, address string) EndpointStatus {
	for _, s := range g.Status().Services {
		for _, e := range s.Endpoints {
			if s.Name == service && e.Address == address {
				return e
			}
		}
	}
	return EndpointStatus{}
}

func TestRefusingEndpointIsTakenOutAtOnceAndComesBack(t *testing.T) {
	dead := refusing(t)
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(dead, named(t, "good"))}))
	eventually(t, "a request has met the dead endpoint", func() bool {
		if status, body := get(t, url); status != 200 || body != "good" {
			t.Fatalf("a user saw the dead endpoint: %d %q", status, body)
		}
		return stateOf(g, "web", dead).State == "down"
	})
	before := stateOf(g, "web", dead).Requests
	for range 20 {
		get(t, url)
	}
	if after := stateOf(g, "web", dead).Requests; after != before {
		t.Fatalf("%d requests went to an endpoint that is down", after-before)
	}
	l, err := net.Listen("tcp", dead)
	if err != nil {
		t.Skip("the port was taken meanwhile:", err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "back") })}
	go s.Serve(l)
	defer s.Close()
	eventually(t, "it serves again", func() bool { _, body := get(t, url); return body == "back" })
}

func TestFailingEndpointsBreakerOpensAndCloses(t *testing.T) {
	var failing atomic.Bool
	failing.Store(true)
	bad := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if failing.Load() {
			w.WriteHeader(500)
			return
		}
		io.WriteString(w, "healed")
	})
	c := ServiceConfig{Endpoints: Addresses(bad, named(t, "good")), Outlier: OutlierConfig{Disabled: true}}
	c.Breaker = policy.BreakerConfig{ConsecutiveFailures: 3, OpenDuration: 100 * time.Millisecond, Probes: 1}
	g, url := start(t, oneService(c))
	eventually(t, "it is ejected", func() bool {
		if status, _ := get(t, url); status != 200 {
			t.Fatalf("a user saw status %d", status)
		}
		return stateOf(g, "web", bad).State == "ejected"
	})
	failing.Store(false)
	eventually(t, "it serves again", func() bool { _, body := get(t, url); return body == "healed" })
}

func TestOutlierByFailuresIsEjected(t *testing.T) {
	var n atomic.Int64
	flaky := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%3 == 0 {
			w.WriteHeader(500)
		}
	})
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(flaky, named(t, "b"), named(t, "c"))}))
	eventually(t, "it is ejected", func() bool {
		if status, _ := get(t, url); status != 200 {
			t.Fatalf("a user saw status %d", status)
		}
		return stateOf(g, "web", flaky).State == "ejected"
	})
	if why := stateOf(g, "web", flaky).Why; !strings.Contains(why, "failed") {
		t.Errorf("why: %q", why)
	}
}

func TestOutlierByLatencyIsEjected(t *testing.T) {
	slow := origin(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(60 * time.Millisecond) })
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(slow, named(t, "b"), named(t, "c")), Balance: BalanceRoundRobin}))
	eventually(t, "it is ejected", func() bool { get(t, url); return stateOf(g, "web", slow).State == "ejected" })
	if why := stateOf(g, "web", slow).Why; !strings.Contains(why, "slower") {
		t.Errorf("why: %q", why)
	}
}

func TestHungEndpointIsLeftForAnother(t *testing.T) {
	var hung atomic.Bool
	release := make(chan struct{})
	hanging := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if hung.Load() {
			<-release
		}
	})
	defer close(release)
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(hanging, named(t, "b"), named(t, "c"))}))
	load(t, url, func(stop func()) {
		hung.Store(true)
		eventually(t, "it is ejected", func() bool { return stateOf(g, "web", hanging).State == "ejected" })
		eventually(t, "nobody waits for it any more", func() bool { return stateOf(g, "web", hanging).InFlight == 0 })
		stop()
	})
}

func TestQuietEndpointOwesNothing(t *testing.T) {
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(named(t, "a"))}))
	get(t, url)
	e := (*g.table.Load().services["web"].endpoints.Load())[0]
	e.answered.Add(-int64(time.Hour)) // as if nobody had asked since
	if owing, owed := e.owing(); owing != 0 || owed != 0 {
		t.Errorf("owes %d answers for %v without a request", owed, owing)
	}
	e.await()
	if owing, owed := e.owing(); owing > time.Minute || owed != 1 {
		t.Errorf("owes %d answers for %v to a request that has just come", owed, owing)
	}
	e.waiting.Add(-1)
	e.tried(policy.Failure, time.Now(), time.Second, 0, errTimeout)
	if owing, owed := e.owing(); owing < time.Second || owing > time.Minute || owed != 1 {
		t.Errorf("owes %d answers for %v to a request that has waited in vain", owed, owing)
	}
	e.tried(policy.Success, time.Now(), 1, 0, nil)
	if owing, owed := e.owing(); owing != 0 || owed != 0 {
		t.Errorf("owes %d answers for %v after one", owed, owing)
	}
}

// load sends requests from a few clients while f runs; each must succeed.
func load(t *testing.T, url string, f func(stop func())) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var clients sync.WaitGroup
	for range 12 {
		clients.Go(func() {
			for ctx.Err() == nil {
				res, err := http.Get(url)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != 200 {
					t.Errorf("a user saw status %d", res.StatusCode)
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	f(cancel)
	clients.Wait()
}

func TestTotalOutageIsAnsweredFastAndHeals(t *testing.T) {
	var down atomic.Bool
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(500)
		}
	})
	c := ServiceConfig{Endpoints: Addresses(address)}
	c.Breaker = policy.BreakerConfig{OpenDuration: 200 * time.Millisecond}
	_, url := start(t, oneService(c))
	down.Store(true)
	eventually(t, "the breaker answers", func() bool {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode == 503 && res.Header.Get("Retry-After") != ""
	})
	down.Store(false)
	eventually(t, "it heals", func() bool { status, _ := get(t, url); return status == 200 })
}

func TestNonIdempotentRequestIsNotRepeated(t *testing.T) {
	var seen atomic.Int64
	bad := origin(t, func(w http.ResponseWriter, r *http.Request) { seen.Add(1); w.WriteHeader(500) })
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(bad)}))
	res, err := http.Post(url, "text/plain", strings.NewReader("order"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 500 || seen.Load() != 1 {
		t.Fatalf("status %d after %d tries", res.StatusCode, seen.Load())
	}
}

func TestRefusedConnectionIsRepeatedForEveryMethod(t *testing.T) {
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(refusing(t), named(t, "good"))}))
	for range 10 {
		res, err := http.Post(url, "text/plain", strings.NewReader("order"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
}

func TestShedAnswerIsNotRepeated(t *testing.T) {
	var seen atomic.Int64
	busy := origin(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(503)
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(busy)}))
	if status, _ := get(t, url); status != 503 || seen.Load() != 1 {
		t.Fatalf("status %d after %d tries", status, seen.Load())
	}
}

func TestTimeouts(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	var seen atomic.Int64
	silent := origin(t, func(w http.ResponseWriter, r *http.Request) { seen.Add(1); <-release })
	for _, c := range []struct {
		name        string
		total, try  time.Duration
		triesAtMost int64
	}{
		{"the whole request", 150 * time.Millisecond, 0, 1},
		{"one try, repeated", 10 * time.Second, 50 * time.Millisecond, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen.Store(0)
			_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(silent), Timeout: c.total, TryTimeout: c.try}))
			status, body := get(t, url)
			if status != 504 || !strings.Contains(body, "in time") {
				t.Fatalf("got %d %q", status, body)
			}
			if n := seen.Load(); n != c.triesAtMost {
				t.Fatalf("%d tries, want %d", n, c.triesAtMost)
			}
		})
	}
}

func TestHealthCheckTakesOutAndReadmits(t *testing.T) {
	var ill atomic.Bool
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" && ill.Load() {
			w.WriteHeader(503)
			return
		}
		io.WriteString(w, "a")
	})
	c := ServiceConfig{Endpoints: Addresses(address, named(t, "b"))}
	c.Health = HealthConfig{Path: "/health", Interval: 20 * time.Millisecond}
	g, url := start(t, oneService(c))
	ill.Store(true)
	eventually(t, "it is taken out", func() bool { return stateOf(g, "web", address).State == "down" })
	for range 20 {
		if _, body := get(t, url); body != "b" {
			t.Fatalf("got %q", body)
		}
	}
	ill.Store(false)
	eventually(t, "it is readmitted", func() bool { return stateOf(g, "web", address).State == "up" })
	eventually(t, "it serves", func() bool { _, body := get(t, url); return body == "a" })
}

func TestOverloadIsShedFastWithRetryAfter(t *testing.T) {
	slots := make(chan struct{}, 2)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		slots <- struct{}{}
		time.Sleep(20 * time.Millisecond)
		<-slots
	})
	c := ServiceConfig{Endpoints: Addresses(address)}
	c.Concurrency = policy.AdaptiveConfig{Min: 1, Initial: 2, Max: 4}
	g, url := start(t, oneService(c))
	var shed, served, wrong atomic.Int64
	var clients sync.WaitGroup
	for range 40 {
		clients.Go(func() {
			for range 5 {
				res, err := http.Get(url)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				switch {
				case res.StatusCode == 200:
					served.Add(1)
				case res.StatusCode == 503 && res.Header.Get("Retry-After") != "":
					shed.Add(1)
				default:
					wrong.Add(1)
				}
			}
		})
	}
	clients.Wait()
	if served.Load() == 0 || shed.Load() == 0 || wrong.Load() > 0 {
		t.Fatalf("%d served, %d shed, %d wrong", served.Load(), shed.Load(), wrong.Load())
	}
	if got := g.Status().Services[0].Shed; got == 0 {
		t.Error("the status tells of no shed request")
	}
	if status, _ := get(t, url); status != 200 {
		t.Fatalf("it does not heal: %d", status)
	}
}

func TestRateLimitAndFallback(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "good"))})
	c.Routes[0].RateLimit = &policy.RateLimitConfig{Requests: 2, Per: time.Hour, Burst: 2}
	_, url := start(t, c)
	for range 2 {
		if status, _ := get(t, url); status != 200 {
			t.Fatalf("got %d within the limit", status)
		}
	}
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
		t.Fatalf("got %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	c.Routes[0].Name = "with fallback"
	c.Routes[0].RateLimit = nil
	c.Routes[0].Fallback = &FallbackConfig{Body: "sorry"}
	c.Services["web"] = ServiceConfig{Endpoints: Addresses(refusing(t))}
	_, url = start(t, c)
	if status, body := get(t, url); status != 200 || body != "sorry" {
		t.Fatalf("got %d %q", status, body)
	}
}

func TestFaultIsInjectedInItsShare(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "good"))})
	c.Routes[0].Fault = aborting(0.5, 418)
	_, url := start(t, c)
	counts := map[int]int{}
	for range 400 {
		status, _ := get(t, url)
		counts[status]++
	}
	if counts[418] < 140 || counts[418] > 260 || counts[200]+counts[418] != 400 {
		t.Fatalf("got %v of 400 at 50%%", counts)
	}
}

func TestListenErrorsSayWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := New(Options{})
	err = g.Apply(&Config{Listeners: []ListenerConfig{{Address: l.Addr().String()}}})
	if err == nil || !strings.Contains(err.Error(), "the port is in use") {
		t.Fatalf("got %v", err)
	}
	err = g.Apply(&Config{Listeners: []ListenerConfig{{Address: "192.0.2.1:0"}}})
	if err == nil || !strings.Contains(err.Error(), "does not have that address") {
		t.Fatalf("got %v", err)
	}
	if !errors.Is(func() error { g.stopped = true; return g.Apply(&Config{}) }(), errStopped) {
		t.Fatal("a stopped gateway takes a configuration")
	}
}

// TestWritesAreNoProbes: they go to endpoints that are well, and to one in doubt
// only where nobody else has found out about it for a while.
func TestWritesAreNoProbes(t *testing.T) {
	var probes, writes atomic.Int64
	doubtful := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			writes.Add(1)
		}
		probes.Add(1)
		w.WriteHeader(500)
	})
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(doubtful, named(t, "b")),
		Breaker: policy.BreakerConfig{OpenDuration: 200 * time.Millisecond, OpenDurationMax: 200 * time.Millisecond, ConsecutiveFailures: 1}}))
	(*g.table.Load().services["web"].endpoints.Load())[0].breaker.Trip("test")
	for before := int64(0); before < 5; before = probes.Load() {
		for _, method := range []string{"POST", "POST", "POST", "GET"} {
			if res, body := do(t, http.DefaultClient, method, url, ""); res.StatusCode != 200 {
				t.Fatalf("%s: %d %s", method, res.StatusCode, body)
			}
		}
	}
	if n := writes.Load(); n > 1 { // one where the test itself stood still
		t.Errorf("%d of %d probes were writes", n, probes.Load())
	}
	before := writes.Load()
	eventually(t, "a write probes where nobody else does", func() bool {
		do(t, http.DefaultClient, "POST", url, "")
		return writes.Load() > before
	})
}
