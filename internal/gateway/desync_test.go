package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// script is an origin on a bare socket: f has each connection to itself.
func script(t *testing.T, f func(conn net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				f(conn, bufio.NewReader(conn))
			}()
		}
	}()
	return l.Addr().String()
}

// caller is a connection to the gateway on which one request follows another.
type caller struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func connect(t *testing.T, url string) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &caller{t, conn, bufio.NewReader(conn)}
}

func (c *caller) send(request string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, request); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads a response to a request of the method.
func (c *caller) answer(method string) (*http.Response, string) {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res, string(body)
}

func TestRefusalDoesNotWaitForAChunkedBody(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "x"))})
	c.Routes[0].Match = []MatchConfig{{Path: &StringMatch{Exact: "/known"}}}
	_, url := start(t, c)
	for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
		conn := connect(t, url)
		conn.SetDeadline(time.Now().Add(5 * time.Second)) // StallTimeout is 30 s
		conn.send("POST /unknown HTTP/1.1\r\nHost: a\r\n" + expect + "Transfer-Encoding: chunked\r\n\r\n")
		if res, _ := conn.answer("POST"); res.StatusCode != 404 || !res.Close {
			t.Errorf("%q: got %d, close %v", expect, res.StatusCode, res.Close)
		}
	}
}

func TestRefusalAfterAStreamedBodyKnowsItsOwnBody(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Routes[0].Match = []MatchConfig{{Path: &StringMatch{Exact: "/known"}}}
	_, url := start(t, c)
	conn := connect(t, url)
	conn.send("POST /known HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	if res, _ := conn.answer("POST"); res.StatusCode != 200 || res.Close {
		t.Fatalf("got %d, close %v", res.StatusCode, res.Close)
	}
	conn.send("POST /unknown HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nabc") // and no more
	if res, _ := conn.answer("POST"); res.StatusCode != 404 || !res.Close {
		t.Fatalf("got %d, close %v: the body before was streamed, this one is unread", res.StatusCode, res.Close)
	}
}

func TestUnreadBodyIsNeverTakenForARequest(t *testing.T) {
	var smuggled atomic.Int64
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/smuggled" {
			smuggled.Add(1)
		}
	})
	for name, c := range map[string]*Config{
		"no route":    oneService(ServiceConfig{Endpoints: Addresses(address)}),
		"unreachable": oneService(ServiceConfig{Endpoints: Addresses(refusing(t))}),
		"no endpoint": oneService(ServiceConfig{}),
	} {
		if name == "no route" {
			c.Routes[0].Match = []MatchConfig{{Path: &StringMatch{Prefix: "/smuggled"}}}
		}
		_, url := start(t, c)
		inner := "GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
		for _, body := range []string{
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(inner), inner),
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", 100_000, inner),
			fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(inner), inner),
		} {
			conn := connect(t, url)
			conn.send("POST /x HTTP/1.1\r\nHost: a\r\n" + body)
			if res, _ := conn.answer("POST"); res.StatusCode < 400 {
				t.Errorf("%s: got %d", name, res.StatusCode)
			}
		}
	}
	if n := smuggled.Load(); n > 0 {
		t.Fatalf("%d bodies were taken for requests", n)
	}
}

// With something behind the answer to HEAD, or with more than was announced,
// nobody can tell where the next response begins.
func TestConnectionWithBytesLeftOverIsNotReused(t *testing.T) {
	for name, c := range map[string]struct{ method, answer string }{
		"body after HEAD":        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		"body after 304":         {"GET", "HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		"more than the length":   {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		"more after last chunk":  {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		"204 with a body":        {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 38\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		"connection said closed": {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"},
	} {
		t.Run(name, func(t *testing.T) {
			var connections atomic.Int64
			address := script(t, func(conn net.Conn, r *bufio.Reader) {
				connections.Add(1)
				for {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					io.WriteString(conn, c.answer)
				}
			})
			_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
			conn := connect(t, url)
			for range 3 {
				conn.send(c.method + " / HTTP/1.1\r\nHost: a\r\n\r\n")
				conn.answer(c.method)
			}
			if n := connections.Load(); n != 3 {
				t.Errorf("%d connections for 3 requests", n)
			}
		})
	}
}

func TestInterimResponsesAreNotTakenForTheAnswer(t *testing.T) {
	address := script(t, func(conn net.Conn, r *bufio.Reader) {
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
		}
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	conn := connect(t, url)
	for range 3 {
		conn.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if res, body := conn.answer("GET"); res.StatusCode != 200 || body != "hi" || res.Header.Get("Link") != "" {
			t.Fatalf("got %d %q %v", res.StatusCode, body, res.Header)
		}
	}
}

func TestUpgradeIsNotPassedOnWithABody(t *testing.T) {
	address := script(t, func(conn net.Conn, r *bufio.Reader) {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if req.Header.Get("Upgrade") != "" {
			t.Error("a request with a body asked for another protocol")
		}
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(conn, r)
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	conn := connect(t, url)
	conn.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n") // to be continued
	if res, _ := conn.answer("POST"); res.StatusCode != 502 {
		t.Fatalf("got %d", res.StatusCode)
	}
}

func TestAnswerBeforeTheBodyEndsClosesTheConnection(t *testing.T) {
	address := script(t, func(conn net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
		io.Copy(io.Discard, r)
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	conn := connect(t, url)
	conn.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	if res, body := conn.answer("POST"); res.StatusCode != 200 || body != "hi" || !res.Close {
		t.Fatalf("got %d %q, close %v", res.StatusCode, body, res.Close)
	}
}

func TestHTTP10RequestWithoutHostGetsTheEndpoints(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	if answer := raw(t, url, "GET / HTTP/1.0\r\n\r\n"); !strings.HasSuffix(answer, "\r\n\r\n"+address) {
		t.Fatalf("got %q", answer)
	}
}

func TestTargetFormsReachTheEndpointInOriginForm(t *testing.T) {
	address := script(t, func(conn net.Conn, r *bufio.Reader) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			text := req.Method + " " + req.RequestURI + " " + req.Host
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", Paths: PathAsIs}}
	_, url := start(t, c)
	conn := connect(t, url)
	for request, want := range map[string]string{
		"GET http://b.example/p?q=1 HTTP/1.1\r\nHost: a\r\n\r\n":      "GET /p?q=1 b.example",
		"GET http://b.example?q=1 HTTP/1.1\r\nHost: a\r\n\r\n":        "GET /?q=1 b.example",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n":                       "OPTIONS * a",
		"OPTIONS http://b.example HTTP/1.1\r\nHost: a\r\n\r\n":        "OPTIONS * b.example",
		"GET /a%2Fb/../c?x=%&y HTTP/1.1\r\nHost: a.example:1\r\n\r\n": "GET /a%2Fb/../c?x=%&y a.example:1",
	} {
		conn.send(request)
		if _, body := conn.answer("GET"); body != want {
			t.Errorf("%q: the endpoint saw %q, want %q", request, body, want)
		}
	}
}

func TestUnderscoresDoNotHideAClaimedOrigin(t *testing.T) {
	address := script(t, func(conn net.Conn, r *bufio.Reader) {
		var head strings.Builder
		for {
			line, err := r.ReadString('\n')
			if err != nil || line == "\r\n" {
				break
			}
			head.WriteString(line)
		}
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", head.Len(), head.String())
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	answer := raw(t, url, "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 6.6.6.6\r\nX-Real_IP: 6.6.6.6\r\nx_forwarded-PROTO: https\r\nX_Other: 1\r\nConnection: close\r\n\r\n")
	if strings.Contains(answer, "6.6.6.6") || strings.Contains(answer, "https") || !strings.Contains(answer, "X_Other: 1") {
		t.Fatalf("the endpoint saw %q", answer)
	}
}
