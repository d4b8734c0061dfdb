package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// namespaces are two network namespaces of the test, joined by a cable.
type namespaces struct{ a, b string }

// The addresses of the namespaces.
const (
	addressA, addressB   = "10.77.0.1", "10.77.0.2"
	addressA6, addressB6 = "fd77::1", "fd77::2"
)

// newNamespaces makes two, or skips the test where that cannot be.
func newNamespaces(t *testing.T) namespaces {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft", "curl", "setpriv", "pgrep"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	n := namespaces{fmt.Sprintf("afloat-a-%d", os.Getpid()), fmt.Sprintf("afloat-b-%d", os.Getpid())}
	for _, name := range []string{n.a, n.b} {
		if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
			t.Skipf("no network namespaces here: %s", out)
		}
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	}
	for _, line := range []string{
		"-n A link add cable address 02:00:00:00:00:01 type veth peer name cable address 02:00:00:00:00:02 netns B",
		"-n A addr add " + addressA + "/24 dev cable", "-n B addr add " + addressB + "/24 dev cable",
		"-n A addr add " + addressA6 + "/64 dev cable nodad", "-n B addr add " + addressB6 + "/64 dev cable nodad",
		"-n A link set lo up", "-n B link set lo up", "-n A link set cable up", "-n B link set cable up",
		// The first question for a neighbour is lost, and asked again a second later.
		"-n A neigh add " + addressB6 + " lladdr 02:00:00:00:00:02 dev cable", "-n B neigh add " + addressA6 + " lladdr 02:00:00:00:00:01 dev cable",
	} {
		line = strings.NewReplacer("-n A", "-n "+n.a, "-n B", "-n "+n.b, "netns B", "netns "+n.b).Replace(line)
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %s", line, out)
		}
	}
	return n
}

// execWithin runs a program in a namespace.
func execWithin(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", name}, args...)...)
}

// within calls f in a namespace, as a user as far as rules can tell.
func within(t *testing.T, name string, uid int, f func() error) {
	t.Helper()
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // without unlock: the thread ends with the goroutine
		failed <- func() error {
			file, err := os.Open("/run/netns/" + name)
			if err != nil {
				return err
			}
			defer file.Close()
			if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter %s: %w", name, err)
			}
			if err := unix.Setfsuid(uid); err != nil {
				return err
			}
			return f()
		}()
	}()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

// listenWithin listens in a namespace.
func listenWithin(t *testing.T, name, address string) net.Listener {
	t.Helper()
	var l net.Listener
	within(t, name, 0, func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
	t.Cleanup(func() { l.Close() })
	return l
}

// rulesetOf is what nft lists in a namespace; of the host, where it has no name.
func rulesetOf(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.Command("nft", "list", "ruleset")
	if name != "" {
		cmd = execWithin(t.Context(), name, "nft", "list", "ruleset")
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("nft list ruleset: %s", out)
	}
	return string(out)
}
