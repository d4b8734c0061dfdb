package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

//lint:file-ignore SA1019 net/http has no client of extended CONNECT

// extendedClient speaks HTTP/2 with extended CONNECT, which net/http's client
// does not.
func extendedClient(t *testing.T, config *tls.Config) *http.Client {
	transport := &http2.Transport{AllowHTTP: true, TLSClientConfig: config.Clone()}
	if config == nil {
		transport.DialTLSContext = func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// joining is an endpoint that agrees to a WebSocket, and then says what it gets.
// The path says how it answers.
func joining(t *testing.T) string {
	return script(t, func(conn net.Conn, r *bufio.Reader) {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		accept := acceptOf(req.Header.Get("Sec-WebSocket-Key"))
		switch req.URL.Path {
		case "/wrong":
			accept = acceptOf("another key")
		case "/plain":
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
			return
		case "/no":
			io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
			return
		}
		if req.Method != "GET" || req.Header.Get("Connection") != "Upgrade" || req.Header.Get("Upgrade") != "websocket" || req.Header.Get("Sec-WebSocket-Version") != "13" {
			io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			return
		}
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: "+accept+"\r\n\r\nhello\n")
		for {
			line, err := r.ReadString('\n')
			if err != nil || line == "end\n" {
				return
			}
			io.WriteString(conn, "got "+line)
		}
	})
}

func TestWebSocketsComeOnStreams(t *testing.T) {
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(joining(t))})
	c.Listeners = append(c.Listeners, ListenerConfig{Address: "localhost:0"})
	c.Routes = append([]RouteConfig{{Match: []MatchConfig{{Path: &StringMatch{Exact: "/fixed"}}}, Respond: &FallbackConfig{Body: "fixed"}}}, c.Routes...)
	g, n, secure := startTLS(t, c)
	plain := g.Addresses()[1]
	recorded := 0
	for name, test := range map[string]struct {
		client  *http.Client
		url     string
		request func(*http.Request)
	}{
		"HTTP/2 in plain": {extendedClient(t, nil), "http://" + plain, func(r *http.Request) { r.Header[":protocol"] = []string{"websocket"} }},
		"HTTP/2 over TLS": {extendedClient(t, trust), "https://" + secure, func(r *http.Request) { r.Header[":protocol"] = []string{"websocket"} }},
		"HTTP/3":          {http3Client(t, trust), "https://" + secure, func(r *http.Request) { r.Proto = "websocket" }},
	} {
		open := func(path string) (*http.Response, *io.PipeWriter) {
			pr, pw := io.Pipe()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			t.Cleanup(cancel)
			req, err := http.NewRequestWithContext(ctx, "CONNECT", test.url+path, pr)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Protocol": {"chat"}}
			test.request(req)
			res, err := test.client.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			t.Cleanup(func() { res.Body.Close(); pw.Close() })
			recorded++
			return res, pw
		}
		res, up := open("/live?a=b")
		if res.StatusCode != 200 || res.Header.Get("Sec-WebSocket-Protocol") != "chat" || res.Header.Get("Sec-WebSocket-Accept")+res.Header.Get("Upgrade") != "" {
			t.Fatalf("%s: got %d, %v", name, res.StatusCode, res.Header)
		}
		lines := bufio.NewReader(res.Body)
		for _, say := range []string{"", "one\n", "two\n", strings.Repeat("x", 50_000) + "\n"} {
			io.WriteString(up, say)
			want := "hello\n"
			if say != "" {
				want = "got " + say
			}
			if line, err := lines.ReadString('\n'); err != nil || line != want {
				t.Fatalf("%s: got %q, %v", name, line, err)
			}
		}
		io.WriteString(up, "end\n")
		if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
			t.Errorf("%s: at the end: %q, %v", name, rest, err)
		}
		r := n.last(t, recorded)
		if r.Status != 101 || r.Method != "GET" || string(r.Path) != "/live" || r.RequestBytes != 50_013 || r.ResponseBytes != 50_027 {
			t.Errorf("%s: recorded %+v", name, r)
		}
		for path, want := range map[string]int{"/wrong": 502, "/plain": 502, "/no": 403, "/fixed": 501} {
			res, _ := open(path)
			io.Copy(io.Discard, res.Body)
			if r := n.last(t, recorded); res.StatusCode != want || r.Status != want {
				t.Errorf("%s, %s: got %d, want %d, recorded %+v", name, path, res.StatusCode, want, r)
			}
		}
	}
}

func TestWebSocketOnAStreamEndsWithItsClient(t *testing.T) {
	gone := make(chan struct{})
	address := script(t, func(conn net.Conn, r *bufio.Reader) {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+acceptOf(req.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n")
		io.Copy(io.Discard, r)
		gone <- struct{}{}
	})
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(address)})
	g, _, at := startTLS(t, c)
	for _, three := range []bool{false, true} {
		client := extendedClient(t, trust)
		if three {
			client = http3Client(t, trust)
		}
		ctx, cancel := context.WithCancel(context.Background())
		pr, _ := io.Pipe()
		req, _ := http.NewRequestWithContext(ctx, "CONNECT", "https://"+at, pr)
		if req.Header = (http.Header{":protocol": {"websocket"}}); three {
			req.Header, req.Proto = http.Header{}, "websocket"
		}
		res, err := client.Do(req)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		cancel()
		res.Body.Close()
		select {
		case <-gone:
		case <-time.After(20 * time.Second):
			t.Error("the endpoint's connection goes on")
		}
		eventually(t, "nothing is under way", func() bool { return g.Status().Services[0].InFlight == 0 })
	}
}

func TestOnlyWebSocketIsServedByCONNECT(t *testing.T) {
	reached := make(chan string, 10)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { reached <- r.URL.Path })
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	base := []string{":scheme", "http", ":path", "/", ":authority", "a"}
	for name, fields := range map[string][]string{
		"CONNECT":             {":method", "CONNECT", ":authority", "a:80"},
		"another protocol":    append([]string{":method", "CONNECT", ":protocol", "connect-udp"}, base...),
		"GET with a protocol": append([]string{":method", "GET", ":protocol", "websocket"}, base...),
		"with a length":       append([]string{":method", "CONNECT", ":protocol", "websocket"}, append(base, "content-length", "5")...),
	} {
		f := newFrames(t, strings.TrimPrefix(url, "http://"))
		f.headers(1, false, fields...)
		if status, reset := f.answerOf(1); !reset && (status < 400 || status > 501) {
			t.Errorf("%s: got %d", name, status)
		}
	}
	if len(reached) > 0 {
		t.Errorf("the endpoint got %q", <-reached)
	}
}

// TestWhatNetHTTPWasToldIsToldToNobodyElse: programs that are started later have
// their own net/http.
func TestWhatNetHTTPWasToldIsToldToNobodyElse(t *testing.T) {
	if got := os.Getenv("GODEBUG"); strings.Contains(got, "http2xconnect") {
		t.Errorf("GODEBUG is %q", got)
	}
}
