package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

const (
	proxyOverIPv4 = proxySignature + "\x21\x11\x00\x0f\xc0\x00\x02\x01\x0a\x00\x00\x01\x30\x39\x01\xbbTLV"
	proxyOverIPv6 = proxySignature + "\x21\x21\x00\x24\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x30\x39\x01\xbb"
)

func TestProxyHeaderIsRead(t *testing.T) {
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\r\n":      "192.0.2.1:12345",
		"PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n": "[2001:db8::1]:12345",
		"PROXY UNKNOWN\r\n":                                "invalid AddrPort",
		"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n":            "invalid AddrPort",
		proxyOverIPv4:                                      "192.0.2.1:12345",
		proxyOverIPv6:                                      "[2001:db8::1]:12345",
		proxySignature + "\x20\x00\x00\x00":                "invalid AddrPort",
		proxySignature + "\x21\x31\x00\x03abc":             "invalid AddrPort",
		"GET / HTTP/1.1\r\n":                               "",
		"PROXY TCP4 192.0.2.1 10.0.0.1 12345\r\n":          "",
		"PROXY TCP4 2001:db8::1 2001:db8::2 12345 443\r\n": "",
		"PROXY TCP4 192.0.2.1 10.0.0.1 99999 443\r\n":      "",
		"PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n":  "",
		proxySignature + "\x11\x11\x00\x00":                "",
		proxySignature + "\x22\x11\x00\x00":                "",
		proxySignature + "\x21\x11\x00\x03abc":             "",
		proxySignature + "\x21\x11\xff\xff":                "",
	} {
		r := strings.NewReader(header + "rest")
		got, err := readProxyHeader(r)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: got %v, %v", header, got, err)
		}
		if rest, _ := io.ReadAll(r); err == nil && string(rest) != "rest" {
			t.Errorf("%q: left %q", header, rest)
		}
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte(proxyOverIPv4))
	f.Add([]byte("PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if client, err := readProxyHeader(bytes.NewReader(data)); err != nil && client.IsValid() {
			t.Errorf("%v with %v", client, err)
		}
	})
}

func TestClientsAddressComesFromListedPeersOnly(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("shop", "shop.example")
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("X-Forwarded-For")) })
	for _, secure := range []bool{false, true} {
		for from, want := range map[string]string{"127.0.0.0/8": "192.0.2.1", "10.0.0.1": ""} {
			c := oneService(ServiceConfig{Endpoints: Addresses(address)})
			c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", ProxyProtocolFrom: []string{from}}}
			if secure {
				c.Listeners[0].TLS = &TLSConfig{Cert: cert, Key: key}
			}
			_, n, at := startTLS(t, c)
			conn, err := net.Dial("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(conn, proxyOverIPv4)
			if secure {
				conn = clientTLS(a, conn, "shop.example")
			}
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if want == "" {
				if err == nil && res.StatusCode != 400 {
					t.Errorf("from another peer: got %d", res.StatusCode)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(res.Body); string(body) != want {
				t.Errorf("got %q", body)
			}
			if r := n.last(t, 1); r.Client != netip.MustParseAddrPort("192.0.2.1:12345") {
				t.Errorf("noted %v", r.Client)
			}
		}
	}
}

func TestListedPeerMustSendTheHeader(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(echo(t))})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", ProxyProtocolFrom: []string{"127.0.0.1"}, HeaderTimeout: 50 * time.Millisecond}}
	_, _, at := startTLS(t, c)
	for _, sent := range []string{"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "PROXY TCP4", ""} {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(conn, sent)
		if n, err := conn.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: got %d bytes, %v", sent, n, err)
		}
	}
}
