package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
)

// TestEveryGatewayGetsThroughAStorm runs trials from none to none, as short as
// they get, and asks whether the figures can be true: their order, not their
// size.
func TestEveryGatewayGetsThroughAStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real gateways")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	o := options{rounds: 1, storms: []string{"kill", "reload"}, warmup: time.Second,
		lastsMax: 1500 * time.Millisecond, tailMax: 1500 * time.Millisecond}
	b, err := newBench(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.measure(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 2*len(b.gateways) {
		t.Fatalf("%d rows for %d gateways", len(r.Rows), len(b.gateways))
	}
	for _, one := range r.Results {
		if one.Requests < 300 || one.Requests > 3000 || one.Writes == 0 || one.Failed > one.Requests {
			t.Errorf("%s, %s: %+v", one.Storm, one.Gateway, one)
		}
		// On a machine that had no time for the load, anything may have failed.
		if one.Void == "" && one.share() > 0.3 {
			t.Errorf("%s, %s: %v", one.Storm, one.Gateway, one)
		}
	}
	if text := r.tables(); !strings.Contains(text, "replica killed") || !strings.Contains(text, "Afloat") {
		t.Errorf("the tables are\n%s", text)
	}
	b.close()
	if left := rig.Family(os.Getpid())[1:]; len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if _, err := os.Stat(b.dir); !os.IsNotExist(err) {
		t.Errorf("the files are still there: %v", err)
	}
}

// TestKilledStormLeavesNothing kills the program in the middle of a storm that
// has a rule in the packet filter, where there can be one.
func TestKilledStormLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real processes")
	}
	name := "blackhole"
	if canBlock() != nil {
		name = "hang"
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	binary, err := rig.BuildAfloat(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, verbStorm, "-storm", name, "-gateway", ours, "-afloat", binary)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	said := &output{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	struck := func() bool {
		if name == "blackhole" {
			return filter("list table "+filterTable) == nil
		}
		return len(stopped(rig.Family(cmd.Process.Pid))) > 0
	}
	await(t, "the fault", struck, said)
	family := rig.Family(cmd.Process.Pid)
	if len(family) < 2+wide.replicas { // the gateway and the keeper as well
		t.Fatalf("the storm has only %d processes: %s", len(family), said)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	await(t, "the end of all processes", func() bool { return len(running(family)) == 0 }, said)
	await(t, "the end of the rule", func() bool { return name != "blackhole" || filter("list table "+filterTable) != nil }, said)
	await(t, "the end of the files", func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "afloat-storm*"))
		return err == nil && len(files) == 0
	}, said)
}

// output keeps what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool, said *output) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for %s: %s", what, said)
		}
	}
}

// running are those of the processes that are there and no zombies.
func running(all []int) (left []int) { return inState(all, "RSDTtIWPxK") }

// stopped are those of the processes that SIGSTOP has stopped.
func stopped(all []int) []int { return inState(all, "T") }

func inState(all []int, states string) (left []int) {
	for _, pid := range all {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
		_, rest, found := strings.Cut(string(text), "\nState:\t")
		if err == nil && found && strings.Contains(states, rest[:1]) {
			left = append(left, pid)
		}
	}
	return left
}

func TestUnknownStormIsNamed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(self, verbStorm, "-storm", "drizzle").CombinedOutput()
	if err == nil || !strings.Contains(string(out), `"drizzle" is unknown`) {
		t.Errorf("got %v: %s", err, out)
	}
}

// TestResultsAreJSON holds the names that programs read.
func TestResultsAreJSON(t *testing.T) {
	s := &storm{name: "gale", title: "a gale"}
	text, err := json.Marshal(reportOf(t, s, rounds(ours, 1)...))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"storm":"gale"`, `"failed":1`, `"detectedSeconds":null`, `"losses":[]`, `"othersShare":0`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
}
