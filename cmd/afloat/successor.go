package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/console"
	"github.com/afloat-dev/afloat/internal/handover"
	"github.com/afloat-dev/afloat/internal/journal"
)

// upgradeMax bounds each half of an upgrade: until the new Afloat has read its
// configuration, and until it serves.
const upgradeMax = 10 * time.Second

// startedAs is the file that this program was started from, as a path: when
// another takes its place, that is what an upgrade starts.
var startedAs = func() string {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "/proc/self/exe"
	}
	return path
}()

// suspender is a part with files in the data folder, which two processes cannot
// use at once.
type suspender interface {
	Suspend() error
	Resume() error
}

// Upgrade starts the program's file anew and leaves everything to it: the
// sockets, the processes, the data folder. Where the new Afloat does not come
// up, or its configuration is bad, all goes on as before.
func (d *daemon) Upgrade(ctx context.Context) (console.Upgraded, error) {
	if !d.upgrading.TryLock() {
		return console.Upgraded{}, errors.New("an upgrade is under way")
	}
	defer d.upgrading.Unlock()
	switch {
	case os.Getpid() == 1:
		return console.Upgraded{}, errors.New("this Afloat is the first process of its container, which ends with it: replace the container instead")
	case slices.Contains(d.from.files, config.Stdin):
		return console.Upgraded{}, errors.New("the configuration came from standard input, which cannot be read again: write it to a file")
	}
	for _, l := range d.now().Gateway.Listeners {
		if l.HTTP3 != nil && d.elder && os.Getppid() == d.parent { // only two can share a UDP port
			return console.Upgraded{}, fmt.Errorf("listener %s serves HTTP/3, and the Afloat before this one, process %d, still ends its connections: upgrade when it has, at the latest after its drainTimeout", l.Address, d.parent)
		}
	}
	for _, s := range d.releases.Status() {
		if s.Release != nil && !s.Release.Phase.Ended() {
			return console.Upgraded{}, fmt.Errorf("a release of %s is under way: promote or abort it first", s.Service)
		}
	}
	began := time.Now()
	if err := d.gateway.Share(); err != nil {
		return console.Upgraded{}, err
	}
	s, err := d.startSuccessor()
	if err == nil {
		var version string
		if version, err = s.await(); err == nil {
			err = d.supervisor.Yield(ctx, func() error { return d.pass(s) })
		}
		if err == nil {
			d.leave(s.cmd.Process.Pid, version)
			return console.Upgraded{PID: s.cmd.Process.Pid, Version: version, From: readBuild().Version, Seconds: time.Since(began).Seconds()}, nil
		}
		s.end()
	}
	d.log.Error("upgrade failed; all goes on as before", "error", err)
	d.journal.Post(journal.Entry{Kind: journal.KindUpgradeFailed, Who: "afloat", What: "upgrade failed", Why: err.Error()})
	return console.Upgraded{}, err
}

// successor is the Afloat that is to take this one's place.
type successor struct {
	cmd   *exec.Cmd
	conn  *handover.Conn
	ended chan error
}

func (d *daemon) startSuccessor() (*successor, error) {
	conn, theirs, err := handover.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(startedAs, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), successorMark+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("start %s: %w", startedAs, err)
	}
	s := &successor{cmd, conn, make(chan error, 1)}
	go func() { s.ended <- cmd.Wait() }()
	return s, nil
}

// await returns the version of the new Afloat once it has found its
// configuration good.
func (s *successor) await() (string, error) {
	m, files, err := s.conn.Receive(time.Now().Add(upgradeMax))
	handover.CloseFiles(files)
	if err != nil {
		select {
		case ended := <-s.ended:
			s.ended <- ended
			return "", fmt.Errorf("the new Afloat ended: %v", ended)
		case <-time.After(time.Second):
			return "", fmt.Errorf("the new Afloat does not come up: %w", err)
		}
	}
	return heard(m)
}

// heard is what the new Afloat says, or the error that it tells.
func heard(m handover.Message) (string, error) {
	var text string
	if err := json.Unmarshal(m.Value, &text); err != nil {
		return "", fmt.Errorf("the new Afloat does not speak as one: %w", err)
	}
	if m.Key != saysReady {
		return "", fmt.Errorf("the new Afloat cannot serve: %s", text)
	}
	return text, nil
}

// end kills a new Afloat that did not take over.
func (s *successor) end() {
	_ = s.cmd.Process.Kill()
	s.ended <- <-s.ended
	_ = s.conn.Close()
}

// pass gives everything to the new Afloat and waits until it serves. With an
// error this one has it all again.
func (d *daemon) pass(s *successor) (err error) {
	defer func() {
		if err != nil {
			s.end()
			err = errors.Join(err, d.resume())
		}
	}()
	for _, p := range d.suspenders() {
		if err := p.Suspend(); err != nil {
			return err
		}
	}
	if err := d.sockets.store.SendTo(s.conn); err != nil {
		return err
	}
	m, files, err := s.conn.Receive(time.Now().Add(upgradeMax))
	handover.CloseFiles(files)
	switch {
	case err != nil:
		return fmt.Errorf("the new Afloat does not serve: %w", err)
	case handover.IsTaken(m):
		return nil
	}
	_, err = heard(m)
	return err
}

// now is the configuration in force.
func (d *daemon) now() *config.Assembly {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.assembly
}

// suspenders are the parts that the new Afloat cannot open while this one has
// them.
func (d *daemon) suspenders() []suspender { return []suspender{d.journal} }

func (d *daemon) resume() error {
	var failed []error
	for _, p := range d.suspenders() {
		failed = append(failed, p.Resume())
	}
	return errors.Join(failed...)
}

// leave ends this Afloat when its connections have ended.
func (d *daemon) leave(pid int, version string) {
	d.log.Info("another Afloat has taken over; this one ends when its connections have", "pid", pid, "version", version)
	notifySystemd(fmt.Sprintf("MAINPID=%d", pid))
	if d.admin != nil {
		_ = d.sockets.Close(d.admin) // the answer to this upgrade still goes out
	}
	d.rest()
	d.gateway.Leave()
	d.stop()
}
