package gateway

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tcpOrigin answers each line with its name and the line, and ends after its
// client has.
func tcpOrigin(t *testing.T, name string) string {
	return script(t, func(conn net.Conn, r *bufio.Reader) {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				io.WriteString(conn, "bye\n")
				return
			}
			io.WriteString(conn, name+" "+line)
		}
	})
}

// giveBack serves what it gets to whoever sent it.
func giveBack(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() { defer conn.Close(); io.Copy(conn, conn) }()
	}
}

// tcpTo is a configuration with one listener that passes everything on.
func tcpTo(endpoints ...string) *Config {
	return &Config{
		Listeners: []ListenerConfig{{Address: "127.0.0.1:0", DrainTimeout: 200 * time.Millisecond, TCP: &TCPConfig{Service: "web"}}},
		Services:  map[string]ServiceConfig{"web": {Endpoints: Addresses(endpoints...)}},
	}
}

// says sends a line and returns the one that comes back.
func (c *caller) says(line string) string {
	c.t.Helper()
	c.send(line + "\n")
	got, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("after %q: %v", line, err)
	}
	return strings.TrimSpace(got)
}

// sole is the listener of a gateway that has one.
func sole(g *Gateway) (l *listener) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l = range g.listeners {
	}
	return l
}

func TestTCPIsPassedOnAndHalfClosed(t *testing.T) {
	n := new(notes)
	g, url := startObserved(t, tcpTo(tcpOrigin(t, "a")), n)
	conn := connect(t, url)
	for _, word := range []string{"one", "two"} {
		if got := conn.says(word); got != "a "+word {
			t.Fatalf("got %q", got)
		}
	}
	if f := g.Status().Services[0].InFlight; f != 1 {
		t.Errorf("%d in flight", f)
	}
	if err := conn.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(conn.r); string(rest) != "bye\n" || err != nil {
		t.Errorf("after the half-close: %q, %v", rest, err)
	}
	r := n.last(t, 1)
	if r.RequestBytes != 8 || r.ResponseBytes != 16 || r.Tries != 1 || r.Failed() || r.Service != "web" || !strings.HasPrefix(r.Route, "tcp 127.0.0.1:") {
		t.Errorf("got %+v", r)
	}
	empty(t, g)
}

func TestTCPGoesToAnotherEndpointAndBack(t *testing.T) {
	dead := refusing(t)
	c := tcpTo(dead, tcpOrigin(t, "b"))
	g, url := start(t, c)
	for range 10 {
		if got := connect(t, url).says("x"); got != "b x" {
			t.Fatalf("got %q", got)
		}
	}
	eventually(t, "the refusing endpoint is down", func() bool { return stateOf(g, "web", dead).State == "down" })
	l, err := net.Listen("tcp", dead) // it heals
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
			go func() { defer conn.Close(); io.WriteString(conn, "healed\n"); io.Copy(io.Discard, conn) }()
		}
	}()
	eventually(t, "the endpoint gets connections again", func() bool { return connect(t, url).says("x") == "healed" })
}

// wantReset connects and wants the connection to be broken off, which may be seen
// as early as while connecting.
func wantReset(t *testing.T, url string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), 20*time.Second)
	if err == nil {
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestTCPWithNobodyToTakeItIsReset(t *testing.T) {
	n := new(notes)
	_, url := startObserved(t, tcpTo(refusing(t)), n)
	wantReset(t, url)
	if r := n.last(t, 1); r.Reason != ReasonUnreachable || !r.Failed() {
		t.Errorf("got %+v", r)
	}
}

func TestFullEndpointLeavesTCPToAnother(t *testing.T) {
	c := tcpTo(tcpOrigin(t, "a"), tcpOrigin(t, "b"))
	s := c.Services["web"]
	s.ConnectionsMax = 1
	c.Services["web"] = s
	n := new(notes)
	g, url := startObserved(t, c, n)
	first, second := connect(t, url), connect(t, url)
	if a, b := first.says("x"), second.says("x"); a == b {
		t.Errorf("both are at %q", a)
	}
	wantReset(t, url)
	if r := n.last(t, 1); r.Reason != ReasonOverloaded {
		t.Errorf("got %+v", r)
	}
	first.Close()
	eventually(t, "the place is free", func() bool { return g.Status().Services[0].InFlight == 1 })
	if got := connect(t, url).says("x"); got == "" {
		t.Error("the free place was not taken")
	}
}

func TestTCPHealthIsAskedByConnecting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	c := tcpTo(address, tcpOrigin(t, "b"))
	s := c.Services["web"]
	s.Health = HealthConfig{Connect: true, Interval: 20 * time.Millisecond}
	c.Services["web"] = s
	g, _ := start(t, c)
	eventually(t, "it is up", func() bool { return stateOf(g, "web", address).State == "up" })
	l.Close()
	eventually(t, "it is down although nobody called", func() bool { return stateOf(g, "web", address).State == "down" })
	if l, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	eventually(t, "it is up again", func() bool { return stateOf(g, "web", address).State == "up" })
}

func TestSilentTCPEndsAndOneWayTrafficDoesNot(t *testing.T) {
	address := script(t, func(conn net.Conn, r *bufio.Reader) {
		line, _ := r.ReadString('\n')
		if line == "stream\n" {
			for range 40 { // longer than the limit, in one direction alone
				time.Sleep(50 * time.Millisecond)
				io.WriteString(conn, "x")
			}
			io.WriteString(conn, "\n")
		}
		io.Copy(io.Discard, r)
	})
	c := tcpTo(address)
	c.Listeners[0].TCP.IdleTimeout = time.Second
	g, url := start(t, c)
	if got := connect(t, url).says("stream"); got != strings.Repeat("x", 40) {
		t.Errorf("the stream brought %q", got)
	}
	silent := connect(t, url)
	silent.send("silence\n")
	if b, err := silent.r.ReadByte(); err == nil || expired(err) {
		t.Errorf("got %q, %v", b, err)
	}
	empty(t, g)
}

func TestTCPDrainLetsConnectionsEndAndCutsTheRest(t *testing.T) {
	c := tcpTo(tcpOrigin(t, "a"))
	c.Listeners[0].DrainTimeout = 2 * time.Second
	n := new(notes)
	g, url := startObserved(t, c, n)
	ends, stays := connect(t, url), connect(t, url)
	ends.says("x")
	stays.says("x")
	l := sole(g)
	drained := make(chan struct{})
	go func() { defer close(drained); l.drain() }()
	eventually(t, "the listener drains", l.ending.Load)
	if got := ends.says("y"); got != "a y" {
		t.Errorf("in the drain: %q", got)
	}
	ends.Close()
	if r := n.last(t, 1); r.Failed() {
		t.Errorf("a connection that ended in time: %+v", r)
	}
	<-drained
	if _, err := stays.r.ReadByte(); err == nil {
		t.Error("a connection outlasted the drain")
	}
	if r := n.last(t, 2); r.Reason != ReasonShuttingDown {
		t.Errorf("got %+v", r)
	}
}

func TestLargeTCPStreamsPassWhole(t *testing.T) {
	address := script(t, func(conn net.Conn, r *bufio.Reader) { io.Copy(conn, r) })
	_, url := start(t, tcpTo(address))
	conn := connect(t, url)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
	var group sync.WaitGroup
	group.Go(func() {
		conn.Write(sent)
		conn.Conn.(*net.TCPConn).CloseWrite()
	})
	got, err := io.ReadAll(conn.r)
	group.Wait()
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(sent), err)
	}
}

func TestTLSPassesThroughBySNI(t *testing.T) {
	a := newAuthority(t)
	// An origin of TLS itself: what it shows proves that nobody was in between.
	origin := func(name string) string {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{a.pair(name, name)}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go giveBack(l)
		return l.Addr().String()
	}
	c := &Config{
		Listeners: []ListenerConfig{{Address: "127.0.0.1:0", HeaderTimeout: 300 * time.Millisecond,
			TCP: &TCPConfig{ServerNames: map[string]string{"shop.example": "shop", "*.example": "rest"}}}},
		Services: map[string]ServiceConfig{
			"shop": {Endpoints: Addresses(origin("shop.example"))},
			"rest": {Endpoints: Addresses(origin("rest.example"))},
		},
	}
	g, url := start(t, c)
	address := strings.TrimPrefix(url, "http://")
	for name, want := range map[string]string{"shop.example": "shop.example", "SHOP.example": "shop.example", "rest.example": "rest.example", "deep.shop.example": "rest.example"} {
		if got := shown(t, address, name); got != want {
			t.Errorf("%s leads to %q, want %q", name, got, want)
		}
	}
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: a.pool, ServerName: "shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "hello")
	conn.CloseWrite()
	if got, err := io.ReadAll(conn); string(got) != "hello" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for what, bytes := range map[string]string{"an unknown name": "", "no TLS": "GET / HTTP/1.1\r\n\r\n", "half a record": "\x16\x03\x01\x02\x00\x01"} {
		client := connect(t, url)
		if what == "an unknown name" {
			if err := tls.Client(client.Conn, &tls.Config{ServerName: "else.test", InsecureSkipVerify: true}).Handshake(); err == nil {
				t.Error("an unknown name was taken")
			}
			continue
		}
		client.send(bytes)
		if b, err := client.r.ReadByte(); err == nil || expired(err) {
			t.Errorf("%s: got %q, %v", what, b, err)
		}
	}
	next := *c
	next.Listeners = []ListenerConfig{c.Listeners[0]}
	next.Listeners[0].TCP = &TCPConfig{Service: "rest", ServerNames: map[string]string{"shop.example": "shop"}}
	if err := g.Apply(&next); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, address, "else.test"); got != "rest.example" {
		t.Errorf("after the change an unknown name leads to %q", got)
	}
}

func TestTLSIsTakenOffForTCP(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("db", "db.example")
	c := tcpTo(tcpOrigin(t, "a"))
	c.Services["other"] = ServiceConfig{Endpoints: Addresses(tcpOrigin(t, "other"))}
	c.Listeners[0].TLS = &TLSConfig{Cert: cert, Key: key}
	c.Listeners[0].TCP.ServerNames = map[string]string{"other.example": "other"}
	g, url := start(t, c)
	for name, want := range map[string]string{"db.example": "a x", "other.example": "other x"} {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "http://"),
			&tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"postgresql"}})
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		both := &caller{t, conn, bufio.NewReader(conn)}
		if got := both.says("x"); got != want {
			t.Errorf("%s: got %q", name, got)
		}
		conn.CloseWrite()
		if rest, err := io.ReadAll(both.r); string(rest) != "bye\n" || err != nil {
			t.Errorf("%s: after the half-close: %q, %v", name, rest, err)
		}
		conn.Close()
	}
	empty(t, g)
}

func TestEndpointsAreToldTheClientsAddress(t *testing.T) {
	for _, version := range []ProxyProtocol{ProxyProtocolV1, ProxyProtocolV2} {
		address := script(t, func(conn net.Conn, r *bufio.Reader) {
			client, err := readProxyHeader(r)
			line, _ := r.ReadString('\n')
			if err != nil {
				line = err.Error()
			}
			io.WriteString(conn, client.String()+" "+line)
		})
		c := tcpTo(address)
		c.Listeners[0].TCP.ProxyProtocol = version
		_, url := start(t, c)
		conn := connect(t, url)
		if got, want := conn.says("x"), conn.LocalAddr().String()+" x"; got != want {
			t.Errorf("%s: got %q, want %q", version, got, want)
		}
	}
}

func TestProxyHeaderSaysWhatIsReadBack(t *testing.T) {
	for _, version := range []ProxyProtocol{ProxyProtocolV1, ProxyProtocolV2} {
		for client, local := range map[string]string{
			"192.0.2.1:1234": "10.0.0.1:80", "[2001:db8::1]:1": "[2001:db8::2]:65535", "192.0.2.1:5": "[2001:db8::2]:6",
		} {
			want := netip.MustParseAddrPort(client)
			header := bytes.NewReader(appendProxyHeader(nil, version, want, netip.MustParseAddrPort(local)))
			got, err := readProxyHeader(header)
			if err != nil || got.Addr().Unmap() != want.Addr() || got.Port() != want.Port() || header.Len() != 0 {
				t.Errorf("%s %s: got %v, %v, %d bytes left", version, client, got, err, header.Len())
			}
		}
		if got, err := readProxyHeader(bytes.NewReader(appendProxyHeader(nil, version, netip.AddrPort{}, netip.AddrPort{}))); err != nil || got.IsValid() {
			t.Errorf("%s of nobody: got %v, %v", version, got, err)
		}
	}
}

// helloTo keeps what a client of TLS sends.
type helloTo struct {
	helloConn
	to *bytes.Buffer
}

func (h helloTo) Write(p []byte) (int, error) { return h.to.Write(p) }

func FuzzClientHello(f *testing.F) {
	var hello bytes.Buffer
	_ = tls.Client(helloTo{helloConn{strings.NewReader("")}, &hello}, &tls.Config{ServerName: "shop.example"}).Handshake()
	f.Add(hello.Bytes())
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		head, name, err := readClientHello(bytes.NewReader(in))
		if err != nil && (head != nil || name != "") {
			t.Errorf("%v with %q and %q", err, head, name)
		}
		if err == nil && (!bytes.HasPrefix(in, head) || len(head) < 5 || len(head) > clientHelloMax) {
			t.Errorf("read %d bytes that are not the beginning", len(head))
		}
	})
}
