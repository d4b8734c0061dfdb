package gateway

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// http2Origin is a real server that speaks HTTP/2 alone, without TLS.
func http2Origin(t *testing.T, streams int, h http.HandlerFunc) (address string, conns *atomic.Int32) {
	t.Helper()
	conns = new(atomic.Int32)
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), conns
}

// describe answers with what it was asked, and trailers where they are asked for.
func describe(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Seen", r.Proto+" "+r.Host+" "+r.RequestURI+" "+r.Header.Get("X-Forwarded-Proto")+r.Header.Get("User-Agent"))
	if r.Header.Get("Te") == "trailers" {
		w.Header().Set(http.TrailerPrefix+"X-End", r.Trailer.Get("X-Sum"))
		w.Header().Set(http.TrailerPrefix+"Content-Length", "7")
	}
	w.Write(append([]byte(r.Method+" "), body...))
}

func TestEndpointsAreSpokenToInHTTP2(t *testing.T) {
	address, conns := http2Origin(t, 250, describe)
	c := oneService(ServiceConfig{Endpoints: Addresses(address), Protocol: ProtocolHTTP2,
		Health: HealthConfig{Path: "/health", Interval: time.Hour}})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", Paths: PathAsIs}}
	_, url := start(t, c)
	plain := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	for _, client := range []*http.Client{plain, http2Client(t, nil)} {
		for _, path := range []string{"/a%2Fb?c=%zz&d", "//double//slash", "/"} {
			for _, size := range []int{0, 10, 100_000, 1_000_000} {
				req, _ := http.NewRequest("POST", url, strings.NewReader(strings.Repeat("b", size)))
				req.URL.Opaque = "//shop.example" + path
				req.Host = "shop.example"
				req.Header.Set("User-Agent", "")
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || string(body) != "POST "+strings.Repeat("b", size) {
					t.Errorf("%s, %d: got %d bytes, %v", path, size, len(body), err)
				}
				if got, want := res.Header.Get("X-Seen"), "HTTP/2.0 shop.example "+path+" http"; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		}
		// Of unknown length, both ways.
		req, _ := http.NewRequest("PUT", url, io.MultiReader(strings.NewReader("a"), strings.NewReader("b")))
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "PUT ab" {
			t.Errorf("got %q, %v", body, err)
		}
		res.Body.Close()
		if res, body := do(t, client, "HEAD", url, ""); res.StatusCode != 200 || body != "" {
			t.Errorf("HEAD: got %d %q", res.StatusCode, body)
		}
	}
	if n := conns.Load(); n > 3 { // one for requests, one for each health check
		t.Errorf("%d connections were made", n)
	}
}

func TestTrailersPassBetweenHTTP2AndHTTP2(t *testing.T) {
	address, _ := http2Origin(t, 250, describe)
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), Protocol: ProtocolHTTP2}))
	req, _ := http.NewRequest("POST", url, io.MultiReader(strings.NewReader("a"), strings.NewReader("b")))
	req.Header.Set("Te", "trailers")
	req.Trailer = http.Header{"X-Sum": []string{"42"}}
	res, err := http2Client(t, nil).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "POST ab" {
		t.Errorf("got %q, %v", body, err)
	}
	if res.Trailer.Get("X-End") != "42" || res.Trailer.Get("Content-Length") != "" {
		t.Errorf("got trailers %v", res.Trailer)
	}
}

func TestStreamsShareConnectionsUpToTheirLimit(t *testing.T) {
	for _, test := range []struct{ ours, theirs, requests, want int }{
		{0, 250, 40, 1}, {10, 250, 40, 4}, {0, 10, 40, 4},
	} {
		var now atomic.Int32
		release := make(chan struct{})
		address, conns := http2Origin(t, test.theirs, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				now.Add(1)
				<-release
			}
		})
		g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), Protocol: ProtocolHTTP2, StreamsMax: test.ours, Timeout: time.Minute,
			Concurrency: policy.AdaptiveConfig{Disabled: true}}))
		get(t, url+"/first") // the endpoint's own limit is known then
		var all sync.WaitGroup
		for range test.requests {
			all.Go(func() { get(t, url+"/wait") })
		}
		eventually(t, "all are under way", func() bool { return int(now.Load()) == test.requests })
		if got := int(conns.Load()); got != test.want {
			t.Errorf("%d at once, %d of them on one connection: %d connections", test.requests, min(max(test.ours, test.theirs), 100), got)
		}
		close(release)
		all.Wait()
		eventually(t, "all connections are idle", func() bool { return stateOf(g, "web", address).Idle == test.want })
	}
}

func TestALPNDecidesWhatAnEndpointIsSpokenToIn(t *testing.T) {
	a := newAuthority(t)
	for _, test := range []struct {
		protocol Protocol
		offers   []string
		want     string
	}{
		{ProtocolAuto, []string{"h2", "http/1.1"}, "HTTP/2.0"},
		{ProtocolAuto, []string{"http/1.1"}, "HTTP/1.1"},
		{ProtocolHTTP1, []string{"h2", "http/1.1"}, "HTTP/1.1"},
		{ProtocolHTTP2, []string{"h2", "http/1.1"}, "HTTP/2.0"},
		{ProtocolHTTP2, []string{"http/1.1"}, ""},
	} {
		address := secureOrigin(t, &tls.Config{Certificates: []tls.Certificate{a.pair("web", "127.0.0.1")}, NextProtos: test.offers}, describe)
		g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), Protocol: test.protocol, TLS: &UpstreamTLSConfig{CA: a.path("ca.pem")}}))
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				res, _ := do(t, http.DefaultClient, "GET", url, "")
				if test.want == "" {
					if res.StatusCode != 503 {
						t.Errorf("%s with %v: got %d", test.protocol, test.offers, res.StatusCode)
					}
				} else if !strings.HasPrefix(res.Header.Get("X-Seen"), test.want+" ") {
					t.Errorf("%s with %v: got %d %q", test.protocol, test.offers, res.StatusCode, res.Header.Get("X-Seen"))
				}
			})
		}
		all.Wait()
		if s := stateOf(g, "web", address); test.want == "" && s.State != "down" {
			t.Errorf("got %+v", s)
		}
	}
}

func TestHTTP2EndpointThatDiesIsTakenOutAndComesBack(t *testing.T) {
	serve := func(address string) (string, func()) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(describe), Protocols: new(http.Protocols)}
		s.Protocols.SetUnencryptedHTTP2(true)
		go s.Serve(l)
		return l.Addr().String(), func() { s.Close() }
	}
	address, stop := serve("127.0.0.1:0")
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), Protocol: ProtocolHTTP2}))
	if status, _ := get(t, url); status != 200 {
		t.Fatalf("got %d", status)
	}
	stop()
	if status, _ := get(t, url); status != 503 {
		t.Errorf("got %d", status)
	}
	if s := stateOf(g, "web", address); s.State != "down" {
		t.Errorf("got %+v", s)
	}
	_, stop = serve(address)
	defer stop()
	eventually(t, "it is served again", func() bool { status, _ := get(t, url); return status == 200 })
}

func TestRequestThatAnEndpointDidNotTakeIsSentAgain(t *testing.T) {
	var asked atomic.Int32
	var s *http.Server
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%10 == 0 {
			w.Header().Set("Connection", "close") // GOAWAY
		}
		describe(w, r)
	})}
	s.Protocols.SetUnencryptedHTTP2(true)
	go s.Serve(l)
	defer s.Close()
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(l.Addr().String()), Protocol: ProtocolHTTP2}))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if res, body := do(t, http.DefaultClient, "POST", url, "x"); res.StatusCode != 200 {
					t.Errorf("got %d %q", res.StatusCode, body)
				}
			}
		})
	}
	all.Wait()
}

func TestClientThatLeavesResetsTheEndpointsStream(t *testing.T) {
	asked, left := make(chan struct{}, 1), make(chan struct{})
	address, conns := http2Origin(t, 250, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			asked <- struct{}{}
			<-r.Context().Done()
			close(left)
		}
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), Protocol: ProtocolHTTP2}))
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "GET", url+"/wait", nil)
	go http2Client(t, nil).Do(req)
	<-asked
	cancel()
	<-left
	if status, _ := get(t, url); status != 200 || conns.Load() != 1 {
		t.Errorf("got %d on connection %d", status, conns.Load())
	}
}

func TestStalledResponseOfHTTP2IsBrokenOffAndEventsAreNot(t *testing.T) {
	release := make(chan struct{})
	address, _ := http2Origin(t, 250, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", strings.TrimPrefix(r.URL.Path, "/"))
		io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		select {
		case <-release:
			io.WriteString(w, "data: 2\n\n")
		case <-r.Context().Done():
		}
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), Protocol: ProtocolHTTP2, StallTimeout: 100 * time.Millisecond}))
	for _, client := range []*http.Client{http.DefaultClient, http2Client(t, nil)} {
		events, err := client.Get(url + "/text/event-stream")
		if err != nil {
			t.Fatal(err)
		}
		defer events.Body.Close()
		first := make([]byte, 9)
		if _, err := io.ReadFull(events.Body, first); err != nil || string(first) != "data: 1\n\n" {
			t.Fatal(string(first), err)
		}
		res, err := client.Get(url + "/text/plain")
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("a stalled response ended with %q", body)
		}
		res.Body.Close()
		release <- struct{}{}
		if rest, err := io.ReadAll(events.Body); err != nil || string(rest) != "data: 2\n\n" {
			t.Errorf("got %q, %v", rest, err)
		}
	}
}
