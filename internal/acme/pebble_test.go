package acme_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/authority"
	"github.com/afloat-dev/afloat/internal/freeport"
)

// pebble is Let's Encrypt's authority for tests, a process of its own that asks
// for hosts as the real one does, on ports and with a DNS of the test's.
type pebble struct {
	t           *testing.T
	directory   string
	root        string // file of what has signed the directory's certificate
	http, tls   string // addresses where it asks
	dns, manage string
}

// freePort is one that was free just now.
// startPebble starts it; change edits its configuration. Tests are skipped where
// it is not installed.
func startPebble(t *testing.T, change ...func(map[string]any)) *pebble {
	t.Helper()
	for _, name := range []string{"pebble", "pebble-challtestsrv"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca")
	if err := authority.Init(ca, authority.Config{}); err != nil {
		t.Fatal(err)
	}
	a, err := authority.Open(ca)
	if err != nil {
		t.Fatal(err)
	}
	own, err := a.Issue(authority.Request{Name: "pebble", IP: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	p := &pebble{
		t: t, root: filepath.Join(ca, "root.pem"),
		http: freeport.Address(t), tls: freeport.Address(t), dns: freeport.Address(t),
		manage: "http://" + freeport.Address(t),
	}
	listen := freeport.Address(t)
	p.directory = "https://" + listen + "/dir"
	settings := map[string]any{
		"listenAddress": listen, "managementListenAddress": freeport.Address(t),
		"certificate": own, "privateKey": own, "httpPort": port(p.http), "tlsPort": port(p.tls),
	}
	for _, f := range change {
		f(settings)
	}
	file := filepath.Join(dir, "pebble.json")
	text, err := json.Marshal(map[string]any{"pebble": settings})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	manage, _ := url.Parse(p.manage)
	p.start("pebble-challtestsrv", "-dns01", p.dns, "-management", manage.Host, "-http01", "", "-https01", "", "-tlsalpn01", "",
		"-defaultIPv4", "127.0.0.1", "-defaultIPv6", "")
	p.start("pebble", "-config", file, "-dnsserver", p.dns)
	p.await(p.manage)
	p.await(p.directory)
	return p
}

func port(address string) int {
	var n int
	_, p, _ := net.SplitHostPort(address)
	fmt.Sscan(p, &n)
	return n
}

// start runs a process until the test ends, and shows what it printed where the
// test failed.
func (p *pebble) start(name string, args ...string) {
	p.t.Helper()
	var out bytes.Buffer
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if p.t.Failed() {
			p.t.Logf("%s printed:\n%s", name, &out)
		}
	})
}

// await waits until something answers.
func (p *pebble) await(address string) {
	p.t.Helper()
	eventually(p.t, address+" answers", func() bool {
		u, _ := url.Parse(address)
		conn, err := net.Dial("tcp", u.Host)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// resolve has the authority find the host at an address.
func (p *pebble) resolve(host, address string) {
	p.t.Helper()
	p.tell("/clear-a", map[string]any{"host": host})
	p.tell("/add-a", map[string]any{"host": host, "addresses": []string{address}})
}

func (p *pebble) tell(path string, what any) {
	p.t.Helper()
	body, _ := json.Marshal(what)
	res, err := http.Post(p.manage+path, "application/json", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != 200 {
		p.t.Fatalf("%s: %s", path, text)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}
