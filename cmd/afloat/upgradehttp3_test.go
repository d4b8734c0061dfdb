package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/afloat-dev/afloat/internal/authority"
	"github.com/afloat-dev/afloat/internal/freeport"
)

// TestUpgradeUnderLoadFailsNoRequestOfHTTP3 upgrades a gateway while clients keep connections of HTTP/3 and open new
// ones, and a request that began before the first upgrade goes on.
func TestUpgradeUnderLoadFailsNoRequestOfHTTP3(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(begun)
			<-release
		}
		sum := sha256.New()
		n, _ := io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%d %x", n, sum.Sum(nil))
	}))
	defer origin.Close()
	defer letGo() // for which it waits
	dir := filepath.Join(t.TempDir(), "ca")
	if err := authority.Init(dir, authority.Config{}); err != nil {
		t.Fatal(err)
	}
	ca, err := authority.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	file, err := ca.Issue(authority.Request{Name: "web", IP: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	roots, err := os.ReadFile(filepath.Join(dir, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AppendCertsFromPEM(roots)
	at := freeport.Address(t)
	g := startUpgradable(t, origin.Listener.Addr().String(), fmt.Sprintf("- {address: %q, tls: {cert: %q}, http3: {}, drainTimeout: 20s}\n", at, file))

	nothing := fmt.Sprintf("0 %x", sha256.Sum256(nil))
	http.DefaultClient.CloseIdleConnections() // what asked whether it is up; the old Afloat would wait for more from it

	get := func(transport *http3.Transport, path string) error {
		client := http.Client{Transport: transport, Timeout: 2 * patience}
		res, err := client.Get("https://" + at + path)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 || string(body) != nothing {
			return fmt.Errorf("got %d, %q, %v", res.StatusCode, body, err)
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	var made atomic.Int64
	var group sync.WaitGroup
	for caller := range 2 * upgradeCaller {
		group.Go(func() {
			transport := &http3.Transport{TLSClientConfig: trust.Clone()}
			defer func() { transport.Close() }()
			for ctx.Err() == nil {
				if err := get(transport, "/"); err != nil {
					t.Error(err)
					return
				}
				made.Add(1)
				if caller%2 == 0 { // a new connection each time
					transport.Close()
					transport = &http3.Transport{TLSClientConfig: trust.Clone()}
				}
			}
		})
	}
	slow := &http3.Transport{TLSClientConfig: trust.Clone()}
	defer slow.Close()
	answered := make(chan error, 1)
	go func() { answered <- get(slow, "/slow") }()
	<-begun
	g.upgrade()
	if said, err := g.tryUpgrade(); err == nil || !strings.Contains(said, "still ends its connections") {
		t.Errorf("a third Afloat: got %v, %s", err, said)
	}
	more := func() { // requests are made
		t.Helper()
		before := made.Load()
		for end := time.Now().Add(patience); made.Load() < before+100; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d requests were made in %v", made.Load()-before, patience)
			}
		}
	}
	more()
	letGo()
	if err := <-answered; err != nil {
		t.Errorf("the request that was under way: %v", err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) { // until the first has ended
		said, err := g.tryUpgrade()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("upgrade: %v: %s", err, said)
		}
	}
	more()
	cancel()
	group.Wait()
}
