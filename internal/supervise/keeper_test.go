package supervise

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// startSupervisor runs a supervisor in a process of its own and returns it, its instance and its keeper's ID.
func startSupervisor(t *testing.T, env ...string) (cmd *exec.Cmd, instance string, keeper int) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"=supervise")
	cmd.Env = append(cmd.Env, env...)
	var log bytes.Buffer
	cmd.Stderr = &log
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("supervisor:\n%s", log.String())
		}
	})
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the supervisor did not get its services ready")
	}
	keepers := keepersOf(t, cmd.Process.Pid)
	if len(keepers) != 1 {
		t.Fatalf("got %d keepers, want 1", len(keepers))
	}
	return cmd, lines.Text(), keepers[0]
}

// keepersOf lists the living children of a supervisor that are keepers.
func keepersOf(t *testing.T, supervisor int) []int {
	t.Helper()
	table, err := processTable(false)
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, p := range table {
		line, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/cmdline")
		if p.parent == supervisor && !p.zombie && err == nil && strings.HasSuffix(string(line), "\x00keeper\x00") {
			out = append(out, p.pid)
		}
	}
	return out
}

func alive(pid int) bool {
	p, err := readStat(pid)
	return err == nil && !p.zombie
}

func TestNothingOutlivesAKilledSupervisor(t *testing.T) {
	cmd, instance, keeper := startSupervisor(t)
	var unmarked []int
	table, _ := processTable(true)
	for _, p := range table {
		leader := slices.ContainsFunc(table, func(l proc) bool {
			return l.pid == p.group && strings.HasPrefix(l.marker, instance+"/wiped/")
		})
		if leader && p.marker == "" && !p.zombie {
			unmarked = append(unmarked, p.pid)
		}
	}
	if len(unmarked) != 1 {
		t.Fatalf("got %d processes without the marker, want 1", len(unmarked))
	}
	if got := len(marked(instance)); got < 5 {
		t.Fatalf("got %d marked processes, want 3 replicas and their families: %v", got, marked(instance))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "all processes gone", func() bool {
		return len(marked(instance)) == 0 && !alive(unmarked[0]) && !alive(keeper)
	})
}

func TestKeeperIgnoresSignalsAndIsReplacedWhenKilled(t *testing.T) {
	cmd, instance, keeper := startSupervisor(t)
	eventually(t, "the keeper has begun", func() bool { return ignores(t, keeper, syscall.SIGTERM) })
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(keeper, sig); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Kill(keeper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var second int
	eventually(t, "a second keeper", func() bool {
		if keepers := keepersOf(t, cmd.Process.Pid); len(keepers) == 1 && keepers[0] != keeper {
			second = keepers[0]
		}
		return second != 0
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "all processes gone", func() bool { return len(marked(instance)) == 0 && !alive(second) })
}

// ignores reports whether the kernel drops a signal to the process. One that
// has just been started does not ignore anything yet.
func ignores(t *testing.T, pid int, sig syscall.Signal) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "SigIgn:\t")
	line, _, _ := strings.Cut(rest, "\n")
	mask, err := strconv.ParseUint(line, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return mask&(1<<(sig-1)) != 0
}

func TestSupervisorThatEndsLetsItsKeeperGo(t *testing.T) {
	cmd, instance, keeper := startSupervisor(t)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the supervisor failed: %v", err)
	}
	if left := marked(instance); len(left) > 0 || alive(keeper) {
		t.Errorf("left: %v, keeper %v", left, alive(keeper))
	}
}

func TestKeeperKeepsOnlyGroupsThatAreNotGone(t *testing.T) {
	got := keep(strings.NewReader("abc\n+100\n+200 /a b\n-100\nnonsense\n+1\n"))
	if got.instance != "abc" || len(got.leaders) != 1 || got.leaders[200] != "/a b" || got.kill || got.letGo {
		t.Errorf("got %+v", got)
	}
}

func TestKeeperRefusesInputThatIsNotFromASupervisor(t *testing.T) {
	if out, err := exec.Command(os.Args[0], "keeper").CombinedOutput(); err == nil || !strings.Contains(string(out), "not from a supervisor") {
		t.Errorf("got %v, %s", err, out)
	}
}
