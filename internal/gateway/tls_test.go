package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// startTLS runs a gateway that is told about to notes, and returns the address
// of its first listener.
func startTLS(t *testing.T, c *Config) (*Gateway, *notes, string) {
	t.Helper()
	n := new(notes)
	g := New(Options{Observer: n})
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return g, n, g.Addresses()[0]
}

// secured is a configuration with one listener of TLS.
func secured(c *TLSConfig, s ServiceConfig) *Config {
	all := oneService(s)
	all.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", TLS: c}}
	return all
}

func echo(t *testing.T) string {
	return origin(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Proto", r.Header.Get("X-Forwarded-Proto"))
		w.Write(append([]byte(r.Method+" "+r.URL.Path+" "), body...))
	})
}

// clientTLS makes a connection one of TLS, with a server of the authority's.
func clientTLS(a *authority, conn net.Conn, name string) net.Conn {
	return tls.Client(conn, &tls.Config{RootCAs: a.pool, ServerName: name})
}

// shown is the certificate's name that the address shows for a server name.
func shown(t *testing.T, address, name string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return certificateName(conn.ConnectionState().PeerCertificates[0])
}

func TestTLSIsTerminatedAndSessionsAreResumed(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	_, n, address := startTLS(t, secured(&TLSConfig{Cert: cert, Key: key}, ServiceConfig{Endpoints: Addresses(echo(t))}))
	config := &tls.Config{RootCAs: a.pool, ServerName: "shop.example", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for i := range 3 {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: i < 2}}
		res, err := c.Post("https://"+address+"/buy", "text/plain", strings.NewReader(strings.Repeat("b", 100_000)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || len(body) != len("POST /buy ")+100_000 || res.Header.Get("X-Proto") != "https" {
			t.Fatalf("got %d bytes, proto %q, %v", len(body), res.Header.Get("X-Proto"), err)
		}
		if res.TLS.DidResume != (i > 0) {
			t.Errorf("connection %d: resumed is %v", i, res.TLS.DidResume)
		}
		c.CloseIdleConnections()
	}
	if r := n.last(t, 3); r.Status != 200 || r.Identity != "" {
		t.Errorf("got %+v", r)
	}
}

func TestCertificateIsChosenByNameAndReplacedInItsFile(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	other, otherKey := a.sign("bank", "bank.example")
	g, n, address := startTLS(t, secured(
		&TLSConfig{Cert: cert, Key: key, Certificates: []CertificateConfig{{Cert: other, Key: otherKey}}},
		ServiceConfig{Endpoints: Addresses(echo(t))}))
	for name, want := range map[string]string{"shop.example": "shop.example", "bank.example": "bank.example", "else.example": "shop.example"} {
		if got := shown(t, address, name); got != want {
			t.Errorf("for %s got the certificate of %s", name, got)
		}
	}
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: a.pool, ServerName: "bank.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := bufio.NewReader(conn)
	ask := func() {
		t.Helper()
		io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: bank.example\r\n\r\n")
		res, err := http.ReadResponse(lines, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		io.Copy(io.Discard, res.Body)
	}
	ask()

	a.write("bank.pem", []byte("half of it"))
	eventually(t, "the broken file is told of", func() bool { return len(n.why(EventKeysRefused)) > 0 })
	if why := n.why(EventKeysRefused); !strings.Contains(why[0], "bank.pem holds no certificate in PEM") {
		t.Errorf("got %q", why)
	}
	if got := shown(t, address, "bank.example"); got != "bank.example" {
		t.Errorf("got the certificate of %s", got)
	}
	ask()

	a.sign("bank", "new.example")
	eventually(t, "the new certificate is shown", func() bool { return shown(t, address, "new.example") == "new.example" })
	ask() // on the connection from before
	if why := n.why(EventKeysRefused); len(why) != 1 {
		t.Errorf("told %q", why)
	}
	if c := g.Status().Listeners[0].Certificates; len(c) != 2 || c[1].Name != "new.example" || c[1].NotAfter.Before(time.Now()) {
		t.Errorf("status: %+v", c)
	}
}

func TestUnusableCertificatesAreRefusedByField(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	_, other := a.sign("other", "other.example")
	old, oldKey := a.sign("old", "old.example", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	early, earlyKey := a.sign("early", "early.example", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	junk := a.write("junk.pem", []byte("no PEM"))
	locked := a.path("absent.pem")
	for _, test := range []struct {
		tls  TLSConfig
		want string
	}{
		{TLSConfig{Cert: locked, Key: key}, "listeners.0.tls.cert: " + locked + " cannot be read: no such file or directory"},
		{TLSConfig{Cert: cert, Key: locked}, "listeners.0.tls.key: " + locked + " cannot be read: no such file or directory"},
		{TLSConfig{Cert: junk, Key: key}, "listeners.0.tls.cert: " + junk + " holds no certificate in PEM"},
		{TLSConfig{Cert: cert}, "listeners.0.tls.cert: " + cert + " holds no private key in PEM: name the file that does under key"},
		{TLSConfig{Cert: cert, Key: junk}, "listeners.0.tls.key: " + junk + " holds no private key in PEM"},
		{TLSConfig{Cert: cert, Key: other}, "listeners.0.tls.key: the key in " + other + " is not that of the certificate in " + cert},
		{TLSConfig{Cert: old, Key: oldKey}, "listeners.0.tls.cert: the certificate in " + old + " expired on "},
		{TLSConfig{Cert: early, Key: earlyKey}, "listeners.0.tls.cert: the certificate in " + early + " is valid only from "},
		{TLSConfig{Cert: cert, Key: key, Certificates: []CertificateConfig{{Cert: old, Key: oldKey}}}, "listeners.0.tls.certificates.0.cert: the certificate in " + old},
		{TLSConfig{Cert: cert, Key: key, ClientCA: junk}, "listeners.0.tls.clientCA: " + junk + " holds no certificate in PEM"},
		{TLSConfig{}, "listeners.0.tls.cert: TLS needs a certificate"},
		{TLSConfig{Key: key, Certificates: []CertificateConfig{{Cert: cert, Key: key}}}, "listeners.0.tls.key: is the key of which certificate?"},
		{TLSConfig{Cert: cert, Key: key, MinVersion: "1.1"}, `listeners.0.tls.minVersion: want 1.2 or 1.3, got "1.1"`},
		{TLSConfig{Cert: cert, Key: key, ClientAuth: "require"}, "listeners.0.tls.clientAuth: says nothing without clientCA"},
	} {
		c := secured(&test.tls, ServiceConfig{})
		err := errors.Join(c.Validate(), c.CheckFiles())
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
		if err := New(Options{}).Apply(c); err == nil {
			t.Errorf("applied: %s", test.want)
		}
	}
}

func TestOldTLSAndPlainHTTPAreRefused(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	_, _, address := startTLS(t, secured(&TLSConfig{Cert: cert, Key: key, MinVersion: "1.3"}, ServiceConfig{Endpoints: Addresses(echo(t))}))
	if _, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 was taken")
	}
	if got := shown(t, address, "shop.example"); got != "shop.example" {
		t.Errorf("got %s", got)
	}
	res, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 400 || string(body) != "this port speaks HTTPS\n" {
		t.Errorf("got %d %q", res.StatusCode, body)
	}
}

func TestClientsAreKnownByTheirCertificates(t *testing.T) {
	a := newAuthority(t)
	stranger := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	c := TLSConfig{Cert: cert, Key: key, ClientCA: a.path("ca.pem")}
	for _, test := range []struct {
		auth   ClientAuth
		client []tls.Certificate
		served bool
		want   string
	}{
		{"", []tls.Certificate{a.pair("c1", "spiffe://example.org/cart")}, true, "spiffe://example.org/cart"},
		{ClientAuthRequire, []tls.Certificate{a.pair("c2", "cart.example")}, true, "cart.example"},
		{ClientAuthRequire, nil, false, ""},
		{ClientAuthRequire, []tls.Certificate{stranger.pair("c", "cart.example")}, false, ""},
		{ClientAuthOptional, nil, true, ""},
		{ClientAuthOptional, []tls.Certificate{a.pair("c3", "cart.example")}, true, "cart.example"},
		{ClientAuthOptional, []tls.Certificate{stranger.pair("c", "cart.example")}, false, ""},
	} {
		c.ClientAuth = test.auth
		one := c
		_, n, address := startTLS(t, secured(&one, ServiceConfig{Endpoints: Addresses(echo(t))}))
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool, ServerName: "shop.example",
			// Not Certificates: of those a client shows only what the server says it trusts.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(test.client) == 0 {
					return new(tls.Certificate), nil
				}
				return &test.client[0], nil
			}}}
		res, err := (&http.Client{Transport: transport}).Get("https://" + address)
		if (err == nil) != test.served {
			t.Errorf("%s: served is %v: %v", test.auth, err == nil, err)
		}
		if err == nil {
			res.Body.Close()
			if got := n.last(t, 1).Identity; got != test.want {
				t.Errorf("%s: got the identity %q, want %q", test.auth, got, test.want)
			}
		}
		transport.CloseIdleConnections()
	}
}

// secureOrigin is a real server of TLS.
func secureOrigin(t *testing.T, c *tls.Config, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = c
	s.EnableHTTP2 = slices.Contains(c.NextProtos, "h2")
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "https://")
}

func TestEndpointsAreSpokenToOverTLS(t *testing.T) {
	a := newAuthority(t)
	clientCert, clientKey := a.sign("afloat", "afloat.example")
	address := secureOrigin(t, &tls.Config{
		Certificates: []tls.Certificate{a.pair("web", "web.example")}, ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		io.WriteString(w, certificateName(r.TLS.PeerCertificates[0])+" "+r.URL.Path+" "+string(body))
	})
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(address),
		TLS:    &UpstreamTLSConfig{CA: a.path("ca.pem"), ServerName: "web.example", Cert: clientCert, Key: clientKey},
		Health: HealthConfig{Path: "/health", Interval: 20 * time.Millisecond}}))
	for range 3 {
		res, err := http.Post(url+"/buy", "text/plain", strings.NewReader("cart"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 200 || string(body) != "afloat.example /buy cart" {
			t.Fatalf("got %d %q", res.StatusCode, body)
		}
	}
	eventually(t, "one connection served all", func() bool {
		s := stateOf(g, "web", address)
		return s.State == "up" && s.Idle == 1
	})
}

func TestEndpointWithAWrongCertificateIsTakenOutAndComesBack(t *testing.T) {
	a := newAuthority(t)
	address := secureOrigin(t, &tls.Config{Certificates: []tls.Certificate{a.pair("web", "web.example")}},
		func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "here") })
	config := func(c UpstreamTLSConfig) *Config {
		all := oneService(ServiceConfig{Endpoints: Addresses(address), TLS: &c})
		all.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}}
		return all
	}
	g, url := start(t, config(UpstreamTLSConfig{CA: a.path("ca.pem"), ServerName: "other.example"}))
	if status, _ := get(t, url); status != 503 {
		t.Errorf("got %d", status)
	}
	if s := stateOf(g, "web", address); s.State != "down" || !strings.Contains(s.Why, "certificate is valid for web.example, not other.example") {
		t.Errorf("got %+v", s)
	}
	if err := g.Apply(config(UpstreamTLSConfig{CA: a.path("ca.pem"), ServerName: "web.example"})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the endpoint is up", func() bool { return stateOf(g, "web", address).State == "up" })
	if status, body := get(t, url); status != 200 || body != "here" {
		t.Errorf("got %d %q", status, body)
	}
	if err := g.Apply(config(UpstreamTLSConfig{})); err != nil { // the machine does not trust the test's authority
		t.Fatal(err)
	}
	if status, body := get(t, url); status != 503 {
		t.Errorf("a connection made with other certificates was used again: %d %q", status, body)
	}
	if err := g.Apply(config(UpstreamTLSConfig{InsecureSkipVerify: true})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "any certificate is taken", func() bool { status, _ := get(t, url); return status == 200 })
}

func TestClientThatLeavesIsNoticedThroughTLS(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	asked := make(chan struct{})
	_, n, address := startTLS(t, secured(&TLSConfig{Cert: cert, Key: key}, ServiceConfig{Endpoints: Addresses(
		origin(t, func(w http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() }))}))
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: a.pool, ServerName: "shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	<-asked
	conn.Close()
	if r := n.last(t, 1); r.Status != 499 || r.Reason != ReasonClientGone {
		t.Errorf("got %+v", r)
	}
}

func TestIdleConnectionsOfTLSEndAtDrainAndTimeout(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	c := secured(&TLSConfig{Cert: cert, Key: key}, ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Listeners[0].IdleTimeout = 20 * time.Millisecond
	g, _, address := startTLS(t, c)
	open := func() *tls.Conn {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: a.pool, ServerName: "shop.example"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		return conn
	}
	conn := open()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); err != nil { // the end is announced, not a cut
		t.Errorf("after the idle timeout: %v", err)
	}
	c.Listeners[0].IdleTimeout = time.Hour
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	conn = open()
	g.mu.Lock()
	l := g.listeners["127.0.0.1:0"]
	g.mu.Unlock()
	l.drain()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("after the drain: %v", err)
	}
}

func TestWebSocketPassesOverTLS(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	upstream := secureOrigin(t, &tls.Config{Certificates: []tls.Certificate{a.pair("web", "127.0.0.1")}}, func(w http.ResponseWriter, r *http.Request) {
		conn, both, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello ")
		io.Copy(conn, both) // until the other side has no more
	})
	_, n, address := startTLS(t, secured(&TLSConfig{Cert: cert, Key: key},
		ServiceConfig{Endpoints: Addresses(upstream), TLS: &UpstreamTLSConfig{CA: a.path("ca.pem")}}))
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: a.pool, ServerName: "shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	lines := bufio.NewReader(conn)
	res, err := http.ReadResponse(lines, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" {
		t.Fatal(res, err)
	}
	io.WriteString(conn, "world")
	conn.CloseWrite()
	said, err := io.ReadAll(lines)
	if err != nil || string(said) != "hello world" {
		t.Errorf("got %q, %v", said, err)
	}
	if r := n.last(t, 1); r.Status != 101 || r.RequestBytes != 5 || r.ResponseBytes != 11 {
		t.Errorf("got %+v", r)
	}
}

func TestHandshakeThatStallsIsEnded(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	c := secured(&TLSConfig{Cert: cert, Key: key}, ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Listeners[0].HeaderTimeout = 20 * time.Millisecond
	g, _, address := startTLS(t, c)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write([]byte{0x16, 3, 1})
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	eventually(t, "nothing is left of it", func() bool { return g.Status().Listeners[0].Connections == 0 })
}
