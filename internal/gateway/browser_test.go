package gateway

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shopPage opens a WebSocket and tells the server what came back.
const shopPage = `<!doctype html><title>shop</title><script>
const ws = new WebSocket("wss://" + location.host + "/live")
ws.onopen = () => ws.send("a cart")
ws.onmessage = m => fetch("/told?" + encodeURIComponent(m.data))
ws.onerror = () => fetch("/told?failed")
</script>`

// shop is an endpoint with that page, which sends each message back.
func shop(t *testing.T, told chan<- string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/live":
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+acceptOf(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n")
			sendBack(conn, rw.Reader)
		case "/told":
			told <- r.URL.RawQuery
		default:
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, shopPage)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// sendBack sends short messages of a client back: RFC 6455, section 5.2.
func sendBack(conn net.Conn, r *bufio.Reader) {
	for {
		head := make([]byte, 6)
		if _, err := io.ReadFull(r, head); err != nil {
			return
		}
		message := make([]byte, head[1]&0x7f)
		if _, err := io.ReadFull(r, message); err != nil {
			return
		}
		for i := range message {
			message[i] ^= head[2+i%4]
		}
		conn.Write(append([]byte{head[0], byte(len(message))}, message...))
	}
}

// TestBrowserUsesEveryProtocol: what browsers do is not always what the RFCs say.
func TestBrowserUsesEveryProtocol(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium is installed")
	}
	a := newAuthority(t)
	told := make(chan string, 10)
	c, _ := withHTTP3(a, ServiceConfig{Endpoints: Addresses(shop(t, told))})
	pair, err := tls.LoadX509KeyPair(c.Listeners[0].TLS.Cert, c.Listeners[0].TLS.Key)
	if err != nil {
		t.Fatal(err)
	}
	known := sha256.Sum256(pair.Leaf.RawSubjectPublicKeyInfo)
	for protocol, flag := range map[string]string{"HTTP/2": "--disable-quic", "HTTP/3": "--enable-quic"} {
		t.Run(protocol, func(t *testing.T) {
			_, n, at := startTLS(t, c)
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			profile, err := os.MkdirTemp("", "afloat-browser")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(profile) // what the browser's processes write last may stay
			flags := []string{"--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + profile, flag,
				"--ignore-certificate-errors-spki-list=" + base64.StdEncoding.EncodeToString(known[:]), "--remote-debugging-port=0"}
			if protocol == "HTTP/3" {
				flags = append(flags, "--origin-to-force-quic-on="+at)
			}
			run := exec.CommandContext(ctx, browser, append(flags, "https://"+at+"/")...)
			run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) }
			run.WaitDelay = 10 * time.Second
			if err := run.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { cancel(); run.Wait() }()
			select {
			case got := <-told:
				if got != "a%20cart" {
					t.Errorf("the page told %q", got)
				}
			case <-ctx.Done():
				t.Fatal("the page told nothing")
			}
			if r := n.last(t, 1); r.Protocol != protocol { // nothing is recorded of a WebSocket yet
				t.Errorf("the page came over %s", r.Protocol)
			}
			cancel()
			var joined string
			eventually(t, "the WebSocket has ended", func() bool {
				n.mu.Lock()
				defer n.mu.Unlock()
				for _, r := range n.records {
					if r.Status == 101 {
						joined = r.Protocol
					}
				}
				return joined != ""
			})
			t.Logf("the WebSocket came over %s", joined)
			if protocol == "HTTP/2" && joined != "HTTP/2" {
				t.Errorf("the WebSocket came over %s", joined)
			}
		})
	}
}
