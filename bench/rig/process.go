// Package rig runs programs side by side and reads what they use.
package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Process is a program that was started here. It is in a process group of its
// own, so that Ctrl-C reaches this program alone, which then stops it.
type Process struct {
	// Name is that of the program's file.
	Name string
	// Ended is closed when the process has ended.
	Ended chan struct{}

	cmd *exec.Cmd
	tail
}

// tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte // guarded
}

// Start runs a program, with env on top of this program's environment.
func Start(env []string, path string, args ...string) (*Process, error) {
	p := &Process{Name: filepath.Base(path), cmd: exec.Command(path, args...), Ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.tail, &p.tail
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = time.Second // a worker may hold the pipe for longer than its master lives
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how a stopped process ended does not matter
		close(p.Ended)
	}()
	return p, nil
}

// PID is the process's ID, which is its group's, too.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process alone.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// SignalAll sends a signal to the process and its children.
func (p *Process) SignalAll(s syscall.Signal) error { return syscall.Kill(-p.PID(), s) }

// Stop ends the process and its children, by force after a while.
func (p *Process) Stop() {
	_ = p.Signal(syscall.SIGTERM) // fails only when it has ended
	select {
	case <-p.Ended:
	case <-time.After(5 * time.Second):
	}
	p.Kill()
}

// Kill ends the process and its children at once.
func (p *Process) Kill() {
	_ = p.SignalAll(syscall.SIGKILL) // nobody else is in its group
	<-p.Ended
}

const tailBytes = 4 << 10

// Write takes what the process says.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailBytes; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// Said is the end of what the process has said.
func (t *tail) Said() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
