package sidecar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// Program is what runs beside the gateway.
type Program struct {
	// Command is its path and arguments.
	Command []string
	// UID and GID are who it runs as; nil: as Afloat does.
	UID, GID *uint32
	// Env are entries of its environment beside those of Afloat.
	Env []string
	// In, Out and Err are its standard streams.
	In       io.Reader
	Out, Err io.Writer
	// Grace is how long it may take to end after SIGTERM.
	Grace time.Duration
}

// Run runs the program to its end and returns its exit code: 128 and the
// signal's number where a signal ended it. When ctx ends, the program gets
// SIGTERM and, after its grace, SIGKILL.
func (p *Program) Run(ctx context.Context) (int, error) {
	cmd := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.In, p.Out, p.Err
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = p.Grace
	if p.UID != nil || p.GID != nil {
		credential, err := p.credential()
		if err != nil {
			return 0, err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	}
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case cmd.ProcessState == nil:
		return 0, fmt.Errorf("start the program: %w", err)
	case errors.As(err, &ended) || err == nil || ctx.Err() != nil:
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return cmd.ProcessState.ExitCode(), nil
	}
	return 0, fmt.Errorf("run the program: %w", err)
}

// credential is who the program runs as, with the groups of its user.
func (p *Program) credential() (*syscall.Credential, error) {
	c := &syscall.Credential{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	if p.UID != nil {
		c.Uid = *p.UID
		u, err := user.LookupId(strconv.FormatUint(uint64(*p.UID), 10))
		if err == nil {
			groups, _ := u.GroupIds() // without them it has its first one
			for _, g := range append(groups, u.Gid) {
				if id, err := strconv.ParseUint(g, 10, 32); err == nil {
					c.Groups = append(c.Groups, uint32(id))
				}
			}
			if n := len(c.Groups); n > 0 {
				c.Gid = c.Groups[n-1]
			}
		} else if p.GID == nil {
			return nil, fmt.Errorf("the user %d has no entry in /etc/passwd: write --group too", *p.UID)
		}
	}
	if p.GID != nil {
		c.Gid = *p.GID
	}
	return c, nil
}
