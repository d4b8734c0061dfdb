package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	// scriptMark is a variable in the environment of every process that a
	// script starts, and so of their children.
	scriptMark = "AFLOAT_SCRIPT"
	// patience bounds every wait; on a busy machine waits are long.
	patience = 60 * time.Second
	interval = 20 * time.Millisecond // between two looks
)

type scriptKey struct{}

// script is what one script has started.
type script struct {
	mark     string
	programs map[string]*program
	drives   map[string]*drive
	servers  map[string]*upstream
	closers  []func()
}

func newScript() *script {
	return &script{
		mark: rand.Text(), programs: map[string]*program{},
		drives: map[string]*drive{}, servers: map[string]*upstream{},
	}
}

func of(ts *testscript.TestScript) *script { return ts.Value(scriptKey{}).(*script) }

// close ends what the script left, and wants nothing to survive that.
func (s *script) close(t testscript.T) {
	for _, d := range s.drives {
		d.stop()
	}
	for name, p := range s.programs {
		p.kill()
		if strings.Contains(p.output(), "WARNING: DATA RACE") {
			t.Fatal("a data race in ", name, ":\n", p.output())
		}
	}
	for _, f := range s.closers {
		f()
	}
	if left := s.awaitNone(); len(left) > 0 {
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		t.Fatal("processes outlived the script: ", left)
	}
}

// awaitNone waits until no process has the script's mark; it returns who still
// has when its patience ends.
func (s *script) awaitNone() (left []int) {
	for end := time.Now().Add(patience); ; time.Sleep(interval) {
		if left = s.marked(); len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// marked lists the processes with the script's mark in their environment.
func (s *script) marked() (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well formed
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(env, []byte(scriptMark+"="+s.mark)) {
			continue // it has ended, or belongs to somebody else
		}
		pid, _ := strconv.Atoi(strings.Split(f, "/")[2])
		pids = append(pids, pid)
	}
	return pids
}

// program runs beside the script.
type program struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu       sync.Mutex // guards the output
	out, err bytes.Buffer
}

// side is one of a program's two outputs.
type side struct {
	p  *program
	to *bytes.Buffer
}

func (s side) Write(b []byte) (int, error) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	return s.to.Write(b)
}

func (p *program) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String() + p.err.String()
}

func (p *program) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience / 4):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func command(ctx context.Context, ts *testscript.TestScript, args []string) *exec.Cmd {
	path := args[0]
	if !strings.Contains(path, "/") {
		path = filepath.Join(programs, path)
		if _, err := os.Stat(path); err != nil {
			path = args[0]
		}
	}
	cmd := exec.CommandContext(ctx, path, args[1:]...)
	cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", scriptMark} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	for _, name := range strings.Fields(ts.Getenv("NAMES")) {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.WaitDelay = time.Second
	return cmd
}

// set sets a variable for the script and for the programs that it starts.
func set(ts *testscript.TestScript, name, value string) {
	ts.Setenv(name, value)
	if !strings.Contains(" "+ts.Getenv("NAMES")+" ", " "+name+" ") {
		ts.Setenv("NAMES", strings.TrimSpace(ts.Getenv("NAMES")+" "+name))
	}
}

// want ends the script where a command has not the form that it should have.
func want(ts *testscript.TestScript, ok bool, usage string) {
	if !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) >= 2, "exits CODE PROGRAM ARG...")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := command(ctx, ts, args[1:])
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		ts.Fatalf("%v", err)
	}
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) >= 2, "until REGEXP PROGRAM ARG...")
	pattern := compile(ts, args[0])
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		var out, errs bytes.Buffer
		cmd := command(ctx, ts, args[1:])
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		if pattern.Match(out.Bytes()) || pattern.Match(errs.Bytes()) || ctx.Err() != nil {
			_, _ = ts.Stdout().Write(out.Bytes())
			_, _ = ts.Stderr().Write(errs.Bytes())
		}
		switch {
		case ctx.Err() != nil:
			ts.Fatalf("it never said %s (%v)", args[0], err)
		case pattern.Match(out.Bytes()) || pattern.Match(errs.Bytes()):
			return
		}
		time.Sleep(5 * interval)
	}
}

func compile(ts *testscript.TestScript, pattern string) *regexp.Regexp {
	r, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	return r
}

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) >= 2, "start NAME [-in FILE] PROGRAM ARG...")
	p := &program{done: make(chan struct{})}
	run := args[1:]
	if run[0] == "-in" {
		run = run[2:]
	}
	p.cmd = command(context.Background(), ts, run)
	if args[1] == "-in" {
		p.cmd.Stdin = strings.NewReader(ts.ReadFile(args[2]))
	}
	p.cmd.Stdout, p.cmd.Stderr = side{p, &p.out}, side{p, &p.err}
	ts.Check(p.cmd.Start())
	of(ts).programs[args[0]] = p
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended is in its ProcessState
	}()
}

// find returns a program that was started.
func find(ts *testscript.TestScript, name string) *program {
	p := of(ts).programs[name]
	if p == nil {
		ts.Fatalf("no program %s was started", name)
	}
	return p
}

func cmdSays(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2, "says NAME REGEXP")
	p, pattern := find(ts, args[0]), compile(ts, args[1])
	for end := time.Now().Add(patience); !pattern.MatchString(p.output()); time.Sleep(interval) {
		select {
		case <-p.done:
			if !pattern.MatchString(p.output()) {
				ts.Fatalf("%s ended and never said %s:\n%s", args[0], args[1], p.output())
			}
			return
		default:
		}
		if time.Now().After(end) {
			ts.Fatalf("%s never said %s:\n%s", args[0], args[1], p.output())
		}
	}
}

var signals = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL,
}

func cmdTell(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2 && signals[args[1]] != 0, "tell NAME|PID TERM|INT|HUP|KILL")
	if pid, err := strconv.Atoi(args[0]); err == nil {
		ts.Check(syscall.Kill(pid, signals[args[1]]))
		return
	}
	ts.Check(find(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

func cmdInsist(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2 && signals[args[1]] != 0, "insist NAME SIGNAL")
	p := find(ts, args[0])
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * interval) {
		select {
		case <-p.done:
			return
		default:
			_ = p.cmd.Process.Signal(signals[args[1]]) // fails when it has just ended
		}
	}
	ts.Fatalf("%s does not end:\n%s", args[0], p.output())
}

func cmdEnd(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2, "end NAME CODE")
	p := find(ts, args[0])
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s does not end:\n%s", args[0], p.output())
	}
	_, _ = ts.Stdout().Write(p.out.Bytes())
	_, _ = ts.Stderr().Write(p.err.Bytes())
	if got := p.cmd.ProcessState.ExitCode(); strconv.Itoa(got) != args[1] {
		ts.Fatalf("%s: %v, want exit code %s", args[0], p.cmd.ProcessState, args[1])
	}
}

func cmdAlone(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 0, "alone")
	if left := of(ts).awaitNone(); len(left) > 0 {
		ts.Fatalf("processes are left: %v", left)
	}
}
