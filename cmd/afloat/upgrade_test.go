package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/freeport"
)

const (
	upgrades      = 5
	upgradeBody   = 1 << 20 // bytes, sent slowly
	upgradeCaller = 4       // callers of each kind
)

// TestUpgradeUnderLoadFailsNoRequest upgrades a gateway again and again while clients keep connections, open new ones,
// send long bodies, speak HTTP/2, and talk through tunnels.
func TestUpgradeUnderLoadFailsNoRequest(t *testing.T) {
	var once atomic.Int64 // requests that clients could send twice
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/echo" {
			echoUpgraded(t, w)
			return
		}
		if r.Header.Get("X-Once") != "" {
			once.Add(1)
		}
		sum := sha256.New()
		n, _ := io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%d %x", n, sum.Sum(nil))
	}))
	defer origin.Close()
	g := startUpgradable(t, origin.Listener.Addr().String(), "")

	ctx, cancel := context.WithCancel(t.Context())
	var made, long, streams atomic.Int64
	var group sync.WaitGroup
	call := func(client *http.Client, body func() io.Reader, n *atomic.Int64) {
		for range upgradeCaller {
			group.Go(func() {
				for ctx.Err() == nil {
					if err := post(client, g.url, body()); err != nil {
						t.Error(err)
						return
					}
					n.Add(1)
				}
			})
		}
	}
	small := func() io.Reader { return struct{ io.Reader }{strings.NewReader("small")} }
	kept := &http.Transport{MaxIdleConnsPerHost: upgradeCaller}
	defer kept.CloseIdleConnections()
	http2 := &http.Transport{Protocols: new(http.Protocols)}
	http2.Protocols.SetUnencryptedHTTP2(true)
	defer http2.CloseIdleConnections()
	call(&http.Client{Transport: kept}, small, &made)
	call(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, small, &made)
	// A client of Go sends a request again that it did not get out before a GOAWAY, if it can: none may come twice.
	call(&http.Client{Transport: http2}, func() io.Reader { return strings.NewReader("again") }, &streams)
	call(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, func() io.Reader { return &slowBody{left: upgradeBody} }, &long)
	tunnel := dialTunnel(t, g.address)
	stream := dialPlain(t, g.tcp)

	for range upgrades {
		talk(t, tunnel, stream)
		g.upgrade()
		talk(t, tunnel, stream)
	}
	cancel()
	group.Wait()
	t.Logf("%d upgrades: %d requests, %d of them with long bodies, %d in HTTP/2", upgrades, made.Load()+long.Load()+streams.Load(), long.Load(), streams.Load())
	if once.Load() != streams.Load() {
		t.Errorf("%d requests of HTTP/2 reached the origin, want the %d that were made", once.Load(), streams.Load())
	}
	if made.Load() < 100 || streams.Load() < 100 || long.Load() < upgradeCaller {
		t.Errorf("%d and %d requests are too few to show anything", made.Load(), long.Load())
	}
}

// post sends a body whose digest the origin answers with.
func post(client *http.Client, url string, body io.Reader) error {
	sum := sha256.New()
	n := 0
	if again, ok := body.(*strings.Reader); ok {
		n = again.Len()
		_, _ = io.Copy(sum, again)
		_, _ = again.Seek(0, io.SeekStart)
	} else {
		body = io.TeeReader(body, writeFunc(func(p []byte) { n += len(p); sum.Write(p) })) // net/http cannot send it twice
	}
	req, err := http.NewRequest(http.MethodPost, url, body)
	if err != nil {
		return err
	}
	if n > 0 {
		req.Header.Set("X-Once", "1")
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if want := fmt.Sprintf("%d %x", n, sum.Sum(nil)); err != nil || res.StatusCode != 200 || string(got) != want {
		return fmt.Errorf("got %d, %q, %v, want %q", res.StatusCode, got, err, want)
	}
	return nil
}

type writeFunc func([]byte)

func (f writeFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// slowBody takes its time.
type slowBody struct{ left int }

func (b *slowBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(5 * time.Millisecond)
	n := min(b.left, len(p), upgradeBody/64)
	b.left -= n
	return n, nil
}

// echoUpgraded changes the protocol and gives back each line.
func echoUpgraded(t *testing.T, w http.ResponseWriter) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_, _ = io.Copy(conn, rw)
}

type talker struct {
	net.Conn
	r *bufio.Reader
}

func dialTunnel(t *testing.T, address string) *talker {
	t.Helper()
	c := dialPlain(t, address)
	_, _ = io.WriteString(c, "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			return c
		}
	}
}

func dialPlain(t *testing.T, address string) *talker {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &talker{conn, bufio.NewReader(conn)}
}

// talk sends a line on each connection, which must come back.
func talk(t *testing.T, all ...*talker) {
	t.Helper()
	for i, c := range all {
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, "hello\n")
		if line, err := c.r.ReadString('\n'); err != nil || line != "hello\n" {
			t.Fatalf("connection %d: got %q, %v", i, line, err)
		}
	}
}

// upgradable is a gateway that runs from a file of its own.
type upgradable struct {
	t                         *testing.T
	binary, address, tcp, url string
	admin                     string
	output                    bytes.Buffer
	mu                        sync.Mutex
}

func (u *upgradable) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.output.Write(p)
}

// startUpgradable runs a gateway before an origin, and an echo service of TCP,
// with further listeners as lines of YAML.
func startUpgradable(t *testing.T, origin, listeners string) *upgradable {
	t.Helper()
	dir := t.TempDir()
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { echo.Close() })
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); _, _ = io.Copy(conn, conn) }()
		}
	}()
	u := &upgradable{t: t, binary: filepath.Join(dir, "afloat")}
	u.address, u.tcp, u.admin = freeport.Address(t), freeport.Address(t), freeport.Address(t)
	u.url = "http://" + u.address + "/"
	u.install()
	file := filepath.Join(dir, "afloat.yaml")
	text := fmt.Sprintf(`data: %s
admin: {address: "%s"}
listeners:
- {address: "%s"}
- {address: "%s", tcp: {service: echo}}
%sservices:
  web: {endpoints: ["%s"]}
  echo: {endpoints: ["%s"]}
routes:
- {to: [{service: web}]}
`, filepath.Join(dir, "data"), u.admin, u.address, u.tcp, listeners, origin, echo.Addr())
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(u.binary, "run", "-f", file)
	cmd.Stdout, cmd.Stderr = u, u
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its successors are in the group too
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			u.mu.Lock()
			defer u.mu.Unlock()
			t.Logf("afloat:\n%s", u.output.String())
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if err := post(http.DefaultClient, u.url, struct{ io.Reader }{strings.NewReader("up?")}); err == nil {
			return u
		} else if time.Now().After(deadline) {
			t.Fatalf("the gateway does not come up: %v", err)
		}
	}
}

// install puts the binary in its place, as a new file.
func (u *upgradable) install() {
	u.t.Helper()
	text, err := os.ReadFile(filepath.Join(programs, "afloat"))
	if err == nil {
		err = os.WriteFile(u.binary+".new", text, 0o755)
	}
	if err == nil {
		err = os.Rename(u.binary+".new", u.binary)
	}
	if err != nil {
		u.t.Fatal(err)
	}
}

func (u *upgradable) upgrade() {
	u.t.Helper()
	u.install()
	if said, err := u.tryUpgrade(); err != nil {
		u.t.Fatalf("upgrade: %v: %s", err, said)
	}
}

// tryUpgrade is upgrade to the binary that is there, which may be refused.
func (u *upgradable) tryUpgrade() (said string, err error) {
	ctx, cancel := context.WithTimeout(u.t.Context(), 2*patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, u.binary, "upgrade", "--why", "a test", "--admin", u.admin).CombinedOutput()
	return string(out), err
}
