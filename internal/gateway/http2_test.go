package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/policy"
)

// http2Client speaks HTTP/2 only, over TLS where config is not nil.
func http2Client(t *testing.T, config *tls.Config) *http.Client {
	t.Helper()
	p := new(http.Protocols)
	p.SetHTTP2(config != nil)
	p.SetUnencryptedHTTP2(config == nil)
	transport := &http.Transport{Protocols: p, TLSClientConfig: config.Clone(), DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func do(t *testing.T, c *http.Client, method, url, body string) (*http.Response, string) {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func TestHTTP2IsServedOnThePlainPortAndByALPN(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	c := oneService(ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}, {Address: "localhost:0", TLS: &TLSConfig{Cert: cert, Key: key}}}
	g, n, plain := startTLS(t, c)
	secure := g.Addresses()[1]
	config := &tls.Config{RootCAs: a.pool, ServerName: "shop.example"}
	for i, test := range []struct {
		client *http.Client
		url    string
		major  int
	}{
		{http2Client(t, nil), "http://" + plain, 2},
		{http2Client(t, config), "https://" + secure, 2},
		{http.DefaultClient, "http://" + plain, 1},
		{&http.Client{Transport: &http.Transport{TLSClientConfig: config.Clone()}}, "https://" + secure, 1},
	} {
		for _, size := range []int{0, 10, 100_000, 1_000_000} {
			res, body := do(t, test.client, "POST", test.url+"/buy", strings.Repeat("b", size))
			if res.StatusCode != 200 || res.ProtoMajor != test.major || body != "POST /buy "+strings.Repeat("b", size) {
				t.Errorf("client %d, %d bytes: got %d, HTTP/%d, %d bytes", i, size, res.StatusCode, res.ProtoMajor, len(body))
			}
			if got, want := res.Header.Get("X-Proto"), strings.SplitN(test.url, ":", 2)[0]; got != want {
				t.Errorf("X-Forwarded-Proto %q, want %q", got, want)
			}
		}
		res, body := do(t, test.client, "HEAD", test.url+"/buy", "")
		if res.StatusCode != 200 || body != "" {
			t.Errorf("HEAD: got %d %q", res.StatusCode, body)
		}
		want := map[int]string{1: "HTTP/1.1", 2: "HTTP/2"}[test.major]
		if r := n.last(t, 5*(i+1)); r.Protocol != want || r.Method != "HEAD" || r.Status != 200 {
			t.Errorf("client %d: got %+v", i, r)
		}
	}
}

func TestPoliciesServeHTTP2AsWell(t *testing.T) {
	bad := origin(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	good := echo(t)
	c := oneService(ServiceConfig{Endpoints: Addresses(bad, good)})
	_, url := start(t, c)
	client := http2Client(t, nil)
	for range 20 {
		if res, body := do(t, client, "PUT", url, "payload"); res.StatusCode != 200 || body != "PUT / payload" {
			t.Fatalf("got %d %q", res.StatusCode, body)
		}
		// A body of unknown length is kept while it comes, and repeated too.
		req, _ := http.NewRequest("PUT", url, io.MultiReader(strings.NewReader("pay"), strings.NewReader("load")))
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 200 || string(body) != "PUT / payload" {
			t.Fatalf("streamed: got %d %q", res.StatusCode, body)
		}
	}
}

func TestHTTP2StreamsBothWaysAtOnce(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			io.WriteString(w, "got "+lines.Text()+"\n")
			w.(http.Flusher).Flush()
		}
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), StallTimeout: time.Minute}))
	pr, pw := io.Pipe()
	req, _ := http.NewRequest("POST", url, pr)
	go io.WriteString(pw, "line 0\n")
	res, err := http2Client(t, nil).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for i := range 5 {
		if !lines.Scan() || lines.Text() != "got line "+strconv.Itoa(i) {
			t.Fatalf("got %q, %v", lines.Text(), lines.Err())
		}
		io.WriteString(pw, "line "+strconv.Itoa(i+1)+"\n")
	}
	pw.Close()
	if !lines.Scan() || lines.Scan() || lines.Err() != nil {
		t.Errorf("the end: %v", lines.Err())
	}
}

func TestHTTP2RequestsThatCouldDesyncReachNoEndpoint(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.URL.Path)
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	at := strings.TrimPrefix(url, "http://")
	base := func(method, path string, more ...string) []string {
		return append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", "shop.example"}, more...)
	}
	for name, fields := range map[string][]string{
		"CONNECT":              {":method", "CONNECT", ":authority", "shop.example:80"},
		"Transfer-Encoding":    base("POST", "/", "transfer-encoding", "chunked"),
		"Connection":           base("GET", "/", "connection", "x-a"),
		"Upgrade":              base("GET", "/", "upgrade", "h2c"),
		"Keep-Alive":           base("GET", "/", "keep-alive", "1"),
		"TE":                   base("GET", "/", "te", "chunked"),
		"another Host":         base("GET", "/", "host", "bank.example"),
		"two Hosts":            base("GET", "/", "host", "shop.example", "host", "shop.example"),
		"CR LF in a value":     base("GET", "/", "x-a", "b\r\nx-c: d"),
		"NUL in a value":       base("GET", "/", "x-a", "b\x00"),
		"LF in a name":         base("GET", "/", "x-a\nb", "c"),
		"space in a name":      base("GET", "/", "x a", "c"),
		"colon in a name":      base("GET", "/", "x:a", "c"),
		"capital in a name":    base("GET", "/", "X-A", "c"),
		"empty name":           base("GET", "/", "", "c"),
		"space in the path":    base("GET", "/ HTTP/1.1\r\nx: y"),
		"absolute path":        base("GET", "http://bank.example/"),
		"relative path":        base("GET", "x"),
		"fragment in the path": base("GET", "/a#b"),
		"bad escape":           base("GET", "/%zz"),
		"asterisk":             base("GET", "*"),
		"empty path":           base("GET", ""),
		"space in the method":  base("GET /", "/"),
		"space in the host":    {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a b"},
		"slash in the host":    {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a/b"},
		"no host":              {":method", "GET", ":scheme", "http", ":path", "/"},
		"user in the host":     {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "me@shop.example"},
		"two Content-Lengths":  base("POST", "/", "content-length", "1", "content-length", "1"),
		"Content-Length alone": base("POST", "/", "content-length", "7"),
		"bad Content-Length":   base("POST", "/", "content-length", "+0"),
		"unknown expectation":  base("POST", "/", "expect", "magic"),
	} {
		f := newFrames(t, at)
		f.headers(1, true, fields...)
		status, reset := f.answer()
		if !reset && (status < 400 || status > 501) {
			t.Errorf("%s: answered %d", name, status)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) > 0 {
		t.Errorf("reached the endpoint: %q", seen)
	}
}

func TestBodyThatBelongsToNoLengthIsBrokenOff(t *testing.T) {
	whole := make(chan bool, 10)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		whole <- err == nil
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address), ReplayBytes: 1}))
	for _, body := range []string{"too short", "much too long for that"} {
		f := newFrames(t, strings.TrimPrefix(url, "http://"))
		f.headers(1, false, ":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a", "content-length", "15")
		f.frame(0, 1, 1, []byte(body))
		if status, reset := f.answer(); !reset && status < 400 {
			t.Errorf("%q: answered %d", body, status)
		}
	}
	for len(whole) > 0 {
		if <-whole {
			t.Error("the endpoint took a body for whole that was not")
		}
	}
}

func TestFloodsOfHTTP2EndTheirConnection(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", StallTimeout: 2 * time.Second}}
	g, url := start(t, c)
	at := strings.TrimPrefix(url, "http://")
	for name, flood := range map[string]func(f *frames, i uint32){
		"rapid reset": func(f *frames, i uint32) {
			f.headers(2*i+1, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a")
			f.frame(3, 0, 2*i+1, []byte{0, 0, 0, 8})
		},
		"ping": func(f *frames, _ uint32) { f.frame(6, 0, 0, make([]byte, 8)) },
		"continuation": func(f *frames, i uint32) {
			if i == 0 {
				f.frame(1, 0, 1, block(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"))
			}
			f.frame(9, 0, 1, block("x-"+strconv.Itoa(int(i)), strings.Repeat("v", 4000)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFrames(t, at)
			f.conn.(*net.TCPConn).SetReadBuffer(4 << 10)
			f.conn.SetDeadline(time.Now().Add(2 * time.Minute)) // a busy machine reads slowly, and what it answers fills buffers first
			f.hold = 64 << 10
			for i := uint32(0); f.err == nil && i < 4_000_000; i++ {
				flood(f, i)
			}
			if f.err == nil || expired(f.err) {
				t.Errorf("the flood went on: %v", f.err)
			}
		})
	}
	eventually(t, "the connections are gone", func() bool { return g.Status().Listeners[0].Connections == 0 })
}

func TestStreamsMaxAndHeaderBytesAreKept(t *testing.T) {
	release := make(chan struct{})
	var mu sync.Mutex
	now, most := 0, 0
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-release
		mu.Lock()
		now--
		mu.Unlock()
	})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", StreamsMax: 3, HeaderBytes: 2048}}
	_, url := start(t, c)
	many := newFrames(t, strings.TrimPrefix(url, "http://"))
	for i := range uint32(9) {
		many.headers(2*i+1, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a")
	}
	if _, reset := many.answer(); !reset { // of the fourth: it may be tried again
		t.Error("more streams were taken than allowed")
	}
	eventually(t, "three are under way", func() bool { mu.Lock(); defer mu.Unlock(); return now == 3 })
	close(release)
	if status, reset := many.answerOf(1); reset || status != 200 {
		t.Errorf("got %d, %v", status, reset)
	}
	if mu.Lock(); most != 3 {
		t.Errorf("%d at once", most)
	}
	mu.Unlock()
	f := newFrames(t, strings.TrimPrefix(url, "http://"))
	f.headers(1, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "x", strings.Repeat("v", 1200), "y", strings.Repeat("v", 1200))
	if status, reset := f.answer(); reset || status != 431 {
		t.Errorf("a large head: got %d, %v", status, reset)
	}
}

func TestHTTP2DrainsAndClosesIdleConnections(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-release
		io.WriteString(w, "whole")
	})
	g := New(Options{})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}}
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Serve(ctx) }()
	url := "http://" + g.Addresses()[0]
	answered := make(chan string, 1)
	client := http2Client(t, nil)
	go func() {
		res, err := client.Get(url)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answered <- string(body)
	}()
	<-begun
	cancel()
	eventually(t, "no new connection is taken", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(release)
	if got := <-answered; got != "whole" {
		t.Errorf("got %q", got)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the drain did not end")
	}
}

func TestClientThatCancelsIsNoticedOverHTTP2(t *testing.T) {
	asked, left := make(chan struct{}), make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(left)
	})
	_, n, at := startTLS(t, &Config{
		Listeners: []ListenerConfig{{Address: "127.0.0.1:0"}},
		Services:  map[string]ServiceConfig{"web": {Endpoints: Addresses(address)}},
		Routes:    []RouteConfig{{To: []DestinationConfig{{Service: "web"}}}},
	})
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+at, nil)
	go http2Client(t, nil).Do(req)
	<-asked
	cancel()
	if r := n.last(t, 1); r.Status != 499 || r.Reason != ReasonClientGone {
		t.Errorf("got %+v", r)
	}
	<-left
}

func TestQueuedRequestOfHTTP2ThatWasCancelledIsNotSent(t *testing.T) {
	release := make(chan struct{})
	var sent atomic.Int64
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		sent.Add(1)
		if r.URL.Path == "/first" {
			<-release
		}
	})
	c := ServiceConfig{Endpoints: Addresses(address)}
	c.Concurrency = policy.AdaptiveConfig{Min: 1, Initial: 1, Max: 1, WaitMax: 20 * time.Second, WaitTarget: 20 * time.Second}
	g, url := start(t, oneService(c))
	client := http2Client(t, nil)
	var all sync.WaitGroup
	all.Go(func() { do(t, client, "GET", url+"/first", "") })
	eventually(t, "the place is taken", func() bool { return sent.Load() == 1 })
	ctx, cancel := context.WithCancel(context.Background())
	for range 5 {
		all.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, "GET", url+"/left", nil)
			if _, err := client.Do(req); err == nil {
				t.Error("a cancelled request was answered")
			}
		})
	}
	queued := func(n int) func() bool { return func() bool { return int(g.Status().Services[0].Queued) == n } }
	eventually(t, "the others wait", queued(5))
	cancel()
	since := time.Now()
	eventually(t, "they have waited long", func() bool { return time.Since(since) > 2*queuedLong })
	close(release)
	all.Wait()
	eventually(t, "nobody waits", queued(0))
	if n := sent.Load(); n != 1 {
		t.Errorf("%d requests reached the endpoint", n)
	}
}

func TestSlowUploadOverHTTP2TimesOut(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", StallTimeout: 50 * time.Millisecond}}
	_, url := start(t, c)
	for _, length := range []string{"10", ""} {
		f := newFrames(t, strings.TrimPrefix(url, "http://"))
		fields := []string{":method", "PUT", ":scheme", "http", ":path", "/", ":authority", "a"}
		if length != "" {
			fields = append(fields, "content-length", length)
		}
		f.headers(1, false, fields...)
		f.frame(0, 0, 1, []byte("some"))
		if status, reset := f.answer(); reset || status != 408 {
			t.Errorf("length %q: got %d, reset %v", length, status, reset)
		}
	}
}

func TestStallThatComesWithTheEndHarmsNothing(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", StallTimeout: time.Millisecond}}
	_, url := start(t, c)
	client := http2Client(t, nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				req, _ := http.NewRequest("PUT", url, io.MultiReader(strings.NewReader("a"), strings.NewReader("b")))
				if res, err := client.Do(req); err == nil { // some are too slow
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			}
		})
	}
	all.Wait()
}

func TestBodyOverHTTP2IsBounded(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", BodyBytes: 1000}}
	_, url := start(t, c)
	client := http2Client(t, nil)
	for size, want := range map[int]int{1000: 200, 1001: 413} {
		for _, known := range []bool{true, false} {
			var body io.Reader = strings.NewReader(strings.Repeat("b", size))
			if !known {
				body = io.MultiReader(body) // of unknown length
			}
			req, _ := http.NewRequest("PUT", url, body)
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%d bytes, length known %v: got %d", size, known, res.StatusCode)
			}
		}
	}
}

func TestResponseThatBreaksOffResetsItsStream(t *testing.T) {
	address := script(t, func(conn net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err == nil {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}
	})
	_, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address)}))
	res, err := http2Client(t, nil).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err == nil || string(body) != "half" {
		t.Errorf("got %q, %v", body, err)
	}
}

// frames is a connection of HTTP/2 on which anything can be said.
type frames struct {
	conn net.Conn
	r    *bufio.Reader
	err  error
	hold int // bytes gathered before they are written
	held []byte
}

func newFrames(t *testing.T, address string) *frames {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	f := &frames{conn: conn, r: bufio.NewReader(conn)}
	io.WriteString(conn, http1.Preface)
	f.frame(4, 0, 0, nil)
	return f
}

func (f *frames) frame(kind, flags byte, stream uint32, payload []byte) {
	b := append(f.held, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	if f.held = append(b, payload...); len(f.held) < f.hold {
		return
	}
	if _, err := f.conn.Write(f.held); err != nil {
		f.err = err
	}
	f.held = f.held[:0]
}

func (f *frames) headers(stream uint32, end bool, fields ...string) {
	flags := byte(4)
	if end {
		flags |= 1
	}
	f.frame(1, flags, stream, block(fields...))
}

// block is fields in HPACK, each as a literal that is not indexed.
func block(fields ...string) []byte {
	var b bytes.Buffer
	for i, s := range fields {
		if i%2 == 0 {
			b.WriteByte(0)
		}
		if n := len(s); n < 127 {
			b.WriteByte(byte(n))
		} else {
			b.WriteByte(127)
			for n -= 127; n >= 128; n >>= 7 {
				b.WriteByte(byte(n) | 128)
			}
			b.WriteByte(byte(n))
		}
		b.WriteString(s)
	}
	return b.Bytes()
}

// answer is the status that a stream was answered with, where the table of
// HPACK or a literal tells it, or whether it or the connection was reset.
func (f *frames) answer() (status int, reset bool) { return f.answerOf(0) }

// answerOf is the answer of one stream; of any with 0.
func (f *frames) answerOf(stream uint32) (status int, reset bool) {
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(f.r, head); err != nil {
			return 0, true
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(f.r, payload); err != nil {
			return 0, true
		}
		if of := binary.BigEndian.Uint32(head[5:]); stream > 0 && of != stream {
			continue
		}
		switch head[3] {
		case 1:
			return statusOf(payload), false
		case 3, 7:
			return 0, true
		}
	}
}

// statusOf reads the first field of a block, which is :status: indexed, or as a
// literal with an indexed name that may be in Huffman's code, of which only
// digits are known here.
func statusOf(b []byte) int {
	if b[0]&0x80 != 0 {
		return map[byte]int{0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500}[b[0]]
	}
	text := b[2 : 2+int(b[1]&0x7f)]
	if b[1]&0x80 == 0 {
		n, _ := strconv.Atoi(string(text))
		return n
	}
	status, left := 0, len(text)*8
	bit := func(i, n int) int {
		v := 0
		for ; n > 0; n, i = n-1, i+1 {
			v = v<<1 | int(text[i/8]>>(7-i%8)&1)
		}
		return v
	}
	for i := 0; i+5 <= left && status < 100; { // 0 to 2 have five bits, 3 to 9 have six
		if v := bit(i, 5); v < 3 {
			status, i = status*10+v, i+5
		} else {
			status, i = status*10+bit(i, 6)-0x19+3, i+6
		}
	}
	return status
}
