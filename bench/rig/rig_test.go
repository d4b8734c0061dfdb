package rig

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for: %s", what)
		}
	}
}

func onLinux(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
}

// TestStopEndsChildren starts what does not end by itself, and is stopped when
// it is told to end.
func TestStopEndsChildren(t *testing.T) {
	onLinux(t)
	for _, halted := range []bool{false, true} {
		p, err := Start(nil, "/bin/sh", "-c", "sleep 600 & wait")
		if err != nil {
			t.Fatal(err)
		}
		await(t, "the child", func() bool { return len(Family(p.PID())) > 1 })
		child := Family(p.PID())[1]
		if !halted {
			p.Stop()
		} else {
			if err := p.SignalAll(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			p.Kill()
		}
		await(t, "the child's end", func() bool { return !running(child) })
	}
}

// running reports whether a process is there and no zombie.
func running(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(state), "\nState:\tZ")
}

func TestProcessTellsWhatItSaid(t *testing.T) {
	p, err := Start([]string{"WORD=at the end"}, "/bin/sh", "-c", "head -c 100000 /dev/zero; echo $WORD")
	if err != nil {
		t.Fatal(err)
	}
	<-p.Ended
	if said := p.Said(); len(said) != tailBytes || !strings.HasSuffix(said, "at the end\n") {
		t.Errorf("%d bytes that end in %q", len(said), said[max(len(said)-20, 0):])
	}
}

func TestMissingProgramIsNamed(t *testing.T) {
	_, err := Find("afloat-no-such-program")
	if err == nil || !strings.Contains(err.Error(), "apt-get install afloat-no-such-program") {
		t.Errorf("got %v, want how to install it", err)
	}
}

// TestCPUCountsDescendants has a grandchild work, which ends.
func TestCPUCountsDescendants(t *testing.T) {
	onLinux(t)
	work := []string{"INNER=sh -c \"$WORK\"; sleep 600", "WORK=i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"}
	p, err := Start(work, "/bin/sh", "-c", `sh -c "$INNER" & wait`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	await(t, "its time", func() bool {
		used, err := CPU(p.PID())
		if err != nil {
			t.Fatal(err)
		}
		return used >= 50*time.Millisecond
	})
	if _, err := CPU(1 << 30); err == nil {
		t.Error("a process that is not there has used time")
	}
}

func TestAllCoresAreBusierThanOne(t *testing.T) {
	onLinux(t)
	one, since, err := Busy(0)
	if err != nil {
		t.Fatal(err)
	}
	all, sinceAll, err := Busy(-1)
	if err != nil {
		t.Fatal(err)
	}
	if one <= 0 || one > since || all < one || sinceAll < since {
		t.Errorf("one core: %v of %v; all: %v of %v", one, since, all, sinceAll)
	}
	if _, _, err := Busy(1 << 20); err == nil {
		t.Error("a core that is not there is known")
	}
}

func TestReadmeReplacesMarkedBlock(t *testing.T) {
	text := "before\n<!-- x: begin -->\nold\n<!-- x: end -->\nafter\n"
	got, err := between(text, "x", "new\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(text, "old", "new", 1); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := between(text, "y", "new\n"); err == nil {
		t.Error("a text without marks was changed")
	}
}
