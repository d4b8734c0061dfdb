package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"

	"github.com/afloat-dev/afloat/bench/rig"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// keeper starts processes such that none outlives this program, however that
// ends: a process of its own knows them all and kills them when this one is
// gone. It also takes the rule of the packet filter back, and the files.
type keeper struct {
	pipe  *os.File
	ended chan struct{}

	mu sync.Mutex // guards writing
}

// startKeeper starts the keeper's process, for what is written into dir.
func startKeeper(self, dir string) (*keeper, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	defer read.Close()
	cmd := exec.Command(self, verbKeeper, dir)
	cmd.Stdin = read
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	k := &keeper{pipe: write, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // it says on standard error what went wrong
		close(k.ended)
	}()
	return k, k.tell(fmt.Sprintf("storm-%d", os.Getpid()))
}

// runKeeper is the keeper's process.
func runKeeper(stdin io.Reader, dir string) error {
	err := supervise.RunKeeper(stdin)
	unblock()
	if removed := os.RemoveAll(dir); err == nil {
		err = removed
	}
	return err
}

// start runs a program under the keeper's eyes.
func (k *keeper) start(env []string, path string, args ...string) (*rig.Process, error) {
	p, err := rig.Start(env, path, args...)
	if err != nil {
		return nil, err
	}
	if err := k.tell("+" + strconv.Itoa(p.PID())); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// stop lets a process end well, and kill does not.
func (k *keeper) stop(p *rig.Process) { p.Stop(); k.forget(p) }
func (k *keeper) kill(p *rig.Process) { p.Kill(); k.forget(p) }

func (k *keeper) forget(p *rig.Process) {
	_ = k.tell("-" + strconv.Itoa(p.PID())) // a keeper that is gone forgets anyway
}

func (k *keeper) tell(line string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.pipe.WriteString(line + "\n"); err != nil {
		return fmt.Errorf("tell the keeper: %w", err)
	}
	return nil
}

// close lets the keeper clear up, and waits for its end.
func (k *keeper) close() {
	k.pipe.Close()
	<-k.ended
}
