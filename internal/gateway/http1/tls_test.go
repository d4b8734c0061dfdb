package http1

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"
)

// tlsPair returns the two ends of a TLS connection over TCP.
func tlsPair(t *testing.T) (client, server *tls.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"h"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	a, b := tcpPair(t)
	client = tls.Client(a, &tls.Config{ServerName: "h", RootCAs: roots})
	server = tls.Server(b, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return client, server
}

func TestExchangeOverTLS(t *testing.T) {
	client, server := tlsPair(t)
	c, up := NewConn(server, nil), NewConn(client, nil)
	var req Request
	var resp Response
	body := pattern(100000)
	for range 2 {
		sent := make(chan error, 1)
		go func() {
			up.WriteRequestLine("POST", []byte("/a"))
			up.WriteFieldString("Host", "h")
			up.WriteFraming(Framing{Chunked: true})
			up.EndHead()
			up.WriteBody([]byte(body), Framing{Chunked: true})
			up.EndBody(Framing{Chunked: true})
			sent <- up.Flush()
		}()
		if err := c.Await(); err != nil {
			t.Fatal(err)
		}
		if err := c.ReadRequest(&req); err != nil || string(req.Path) != "/a" {
			t.Fatal(string(req.Path), err)
		}
		got := new(strings.Builder)
		if _, err := io.Copy(got, c.Body()); err != nil || got.String() != body {
			t.Fatal("body differs", err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		c.WriteStatusLine(204, nil)
		c.EndHead()
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := up.ReadResponse(&resp, "POST"); err != nil || resp.Status != 204 {
			t.Fatal(resp.Status, err)
		}
		up.Release()
		c.Release()
		if c.in != nil || up.in != nil {
			t.Fatal("a buffer is held after Release")
		}
		if !up.Alive() || c.Gone() {
			t.Fatal("idle connection is not alive")
		}
	}
	server.Close()
	awaitState(t, "not alive", func() bool { return !up.Alive() })
	if err := up.Await(); err != io.EOF {
		t.Errorf("got %v, want io.EOF", err)
	}
}

func TestGoneSeesTheEndOfTLS(t *testing.T) {
	client, server := tlsPair(t)
	c := NewConn(server, nil)
	if c.Gone() {
		t.Fatal("an open connection is gone")
	}
	client.Close()
	awaitState(t, "gone", c.Gone)
}
