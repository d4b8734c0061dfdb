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

// raw sends bytes as they are and returns what comes back until the end of the
// connection.
func raw(t *testing.T, url, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil && len(answer) == 0 {
		t.Fatalf("no answer: %v", err)
	}
	return string(answer)
}

func TestMalformedRequestsNeverReachAnEndpoint(t *testing.T) {
	var reached atomic.Int64
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { reached.Add(1) })
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	for _, c := range []struct{ name, request, want string }{
		{"both framing headers", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"repeated length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"},
		{"bare LF", "GET / HTTP/1.1\nHost: a\n\n", "400"},
		{"NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", "400"},
		{"folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", "400"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
		{"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
		{"oversized header", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", "431"},
		{"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
		{"connect", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "501"},
		{"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := raw(t, url, c.request)
			if !strings.HasPrefix(answer, "HTTP/1.1 "+c.want+" ") {
				t.Fatalf("got %q, want status %s", answer, c.want)
			}
			if !strings.Contains(answer, "Connection: close\r\n") {
				t.Fatalf("the connection goes on after %q", answer)
			}
		})
	}
	if n := reached.Load(); n != 0 {
		t.Fatalf("%d malformed requests reached the endpoint", n)
	}
}

// A first line with neither a path nor a version is a wrong preface of HTTP/2
// (RFC 9113, 3.4), or of no protocol that is served. Behind a request it is a
// malformed request.
func TestWhatIsNoHTTPGetsNoAnswer(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	for _, line := range []string{"INVALID CONNECTION PREFACE", "SSH-2.0-OpenSSH_9.2p1", "hello"} {
		if answer := raw(t, url, line+"\r\n\r\n"); answer != "" {
			t.Errorf("%s: got %q", line, answer)
		}
		answer := raw(t, url, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"+line+"\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 200 ") || !strings.Contains(answer, "HTTP/1.1 400 ") {
			t.Errorf("%s behind a request: got %q", line, answer)
		}
	}
	for _, line := range []string{"GET /", "GET / HTTPS", "a HTTP/1.1", "GET HTTP/1.1", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2"} {
		if answer := raw(t, url, line+"\r\nHost: a\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
			t.Errorf("%s: got %q", line, answer)
		}
	}
}

func TestBadChunkBreaksTheRequestOff(t *testing.T) {
	var whole atomic.Int64
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			whole.Add(1)
		}
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	for _, body := range []string{"xyz\r\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "-1\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n"} {
		answer := raw(t, url, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+body)
		if !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
			t.Errorf("body %q: got %q", body, answer)
		}
	}
	if n := whole.Load(); n != 0 {
		t.Fatalf("an endpoint took %d bad bodies for whole", n)
	}
}

func TestSlowClientsTimeOut(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", HeaderTimeout: 150 * time.Millisecond, StallTimeout: 150 * time.Millisecond, IdleTimeout: 150 * time.Millisecond}}
	_, url := start(t, c)
	for _, c := range []struct{ name, request, want string }{
		{"in the head", "GET / HTTP/1.1\r\nHost: a\r\nX-", "HTTP/1.1 408 "},
		{"in a short body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 408 "},
		{"in a streamed body", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "HTTP/1.1 408 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if answer := raw(t, url, c.request); !strings.HasPrefix(answer, c.want) {
				t.Fatalf("got %q", answer)
			}
		})
	}
	t.Run("before a request", func(t *testing.T) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if answer, err := io.ReadAll(conn); len(answer) > 0 || err != nil {
			t.Fatalf("got %q, %v; want a plain close", answer, err)
		}
	})
}

func TestBodyLimit(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", BodyBytes: 100}}
	_, url := start(t, c)
	long := strings.Repeat("x", 101)
	for name, request := range map[string]string{
		"announced": fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(long), long),
		"chunked":   fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(long), long),
	} {
		if answer := raw(t, url, request); !strings.HasPrefix(answer, "HTTP/1.1 413 ") {
			t.Errorf("%s: got %q", name, answer)
		}
	}
	if answer := raw(t, url, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 100\r\n\r\n"+long[:100]); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		t.Errorf("a body at the limit: got %q", answer)
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	answer := raw(t, url, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	r := bufio.NewReader(strings.NewReader(answer))
	for _, want := range []string{"/1", "/2", "/3"} {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%v in %q", err, answer)
		}
		if body, _ := io.ReadAll(res.Body); string(body) != want {
			t.Fatalf("got %q, want %q", body, want)
		}
	}
}

func TestExpectContinueIsAnswered(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	r := bufio.NewReader(conn)
	if line, _ := r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q", line)
	}
	r.ReadString('\n')
	io.WriteString(conn, "hello")
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(res.Body); string(body) != "hello" {
		t.Fatalf("got %q", body)
	}
}

func TestHopByHopAndClaimedOriginAreNotForwarded(t *testing.T) {
	seen := make(chan http.Header, 1)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		h.Set("Host", r.Host)
		seen <- h
		w.Header().Set("Connection", "X-Internal")
		w.Header().Set("X-Internal", "secret")
		w.Header().Set("X-Public", "yes")
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	answer := raw(t, url, "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"+
		"Connection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nProxy-Authorization: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nAccept: */*\r\n\r\n")
	h := <-seen
	for _, name := range []string{"Forwarded", "X-Real-Ip", "X-Hop", "Te", "Proxy-Authorization", "Upgrade", "Http2-Settings", "Connection"} {
		if v := h.Get(name); v != "" {
			t.Errorf("%s: %q was forwarded", name, v)
		}
	}
	for name, want := range map[string]string{"Host": "shop.example", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "shop.example", "X-Forwarded-Proto": "http", "Accept": "*/*"} {
		if got := h.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if strings.Contains(answer, "secret") || !strings.Contains(answer, "X-Public: yes\r\n") {
		t.Errorf("got %q", answer)
	}
}

func TestHTTP10ClientGetsABodyThatEndsWithTheConnection(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "one ")
		w.(http.Flusher).Flush()
		io.WriteString(w, "two")
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	answer := raw(t, url, "GET / HTTP/1.0\r\n\r\n")
	if strings.Contains(answer, "chunked") || !strings.HasSuffix(answer, "\r\n\r\none two") {
		t.Fatalf("got %q", answer)
	}
}

func TestMalformedResponseIsA502(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi")
			conn.Close()
		}
	}()
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(l.Addr().String())}))
	if status, body := get(t, url); status != 502 || !strings.Contains(body, "not valid HTTP") {
		t.Fatalf("got %d %q", status, body)
	}
}
