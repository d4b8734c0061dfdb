package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// start runs a gateway with the configuration until the test ends, and returns
// its first listener's URL.
func start(t *testing.T, c *Config) (*Gateway, string) {
	t.Helper()
	return startObserved(t, c, nil)
}

// startObserved is start with an observer.
func startObserved(t *testing.T, c *Config, o Observer) (*Gateway, string) {
	t.Helper()
	return startWith(t, c, Options{Observer: o})
}

func startWith(t *testing.T, c *Config, o Options) (*Gateway, string) {
	t.Helper()
	if len(c.Listeners) == 0 {
		c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}}
	}
	g := New(o)
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return g, "http://" + g.Addresses()[0]
}

// origin is a real server; its address is an endpoint.
func origin(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestRequestReachesTheServiceAndComesBack(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Method+" "+r.URL.Path)
	})
	_, url := start(t, &Config{
		Services: map[string]ServiceConfig{"web": {Endpoints: Addresses(address)}},
		Routes:   []RouteConfig{{To: []DestinationConfig{{Service: "web"}}}},
	})
	for range 3 {
		if status, body := get(t, url+"/hello"); status != 200 || body != "GET /hello" {
			t.Fatalf("got %d %q", status, body)
		}
	}
}

func TestRetryGoesToAnotherEndpoint(t *testing.T) {
	bad := origin(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	good := origin(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	})
	_, url := start(t, &Config{
		Services: map[string]ServiceConfig{"web": {Endpoints: Addresses(bad, good)}},
		Routes:   []RouteConfig{{To: []DestinationConfig{{Service: "web"}}}},
	})
	for range 20 {
		req, _ := http.NewRequest("PUT", url, strings.NewReader("payload"))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 200 || string(body) != "payload" {
			t.Fatalf("got %d %q", res.StatusCode, body)
		}
	}
}

// oneService routes everything to one service.
func oneService(s ServiceConfig) *Config {
	return &Config{
		Services: map[string]ServiceConfig{"web": s},
		Routes:   []RouteConfig{{To: []DestinationConfig{{Service: "web"}}}},
	}
}

// eventually waits for something that other goroutines do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within a minute: %s", what)
}
