package acme_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/acme"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// lines are what was logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// served is a gateway whose certificates an authority issues.
type served struct {
	pebble *pebble
	folder string
	log    *lines
}

// serve starts a gateway where the authority asks, with an origin behind it.
func serve(t *testing.T, p *pebble, c gateway.ACMEConfig, change ...func(*gateway.TLSConfig)) *served {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "origin "+r.URL.Path)
	}))
	t.Cleanup(origin.Close)
	s := &served{pebble: p, folder: filepath.Join(t.TempDir(), "acme"), log: new(lines)}
	c.Directory, c.Folder, c.CA = p.directory, s.folder, p.root
	secure := &gateway.TLSConfig{ACME: &c}
	for _, f := range change {
		f(secure)
	}
	config := &gateway.Config{
		Listeners: []gateway.ListenerConfig{{Address: p.tls, TLS: secure}, {Address: p.http}},
		Services:  map[string]gateway.ServiceConfig{"web": {Endpoints: gateway.Addresses(strings.TrimPrefix(origin.URL, "http://"))}},
		Routes:    []gateway.RouteConfig{{To: []gateway.DestinationConfig{{Service: "web"}}}},
	}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	issuer := acme.New(acme.Options{Wanted: config.Issuances, Log: log, Pause: time.Second})
	g := gateway.New(gateway.Options{Challenges: issuer})
	if err := g.Apply(config); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { g.Serve(ctx) })
	running.Go(func() { issuer.Serve(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if t.Failed() {
			t.Logf("logged:\n%s", &s.log.text)
		}
	})
	return s
}

// serial is that of the certificate that the gateway shows for a host; empty
// where it shows none that is the host's.
func (s *served) serial(host string) string {
	conn, err := tls.Dial("tcp", s.pebble.tls, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err != nil {
		return ""
	}
	defer conn.Close()
	leaf := conn.ConnectionState().PeerCertificates[0]
	if leaf.VerifyHostname(host) != nil || !strings.Contains(leaf.Issuer.CommonName, "Pebble") {
		return ""
	}
	return leaf.SerialNumber.String()
}

// get asks by HTTP, on a connection of its own.
func (s *served) get(t *testing.T, host, path string) (int, string) {
	t.Helper()
	r, _ := http.NewRequest("GET", "http://"+s.pebble.http+path, nil)
	r.Host, r.Close = host, true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

func TestEachChallengeGetsACertificate(t *testing.T) {
	p := startPebble(t)
	for _, challenge := range []gateway.ACMEChallenge{gateway.ACMEChallengeTLS, gateway.ACMEChallengeHTTP} {
		t.Run(string(challenge), func(t *testing.T) {
			s := serve(t, p, gateway.ACMEConfig{Hosts: []string{"shop.example", "bank.example"}, Challenge: challenge, Email: "ops@shop.example"})
			eventually(t, "both have a certificate", func() bool { return s.serial("shop.example") != "" && s.serial("bank.example") != "" })
			if s.serial("shop.example") == s.serial("bank.example") {
				t.Error("they have the same one")
			}
			if status, body := s.get(t, "shop.example", "/.well-known/acme-challenge/other"); status != 200 || body != "origin /.well-known/acme-challenge/other" {
				t.Errorf("what no authority asks is the origin's: got %d %q", status, body)
			}
			conn, err := tls.Dial("tcp", p.tls, &tls.Config{ServerName: "shop.example", InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"}})
			if err == nil {
				conn.Close()
				t.Error("a question was answered that no authority asks")
			}
			ownersAlone(t, s.folder)
		})
	}
}

// ownersAlone fails unless all in a folder is closed to others.
func ownersAlone(t *testing.T, folder string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if !e.IsDir() {
			files++
		}
		return err
	})
	if err != nil || files != 3 {
		t.Errorf("%d files, %v", files, err)
	}
}

func TestCertificateIsRenewedWhileConnectionsGoOn(t *testing.T) {
	p := startPebble(t, func(c map[string]any) { c["certificateValidityPeriod"] = 12 })
	s := serve(t, p, gateway.ACMEConfig{Hosts: []string{"shop.example"}})
	first := ""
	eventually(t, "there is a certificate", func() bool { first = s.serial("shop.example"); return first != "" })
	transport := &http.Transport{TLSClientConfig: &tls.Config{ServerName: "shop.example", InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	ask := func() string {
		t.Helper()
		res, err := transport.RoundTrip(httptest.NewRequest("GET", "https://"+p.tls+"/x", nil).WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res.TLS.PeerCertificates[0].SerialNumber.String()
	}
	if got := ask(); got != first {
		t.Fatalf("got %s", got)
	}
	eventually(t, "it is renewed", func() bool { now := s.serial("shop.example"); return now != "" && now != first })
	if got := ask(); got != first {
		t.Error("the connection from before did not go on")
	}
}

func TestFailureOfOneHostIsToldAndHeals(t *testing.T) {
	p := startPebble(t)
	p.resolve("lost.example", "127.0.0.9") // where nothing listens
	s := serve(t, p, gateway.ACMEConfig{Hosts: []string{"lost.example", "shop.example"}})
	eventually(t, "the other has a certificate", func() bool { return s.serial("shop.example") != "" })
	eventually(t, "both challenges are tried", func() bool {
		return s.log.count("tls-alpn-01: acme: authorization error for lost.example") > 0 && s.log.count("http-01: acme: authorization error for lost.example") > 0
	})
	if s.serial("lost.example") != "" {
		t.Error("there is a certificate")
	}
	p.resolve("lost.example", "127.0.0.1")
	eventually(t, "it has one too", func() bool { return s.serial("lost.example") != "" })
	if s.log.count("certificate issued") != 2 {
		t.Error("it is not told once each")
	}
}

func TestAuthorityNeedsNoClientCertificate(t *testing.T) {
	p := startPebble(t)
	s := serve(t, p, gateway.ACMEConfig{Hosts: []string{"shop.example"}, Challenge: gateway.ACMEChallengeTLS}, func(c *gateway.TLSConfig) { c.ClientCA = p.root })
	eventually(t, "a certificate is issued", func() bool { return s.log.count("certificate issued") > 0 })
	eventually(t, "clients without a certificate are refused", func() bool {
		conn, err := tls.Dial("tcp", p.tls, &tls.Config{ServerName: "shop.example", InsecureSkipVerify: true})
		if err != nil {
			return false
		}
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
		return err != nil && strings.Contains(err.Error(), "certificate required")
	})
}

func TestAuthorityThatIsNotTrustedIsToldOf(t *testing.T) {
	p := startPebble(t)
	other := startPebble(t)
	p.root = other.root
	s := serve(t, p, gateway.ACMEConfig{Hosts: []string{"shop.example"}})
	eventually(t, "it is told", func() bool { return s.log.count("certificate signed by unknown authority") > 0 })
}
