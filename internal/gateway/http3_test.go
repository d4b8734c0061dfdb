package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/afloat-dev/afloat/internal/freeport"
)

// http3Client speaks HTTP/3 only.
func http3Client(t *testing.T, config *tls.Config) *http.Client {
	t.Helper()
	transport := &http3.Transport{TLSClientConfig: config, DisableCompression: true}
	t.Cleanup(func() { transport.Close() })
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// withHTTP3 is a configuration with one listener of HTTPS that speaks HTTP/3.
func withHTTP3(a *authority, s ServiceConfig) (*Config, *tls.Config) {
	cert, key := a.sign("shop", "shop.example")
	c := secured(&TLSConfig{Cert: cert, Key: key}, s)
	c.Listeners[0].HTTP3 = &HTTP3Config{}
	return c, &tls.Config{RootCAs: a.pool, ServerName: "shop.example"}
}

func TestHTTP3IsServedOnTheSamePort(t *testing.T) {
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(echo(t))})
	_, n, at := startTLS(t, c)
	_, port, _ := net.SplitHostPort(at)
	told := `h3=":` + port + `"; ma=3600`
	requests := 0
	for _, test := range []struct {
		client   *http.Client
		protocol string
	}{
		{http3Client(t, trust), "HTTP/3"},
		{http2Client(t, trust), "HTTP/2"},
		{&http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone()}}, "HTTP/1.1"},
	} {
		for _, method := range []string{"GET", "HEAD", "DELETE", "POST"} {
			for _, size := range []int{0, 10, 100_000, 1_000_000} {
				res, body := do(t, test.client, method, "https://"+at+"/buy", strings.Repeat("b", size))
				want := method + " /buy " + strings.Repeat("b", size)
				if method == "HEAD" {
					want = ""
				}
				if requests++; res.StatusCode != 200 || body != want || res.Header.Get("X-Proto") != "https" {
					t.Errorf("%s, %s with %d bytes: got %d, %d bytes, %v", test.protocol, method, size, res.StatusCode, len(body), res.Header)
				}
				if got := res.Header.Get("Alt-Svc"); got != told {
					t.Errorf("%s: Alt-Svc is %q, want %q", test.protocol, got, told)
				}
				if r := n.last(t, requests); r.Protocol != test.protocol || r.Method != method || r.RequestBytes != int64(size) || !r.Client.IsValid() {
					t.Errorf("%s, %s with %d bytes: recorded %+v", test.protocol, method, size, r)
				}
			}
		}
	}
}

func TestPoliciesServeHTTP3AsWell(t *testing.T) {
	bad := origin(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(bad, echo(t))})
	c.Routes[0].Match = []MatchConfig{{Host: "shop.example"}}
	_, _, at := startTLS(t, c)
	client := http3Client(t, trust)
	client.Transport.(*http3.Transport).Dial = func(ctx context.Context, _ string, t *tls.Config, q *quic.Config) (*quic.Conn, error) {
		return quic.DialAddrEarly(ctx, at, t, q)
	}
	for range 20 {
		if res, body := do(t, client, "PUT", "https://shop.example/", "payload"); res.StatusCode != 200 || body != "PUT / payload" {
			t.Fatalf("got %d %q", res.StatusCode, body)
		}
		req, _ := http.NewRequest("PUT", "https://shop.example/", io.MultiReader(strings.NewReader("pay"), strings.NewReader("load")))
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
	if res, _ := do(t, client, "GET", "https://bank.example/", ""); res.StatusCode != 404 {
		t.Errorf("another host: got %d", res.StatusCode)
	}
}

func TestTrailersPassFromHTTP3ToHTTP2(t *testing.T) {
	address, _ := http2Origin(t, 250, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		w.Write(body)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Sum")+"!")
	})
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(address), Protocol: ProtocolHTTP2})
	_, _, at := startTLS(t, c)
	req, _ := http.NewRequest("POST", "https://"+at, io.MultiReader(strings.NewReader("body")))
	req.Trailer = http.Header{"X-Sum": {"4"}}
	res, err := http3Client(t, trust).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != "body" || res.Trailer.Get("X-Sum") != "4!" {
		t.Errorf("got %q, %v, %v", body, res.Trailer, err)
	}
}

func TestHTTP3KnowsTheClientByItsCertificate(t *testing.T) {
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Listeners[0].TLS.ClientCA = a.dir + "/ca.pem"
	_, n, at := startTLS(t, c)
	if res, err := http3Client(t, trust).Get("https://" + at); err == nil {
		t.Errorf("a client without a certificate got %d", res.StatusCode)
	}
	cert, key := a.sign("buyer", "buyer.example")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	trust.Certificates = []tls.Certificate{pair}
	if res, _ := do(t, http3Client(t, trust), "GET", "https://"+at, ""); res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
	if r := n.last(t, 1); r.Identity != "buyer.example" {
		t.Errorf("got %+v", r)
	}
}

func TestHTTP3DrainsWithoutLoss(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(begun)
			<-release
		}
		io.WriteString(w, strings.Repeat("whole", 100_000))
	})
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(address)})
	g := New(Options{})
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Serve(ctx) }()
	url := "https://" + g.Addresses()[0]
	idle, busy := http3Client(t, trust), http3Client(t, trust)
	do(t, idle, "GET", url, "")
	answered := make(chan int, 1)
	go func() {
		defer close(answered) // where it fails
		_, body := do(t, busy, "GET", url+"/slow", "")
		answered <- len(body)
	}()
	<-begun
	cancel()
	eventually(t, "the idle connection is gone", func() bool { return g.Status().Listeners[0].Connections == 1 })
	select {
	case <-ended:
		t.Error("the drain ended before the request")
	default:
	}
	close(release)
	if got := <-answered; got != 500_000 {
		t.Errorf("got %d bytes", got)
	}
	<-ended
	udp, err := net.ListenPacket("udp", strings.TrimPrefix(url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	udp.Close()
}

// TestReloadKeepsConnectionsOfHTTP3: requests go on while configurations,
// certificates too, change under them.
func TestReloadKeepsConnectionsOfHTTP3(t *testing.T) {
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Listeners[0].Address = freeport.Address(t)
	g, _, at := startTLS(t, c)
	stop := make(chan struct{})
	var all sync.WaitGroup
	var served atomic.Int64
	for range 4 {
		client := http3Client(t, trust)
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if res, body := do(t, client, "POST", "https://"+at, "x"); res.StatusCode != 200 || body != "POST / x" {
					t.Errorf("got %d %q", res.StatusCode, body)
				}
				served.Add(1)
			}
		})
	}
	for i := range 10 {
		before := served.Load()
		cert, key := a.sign("shop", "shop.example")
		next := *c
		next.Listeners = []ListenerConfig{{Address: c.Listeners[0].Address, TLS: &TLSConfig{Cert: cert, Key: key}, HTTP3: &HTTP3Config{}, StreamsMax: 10 + i, HeaderBytes: 4096 * (i + 1)}}
		if err := g.Apply(&next); err != nil {
			t.Fatal(err)
		}
		eventually(t, "more are served", func() bool { return served.Load() > before+10 })
	}
	close(stop)
	all.Wait()

	without := *c
	without.Listeners = []ListenerConfig{{Address: c.Listeners[0].Address, TLS: c.Listeners[0].TLS}}
	if err := g.Apply(&without); err != nil {
		t.Fatal(err)
	}
	eventually(t, "connections of HTTP/3 are gone", func() bool { return g.Status().Listeners[0].Connections == 0 })
	if res, _ := do(t, http2Client(t, trust), "GET", "https://"+at, ""); res.Header.Get("Alt-Svc") != "" {
		t.Errorf("it is still told of: %v", res.Header)
	}
	eventually(t, "it is spoken again", func() bool { return g.Apply(c) == nil }) // the port is given back soon
	if res, _ := do(t, http3Client(t, trust), "GET", "https://"+at, ""); res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestUDPPortInUseIsTold(t *testing.T) {
	address := freeport.Address(t)
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	a := newAuthority(t)
	c, _ := withHTTP3(a, ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Listeners[0].Address = udp.LocalAddr().String()
	g := New(Options{})
	if err := g.Apply(c); err == nil || !strings.Contains(err.Error(), "HTTP/3, over UDP: listen on "+udp.LocalAddr().String()+": the port is in use") {
		t.Errorf("got %v", err)
	}
	if tcp, err := net.Listen("tcp", c.Listeners[0].Address); err != nil {
		t.Errorf("the port of TCP was not given back: %v", err)
	} else {
		tcp.Close()
	}
	c.Listeners[0].HTTP3 = nil
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	g.Serve(ctx)
}

func TestStreamOfHTTP3ThatIsCancelledIsNoticed(t *testing.T) {
	asked, left := make(chan struct{}), make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(left)
	})
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(address)})
	_, n, at := startTLS(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://"+at, nil)
	go http3Client(t, trust).Do(req)
	<-asked
	cancel()
	if r := n.last(t, 1); r.Status != 499 || r.Reason != ReasonClientGone {
		t.Errorf("got %+v", r)
	}
	<-left
}

func TestResponseOfHTTP3ThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(address)})
	_, _, at := startTLS(t, c)
	res, err := http3Client(t, trust).Get("https://" + at)
	if err != nil {
		return // the reset was faster than the head
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("got %q for whole", body)
	}
}

// dialHTTP3 is a bare connection, on which anything can be sent.
func dialHTTP3(t *testing.T, at string, trust *tls.Config) *quic.Conn {
	t.Helper()
	config := trust.Clone()
	config.NextProtos = []string{http3.NextProtoH3}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := quic.DialAddr(ctx, at, config, &quic.Config{KeepAlivePeriod: 10 * time.Millisecond, MaxIncomingUniStreams: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseWithError(0, "") })
	return conn
}

func TestConnectionOfHTTP3WithoutRequestsIsClosed(t *testing.T) {
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Listeners[0].HeaderTimeout = 200 * time.Millisecond
	c.Listeners[0].IdleTimeout = 300 * time.Millisecond
	g, _, at := startTLS(t, c)
	silent := dialHTTP3(t, at, trust)
	partial := dialHTTP3(t, at, trust)
	stream, err := partial.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	stream.Write([]byte{1, 60, 0, 0}) // HEADERS of 60 bytes, of which two come
	for what, conn := range map[string]*quic.Conn{"silent": silent, "with half a head": partial} {
		select {
		case <-conn.Context().Done():
		case <-time.After(20 * time.Second):
			t.Errorf("the connection that is %s goes on", what)
		}
	}
	client := http3Client(t, trust)
	if res, _ := do(t, client, "GET", "https://"+at, ""); res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
	eventually(t, "the idle connection is closed", func() bool { return g.Status().Listeners[0].Connections == 0 })
	// Another client, as the first may not have heard yet that its connection is closed.
	if res, _ := do(t, http3Client(t, trust), "GET", "https://"+at, ""); res.StatusCode != 200 {
		t.Errorf("afterwards: got %d", res.StatusCode)
	}
}

func TestRapidResetsOfHTTP3EndTheirConnection(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(address)})
	_, _, at := startTLS(t, c)
	transport := &http3.Transport{}
	client := transport.NewClientConn(dialHTTP3(t, at, trust))
	var failed error
	for i := 0; i < 100_000 && failed == nil; i++ {
		ctx, cancel := context.WithCancel(context.Background())
		str, err := client.OpenRequestStream(ctx)
		if err != nil {
			cancel()
			failed = err
			break
		}
		req, _ := http.NewRequest("GET", "https://shop.example/", nil)
		failed = str.SendRequestHeader(req)
		time.Sleep(100 * time.Microsecond) // packets that are lost hide the flood
		str.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		str.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		cancel()
	}
	if e, ok := errors.AsType[*http3.Error](failed); !ok || e.ErrorCode != http3.ErrCodeExcessiveLoad {
		t.Errorf("the flood ended with %v", failed)
	}
}

func TestHTTP3IsBounded(t *testing.T) {
	release := make(chan struct{})
	var now, most atomic.Int64
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		now.Add(-1)
	})
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners[0].StreamsMax, c.Listeners[0].HeaderBytes, c.Listeners[0].BodyBytes, c.Listeners[0].ConnectionsMax = 3, 2048, 1000, 2
	g, _, at := startTLS(t, c)
	client := http3Client(t, trust)
	var all sync.WaitGroup
	for range 9 {
		all.Go(func() { do(t, client, "GET", "https://"+at, "") })
	}
	eventually(t, "three are under way", func() bool { return now.Load() == 3 })
	second := dialHTTP3(t, at, trust)
	eventually(t, "two are connected", func() bool { return g.Status().Listeners[0].Connections == 2 })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	config := trust.Clone()
	config.NextProtos = []string{http3.NextProtoH3}
	if _, err := quic.DialAddr(ctx, at, config, nil); err == nil {
		t.Error("a third connection was taken")
	}
	close(release)
	all.Wait()
	if most.Load() != 3 {
		t.Errorf("%d at once", most.Load())
	}
	if res, _ := do(t, client, "PUT", "https://"+at, strings.Repeat("b", 1001)); res.StatusCode != 413 {
		t.Errorf("a large body: got %d", res.StatusCode)
	}
	req, _ := http.NewRequest("GET", "https://"+at, nil)
	req.Header.Set("X", strings.Repeat("v", 3000))
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 431 {
		t.Errorf("a large head: got %d", res.StatusCode)
	}
	second.CloseWithError(0, "")
	eventually(t, "there is room again", func() bool { return g.Status().Listeners[0].Connections == 1 })
	if res, _ := do(t, http3Client(t, trust), "GET", "https://"+at, ""); res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestCallsOfGRPCOverHTTP3HaveAStatus(t *testing.T) {
	address, _ := http2Origin(t, 250, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Write([]byte{0, 0, 0, 0, 0})
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(address)})
	c.Services["gone"] = ServiceConfig{Endpoints: Addresses("127.0.0.1:1")}
	c.Routes = append([]RouteConfig{{Match: []MatchConfig{{Path: &StringMatch{Exact: "/gone"}}}, To: []DestinationConfig{{Service: "gone"}}}}, c.Routes...)
	_, _, at := startTLS(t, c)
	for path, want := range map[string]string{"/shop.Cart/Add": "0", "/gone": "14"} {
		req, _ := http.NewRequest("POST", "https://"+at+path, strings.NewReader("\x00\x00\x00\x00\x00"))
		req.Header.Set("Content-Type", "application/grpc")
		res, err := http3Client(t, trust).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if got := res.Header.Get("Grpc-Status") + res.Trailer.Get("Grpc-Status"); res.StatusCode != 200 || got != want {
			t.Errorf("%s: got %d, %v, %v", path, res.StatusCode, res.Header, res.Trailer)
		}
	}
}

// TestSessionsOfHTTP3AreResumedWithoutEarlyData: a request in early data could
// be sent again by whoever saw it.
func TestSessionsOfHTTP3AreResumedWithoutEarlyData(t *testing.T) {
	a := newAuthority(t)
	c, trust := withHTTP3(a, ServiceConfig{Endpoints: Addresses(echo(t))})
	_, _, at := startTLS(t, c)
	trust.ClientSessionCache = tls.NewLRUClientSessionCache(10)
	for i := range 3 {
		conns := make(chan *quic.Conn, 1)
		transport := &http3.Transport{TLSClientConfig: trust, Dial: func(ctx context.Context, address string, t *tls.Config, q *quic.Config) (*quic.Conn, error) {
			conn, err := quic.DialAddrEarly(ctx, address, t, q)
			conns <- conn
			return conn, err
		}}
		res, body := do(t, &http.Client{Transport: transport}, http3.MethodGet0RTT, "https://"+at, "")
		state := (<-conns).ConnectionState()
		if res.StatusCode != 200 || body != "GET / " || state.Used0RTT || state.TLS.DidResume != (i > 0) {
			t.Errorf("connection %d: got %d %q, early data %v, resumed %v", i, res.StatusCode, body, state.Used0RTT, state.TLS.DidResume)
		}
		transport.Close()
	}
}
