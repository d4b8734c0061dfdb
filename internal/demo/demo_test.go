package demo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestUsersFareBetterWithAfloat(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	d := startDemo(t, "0.6")
	d.finish()
	var v Verdict
	if err := json.Unmarshal(d.out.Bytes(), &v); err != nil {
		t.Fatalf("%v in %q", err, d.out.String())
	}
	if v.Void != "" {
		t.Skip(v.Void)
	}
	if len(v.Faults) != 2+len(faults) {
		t.Fatalf("%d stretches: %+v", len(v.Faults), v)
	}
	for _, f := range v.Faults {
		switch {
		case f.With.Requests == 0 || f.Without.Requests == 0:
			t.Errorf("%s: nobody asked", f.Title)
		case f.Name == calmName:
		case f.DetectedSeconds == nil:
			t.Errorf("%s was not detected", f.Title)
		case f.Name == overloadName && f.With.GoodputPerSecond <= f.Without.GoodputPerSecond:
			t.Errorf("%s: %.0f/s with Afloat, %.0f/s without", f.Title, f.With.GoodputPerSecond, f.Without.GoodputPerSecond)
		case f.Name != overloadName && f.With.FailedShare >= f.Without.FailedShare:
			t.Errorf("%s: %.3f failed with Afloat, %.3f without", f.Title, f.With.FailedShare, f.Without.FailedShare)
		}
	}
	if code := d.command.ProcessState.ExitCode(); code != ExitKept && v.Kept || code != ExitBroken && !v.Kept {
		t.Errorf("exit code %d, kept %v", code, v.Kept)
	}
	if left := d.processes(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestInterruptLeavesNothingBehind(t *testing.T) {
	d := startDemo(t, "0.2")
	d.await("SIGSTOP")
	if n := len(d.processes()); n < 2*replicas {
		t.Fatalf("only %d processes run, so that the test would see nothing", n)
	}
	d.command.Process.Signal(os.Interrupt)
	d.finish()
	if code := d.command.ProcessState.ExitCode(); code != ExitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if left := d.processes(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if d.out.Len() > 0 {
		t.Errorf("a verdict on half a story: %s", d.out.String())
	}
}

func TestKillLeavesNothingBehind(t *testing.T) {
	d := startDemo(t, "0.2")
	d.await("SIGSTOP")
	d.command.Process.Signal(syscall.SIGKILL)
	d.finish()
	// Nobody is left to wait for it but this test.
	deadline := time.Now().Add(30 * time.Second)
	for len(d.processes()) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %v", d.processes())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestCannotStart(t *testing.T) {
	good := options()
	for name, c := range map[string]struct {
		o    Options
		says string
	}{
		"no sample":      {Options{KeeperCommand: good.KeeperCommand}, "sample"},
		"no keeper":      {Options{SampleCommand: good.SampleCommand}, "keeper"},
		"missing sample": {Options{SampleCommand: []string{"/does/not/exist"}, KeeperCommand: good.KeeperCommand}, "/does/not/exist"},
		"missing keeper": {Options{SampleCommand: good.SampleCommand, KeeperCommand: []string{"/does/not/exist"}}, "keeper"},
		"failing sample": {Options{SampleCommand: []string{"/bin/false"}, KeeperCommand: good.KeeperCommand, startMax: time.Second}, "exited with status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			var errors bytes.Buffer
			c.o.Out, c.o.Err = io.Discard, &errors
			if code := Run(t.Context(), c.o); code != ExitUnable {
				t.Errorf("exit code %d", code)
			}
			if !strings.Contains(errors.String(), c.says) {
				t.Errorf("it says %q", errors.String())
			}
		})
	}
}

// running is a demo in a process of its own.
type running struct {
	t       *testing.T
	command *exec.Cmd
	mark    string
	out     bytes.Buffer
	told    *bufio.Scanner
}

func startDemo(t *testing.T, scale string) *running {
	d := &running{t: t, mark: fmt.Sprintf("AFLOAT_DEMO_TEST=%d", rand.Uint64())}
	d.command = exec.Command(options().SampleCommand[0], "demo", scale)
	d.command.Env = append(os.Environ(), d.mark)
	d.command.Stdout = &d.out
	told, err := d.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.told = bufio.NewScanner(told)
	if err := d.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.command.Process.Kill() })
	return d
}

// await reads on until the demo tells of something.
func (d *running) await(what string) {
	d.t.Helper()
	for d.told.Scan() {
		if strings.Contains(d.told.Text(), what) {
			return
		}
	}
	d.t.Fatalf("it ended before it told of %s", what)
}

func (d *running) finish() {
	d.t.Helper()
	for d.told.Scan() {
		d.t.Log(d.told.Text())
	}
	d.command.Wait() // the exit code is looked at later
}

// processes are those that have the demo's mark in their environment.
func (d *running) processes() []string {
	var all []string
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range paths {
		environment, err := os.ReadFile(path)
		if err == nil && bytes.Contains(environment, []byte(d.mark)) {
			all = append(all, path)
		}
	}
	return all
}
