package gateway

import (
	"io"
	"net"
	"testing"
	"time"
)

func TestFirstBytesTellHTTPFromOtherProtocols(t *testing.T) {
	for _, c := range []struct {
		head       string
		http, sure bool
	}{
		{"", false, false},
		{"G", false, false},
		{"GET", false, false},
		{"GET ", false, false},
		{"GET /", true, true},
		{"M-SEARCH /x", true, true},
		{"OPTIONS * HTTP/1.1", true, true},
		{"PRI * HTTP/2.0\r\n", true, true},
		{"CONNECT shop:443 HTTP/1.1", false, true},
		{"GET http://shop/ HTTP/1.1", false, true},
		{"\x16\x03\x01\x02\x00", false, true}, // TLS
		{"*1\r\n$4\r\nPING\r\n", false, true}, // Redis
		{"get key\r\n", false, true},          // memcached
		{"PING\r\n", false, true},
		{" /", false, true},
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false, true},
	} {
		if http, sure := looksLikeRequest([]byte(c.head)); http != c.http || sure != c.sure {
			t.Errorf("%q: http %v, sure %v", c.head, http, sure)
		}
	}
}

// TestSniffingLeavesTheBytes: whoever reads next gets all of them.
func TestSniffingLeavesTheBytes(t *testing.T) {
	for name, c := range map[string]struct {
		pieces []string
		end    bool
		within time.Duration
		http   bool
	}{
		"a request in pieces":    {[]string{"G", "ET", " /", "x"}, false, time.Minute, true},
		"another protocol":       {[]string{"\x00\x01"}, false, time.Minute, false},
		"a client that waits":    {nil, false, 20 * time.Millisecond, false},
		"a word and then an end": {[]string{"QUIT"}, true, time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := tcpPair(t)
			go func() {
				for _, p := range c.pieces {
					time.Sleep(5 * time.Millisecond) // so that they come one by one
					_, _ = io.WriteString(client, p)
				}
				if c.end {
					_ = client.CloseWrite()
				}
			}()
			http, err := sniffHTTP(server, c.within)
			if err != nil || http != c.http {
				t.Fatalf("http %v, %v", http, err)
			}
			want := ""
			for _, p := range c.pieces {
				want += p
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(server, got); err != nil || string(got) != want {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
	t.Run("a client that goes", func(t *testing.T) {
		client, server := tcpPair(t)
		_ = client.Close()
		if http, err := sniffHTTP(server, time.Minute); http || err == nil {
			t.Errorf("http %v, %v", http, err)
		}
	})
}

// tcpPair is a connection of loopback, from both ends.
func tcpPair(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}
