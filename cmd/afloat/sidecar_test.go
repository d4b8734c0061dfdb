package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// nobody is the user whose calls are redirected in these tests.
const nobody = 65534

const sidecarPolicies = `
admin: {address: 127.0.0.1:9900}
accessLog: {path: access.log}
services:
  shop: {endpoints: ["10.77.0.2:8090"]}
  cart: {endpoints: ["10.77.0.2:8081", "10.77.0.2:8082"]}
  queue: {endpoints: ["10.77.0.2:7003", "10.77.0.2:7004"]}
routes:
  - name: shop
    match: [{host: shop.internal}]
    to: [{service: shop}]
sidecar:
  outbound:
    policies:
      retry: {attempts: 4, budget: {share: 100%, minPerSecond: 100}}
      connectTimeout: 500ms
  inbound:
    policies:
      retry: {attempts: 4, budget: {share: 100%, minPerSecond: 100}}
`

// flaky answers three of ten requests with 500.
func flaky(asked *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := asked.Add(1) % 10; n == 1 || n == 4 || n == 8 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "from %s for %q\n", r.Host, r.Header.Get("X-Forwarded-For"))
	})
}

// serveWithin serves HTTP in a namespace until it is closed.
func serveWithin(t *testing.T, name, address string, h http.Handler) *http.Server {
	t.Helper()
	s := &http.Server{Handler: h}
	l := listenWithin(t, name, address)
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return s
}

// curl asks n times, as a user, with plain curl, and returns the statuses.
func curl(t *testing.T, name string, uid, n int, args ...string) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		all := append([]string{"setpriv", "--reuid", strconv.Itoa(uid), "--clear-groups",
			"curl", "--silent", "--max-time", "10", "--output", "/dev/null", "--write-out", "%{http_code}"}, args...)
		out, _ := execWithin(t.Context(), name, all...).Output() // its status is what it printed: 000 for none
		got[string(out)]++
	}
	return got
}

// sidecarProcess is a running `afloat sidecar`.
type sidecarProcess struct {
	cmd   *exec.Cmd
	dir   string
	mu    sync.Mutex
	log   bytes.Buffer
	ended chan struct{}
}

func (p *sidecarProcess) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *sidecarProcess) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// startSidecar runs it in a namespace and waits until its rules are in place.
func startSidecar(t *testing.T, name string, args ...string) *sidecarProcess {
	t.Helper()
	p := &sidecarProcess{dir: t.TempDir(), ended: make(chan struct{})}
	if err := os.WriteFile(filepath.Join(p.dir, "afloat.yaml"), []byte(sidecarPolicies), 0o644); err != nil {
		t.Fatal(err)
	}
	p.cmd = execWithin(context.Background(), name, append([]string{filepath.Join(programs, "afloat"), "sidecar", "-f", "afloat.yaml"}, args...)...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, p, p
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.ended); _ = p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("sidecar:\n%s", p.output())
		}
	})
	soon(t, "the rules are in place", func() bool { return strings.Contains(p.output(), "rules in place") })
	return p
}

// stop ends it with a signal and returns its exit code.
func (p *sidecarProcess) stop(t *testing.T, s syscall.Signal) int {
	t.Helper()
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("it does not end by %v", s)
	}
	return p.cmd.ProcessState.ExitCode()
}

// soon waits for what other processes do.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(interval) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func TestSidecarProtectsCallsOfAProgramThatKnowsNothingOfIt(t *testing.T) {
	n := newNamespaces(t)
	host := rulesetOf(t, "")
	var asked atomic.Int64
	serve := func() *http.Server { return serveWithin(t, n.b, ":8080", flaky(&asked)) }
	server := serve()
	const url = "http://" + addressB + ":8080/"

	if got := curl(t, n.a, nobody, 20, url); got["500"] != 6 {
		t.Fatalf("without a sidecar: %v, want 6 of 20 to fail", got)
	}
	p := startSidecar(t, n.a, "--user", "nobody")
	for _, u := range []string{url, "http://[" + addressB6 + "]:8080/"} {
		if got := curl(t, n.a, nobody, 20, u); got["200"] != 20 {
			t.Errorf("%s with a sidecar: %v, want none to fail", u, got)
		}
	}
	asked.Store(0)
	if got := curl(t, n.a, 0, 20, url); got["500"] != 6 {
		t.Errorf("another user: %v, want 6 of 20 to fail", got)
	}
	if rulesetOf(t, "") != host {
		t.Error("the host's rules have changed")
	}

	t.Run("it routes by host", func(t *testing.T) {
		serveWithin(t, n.b, ":8090", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
		if got := curl(t, n.a, nobody, 1, "--header", "Host: shop.internal", url); got["418"] != 1 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("it heals", func(t *testing.T) {
		server.Close()
		if got := curl(t, n.a, nobody, 3, url); got["503"] != 3 {
			t.Errorf("without a server: %v", got)
		}
		serve()
		soon(t, "calls succeed again", func() bool { return curl(t, n.a, nobody, 1, url)["200"] == 1 })
	})
	t.Run("it tells of the calls", func(t *testing.T) {
		out, err := execWithin(t.Context(), n.a, "curl", "--silent", "http://127.0.0.1:9900/metrics").Output()
		if err != nil || !strings.Contains(string(out), `afloat_upstream_tries_total{class="failure",endpoint="original",service="outbound"}`) {
			t.Errorf("metrics do not know the calls: %v\n%s", err, out)
		}
		soon(t, "the access log has them", func() bool {
			log, _ := os.ReadFile(filepath.Join(p.dir, "access.log"))
			return strings.Contains(string(log), `"service":"outbound","endpoint":"10.77.0.2:8080","tries":2`)
		})
	})
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left := rulesetOf(t, n.a); left != "" {
		t.Errorf("rules are left:\n%s", left)
	}
	asked.Store(0)
	if got := curl(t, n.a, nobody, 10, url); got["500"] != 3 {
		t.Errorf("after its end: %v, want 3 of 10 to fail", got)
	}
}

func TestSidecarSendsCallsOfAKilledReplicaToAnother(t *testing.T) {
	n := newNamespaces(t)
	replica := func(port string) *exec.Cmd {
		cmd := execWithin(context.Background(), n.b, filepath.Join(programs, "afloat"), "sample", "-listen", net.JoinHostPort(addressB, port), "-service-time", "1ms")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	first := replica("8081")
	replica("8082")
	const url = "http://" + addressB + ":8081/"
	for _, port := range []string{"8081", "8082"} {
		soon(t, "replicas serve", func() bool { return curl(t, n.a, 0, 1, "http://"+addressB+":"+port+"/")["200"] == 1 })
	}
	startSidecar(t, n.a, "--user", "nobody")
	kept := serveEach(listenWithin(t, n.b, ":7004"), func(c net.Conn) { _, _ = io.WriteString(c, "from the other") })
	for i, say := range []string{"both are there", "one is killed", "it is back"} {
		switch i {
		case 1:
			_ = first.Process.Kill()
			_ = first.Wait()
		case 2:
			replica("8081")
		}
		if got := curl(t, n.a, nobody, 20, url); got["200"] != 20 {
			t.Errorf("%s: %v", say, got)
		}
		if got := curl(t, n.a, 0, 1, url); i == 1 && got["000"] != 1 {
			t.Errorf("the replica was not killed: %v", got)
		}
	}
	for range 5 { // nobody listens on the port that is called
		conn := dialWithin(t, n.a, nobody, net.JoinHostPort(addressB, "7003"))
		if got, err := io.ReadAll(conn); string(got) != "from the other" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	kept.Close()
	if got, err := io.ReadAll(dialWithin(t, n.a, nobody, net.JoinHostPort(addressB, "7003"))); err == nil {
		t.Errorf("without a replica: got %q, want a reset", got)
	}
}

// dialWithin calls as a user in a namespace.
func dialWithin(t *testing.T, name string, uid int, address string) (conn net.Conn) {
	t.Helper()
	within(t, name, uid, func() (err error) {
		conn, err = net.Dial("tcp", address)
		return err
	})
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func TestSidecarNeedsThePermission(t *testing.T) {
	n := newNamespaces(t)
	before := rulesetOf(t, n.a)
	dir := t.TempDir()
	for _, folder := range []string{filepath.Dir(dir), dir} { // for data, of nobody too
		if err := os.Chmod(folder, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, verb := range [][]string{{"--all"}, {"up", "--all"}, {"down"}} {
		args := append([]string{"setpriv", "--reuid", "nobody", "--clear-groups", "--bounding-set", "-all", filepath.Join(programs, "afloat"), "sidecar"}, verb...)
		cmd := execWithin(t.Context(), n.a, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "CAP_NET_ADMIN") || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%v: %v, %s", verb, err, out)
		}
	}
	if after := rulesetOf(t, n.a); after != before {
		t.Errorf("rules are there:\n%s", after)
	}
}

func TestSidecarPassesOtherProtocolsOnUnchanged(t *testing.T) {
	n := newNamespaces(t)
	p := startSidecar(t, n.a, "--user", "nobody")
	serveEach(listenWithin(t, n.b, ":7001"), func(c net.Conn) { // echoes
		_, _ = io.Copy(c, c)
	})
	serveEach(listenWithin(t, n.b, ":7002"), func(c net.Conn) { // speaks first
		_, _ = io.WriteString(c, "220 welcome\r\n")
		_, _ = io.Copy(c, c)
	})
	for port, want := range map[string]string{"7001": "", "7002": "220 welcome\r\n"} {
		for _, address := range []string{addressB, addressB6} {
			sent := make([]byte, 1<<20)
			_, _ = rand.Read(sent)
			conn := dialWithin(t, n.a, nobody, net.JoinHostPort(address, port))
			if want != "" {
				sent = sent[:1000]
				banner := make([]byte, len(want))
				if _, err := io.ReadFull(conn, banner); err != nil || string(banner) != want {
					t.Fatalf("%s: got %q, %v", port, banner, err)
				}
			}
			go func() {
				_, _ = conn.Write(sent)
				_ = conn.(*net.TCPConn).CloseWrite()
			}()
			if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%s %s: %d bytes came back, %v", address, port, len(got), err)
			}
		}
	}
	out, err := execWithin(t.Context(), n.a, filepath.Join(programs, "afloat"), "status", "--json").Output()
	if err == nil && !strings.Contains(string(out), `"passed": 2`) {
		t.Errorf("the status does not know of them: %s", out)
	}
	p.stop(t, syscall.SIGTERM)
}

// serveEach serves each connection to its end.
func serveEach(l net.Listener, f func(net.Conn)) net.Listener {
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); f(c) }()
		}
	}()
	return l
}

func TestSidecarProtectsCallsToAProgram(t *testing.T) {
	n := newNamespaces(t)
	var asked atomic.Int64
	for _, own := range []string{"127.0.0.1:8080", "[::1]:8080"} { // nowhere else
		serveWithin(t, n.b, own, flaky(&asked))
	}
	const url = "http://" + addressB + ":8080/"
	if got := curl(t, n.a, 0, 1, url); got["000"] != 1 {
		t.Fatalf("without a sidecar: %v", got)
	}
	p := startSidecar(t, n.b, "--inbound", "8080")
	for _, u := range []string{url, "http://[" + addressB6 + "]:8080/"} {
		if got := curl(t, n.a, 0, 20, u); got["200"] != 20 {
			t.Errorf("%s: %v", u, got)
		}
	}
	out, _ := execWithin(t.Context(), n.a, "curl", "--silent", "--retry", "3", url).Output()
	if !strings.Contains(string(out), `for "`+addressA+`"`) {
		t.Errorf("the program does not learn who calls: %s", out)
	}
	if got := curl(t, n.a, 0, 1, "http://"+addressB+":15006/"); got["000"] != 1 {
		t.Errorf("a call of the gateway's port itself: %v, want it refused", got)
	}
	asked.Store(0)
	if got := curl(t, n.b, 0, 10, "http://127.0.0.1:8080/"); got["500"] != 3 {
		t.Errorf("over loopback: %v, want it left alone", got)
	}
	p.stop(t, syscall.SIGTERM)
	if left := rulesetOf(t, n.b); left != "" {
		t.Errorf("rules are left:\n%s", left)
	}
}

func TestKilledSidecarLeavesNoRulesAndNoProgram(t *testing.T) {
	n := newNamespaces(t)
	p := startSidecar(t, n.a, "--user", "nobody", "--", "sleep", "86399")
	var sleeping []byte
	soon(t, "the program runs", func() bool {
		sleeping, _ = exec.Command("pgrep", "--parent", strconv.Itoa(p.cmd.Process.Pid), "-x", "sleep").Output()
		return len(sleeping) > 0
	})
	program, _ := strconv.Atoi(strings.TrimSpace(string(sleeping)))
	if status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", program)); !strings.Contains(string(status), "Uid:\t65534\t65534") {
		t.Errorf("the program is not of the user:\n%s", status)
	}
	p.stop(t, syscall.SIGKILL)
	soon(t, "the rules are gone", func() bool { return rulesetOf(t, n.a) == "" })
	soon(t, "the program is gone", func() bool { return !runs(program) })
}

// runs reports whether a process runs. One that has ended does not, though
// nobody has asked how: this program may be whose child it has become.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestSidecarEndsWithItsProgram(t *testing.T) {
	n := newNamespaces(t)
	var asked atomic.Int64
	serveWithin(t, n.b, ":8080", flaky(&asked))
	script := "for i in 1 2 3 4 5 6 7 8 9 10; do curl --silent --output /dev/null --fail http://" + addressB + ":8080/ || exit 9; done; exit 7"
	p := startSidecar(t, n.a, "--user", "nobody", "--", "sh", "-c", script)
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("exit code %d, want 7, the program's", code)
	}
	if left := rulesetOf(t, n.a); left != "" {
		t.Errorf("rules are left:\n%s", left)
	}
}

func TestOneNamespaceHasTheRulesOfOne(t *testing.T) {
	n := newNamespaces(t)
	afloat := func(args ...string) (string, int) {
		cmd := execWithin(t.Context(), n.a, append([]string{filepath.Join(programs, "afloat"), "sidecar"}, args...)...)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	expect := func(code int, words string, args ...string) {
		t.Helper()
		if out, got := afloat(args...); got != code || !strings.Contains(out, words) {
			t.Errorf("afloat sidecar %v: exit code %d, want %d with %q\n%s", args, got, code, words, out)
		}
	}
	if out, err := execWithin(t.Context(), n.a, "nft", "add", "table", "inet", "other").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	others := rulesetOf(t, n.a)
	expect(1, "no rules", "status")
	expect(0, "no rules", "down")
	p := startSidecar(t, n.a, "--user", "nobody", "--exclude", "10.0.0.0/8,10.77.0.0/24,fd00::/8", "--exclude-port", "22,53")
	expect(0, "rules are those of process "+strconv.Itoa(p.cmd.Process.Pid), "status")
	expect(0, `"running": true`, "status", "--json")
	expect(2, "rules of an Afloat are in place", "up", "--user", "nobody")
	expect(0, "rules are those of process", "status")
	expect(0, "removed", "down")
	p.stop(t, syscall.SIGTERM)
	expect(0, "", "up", "--all", "--inbound", "8080,8443")
	expect(0, "stay until", "status")
	expect(0, "removed", "down")
	if left := rulesetOf(t, n.a); left != others {
		t.Errorf("rules differ:\n%s", left)
	}
	if out, err := execWithin(t.Context(), n.a, "nft", "create table inet afloat; add chain inet afloat owner_999999999_left").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	expect(1, "left by process 999999999", "status") // what a crash of keeper and all left
	expect(2, "are in place", "up", "--all")
	expect(0, "", "up", "--all", "--replace")
	expect(0, "stay until", "status")
	expect(0, "removed", "clean")
	expect(0, "", "up", "--all", "--replace") // nothing to replace
	expect(0, "removed", "down")
	if out, err := execWithin(t.Context(), n.a, "nft", "create table inet afloat").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	expect(1, "not one of afloat sidecar", "down")
	expect(2, "not one of afloat sidecar", "up", "--all", "--replace")
}
