package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/afloat-dev/afloat/internal/handover"
)

const (
	keeperMark     = "AFLOAT_KEEPER" // in a keeper's environment, so that it cannot start keepers itself
	keeperHold     = "AFLOAT_HOLD"   // in a keeper's environment: how long it holds what it has
	keeperKill     = "kill"          // a line: hold nothing
	keeperLetGo    = "let go"        // a line: kill nothing
	keeperWriteMax = 100 * time.Millisecond
	keeperEndMax   = 5 * time.Second
	keeperRetryMin = 100 * time.Millisecond
	keeperRetryMax = 10 * time.Second
)

// keeper is the supervisor's side: it keeps a keeper process running.
type keeper struct {
	command  []string
	instance string
	logger   *slog.Logger
	hold     hold

	mu      sync.Mutex
	pipe    *os.File       // nil when none runs
	holding *handover.Conn // by which it is told what to hold; nil for nothing
	leaders map[int]string // with their control groups
	last    string         // keeperKill or keeperLetGo, when it was said
}

// hold is what a keeper does before it kills: it waits for an Afloat that takes over what the store has.
type hold struct {
	within time.Duration // 0: it kills at once
	folder string        // where that Afloat looks for it
	store  *handover.Store
}

// start runs a keeper process. What there is to kill is in its pipe before it begins, so that it knows even if this
// program ends at once.
func (k *keeper) start() (*exec.Cmd, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	defer read.Close()
	cmd := exec.Command(k.command[0], k.command[1:]...)
	cmd.Stdin = read
	cmd.Env = append(os.Environ(), keeperMark+"=1", "GOMAXPROCS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	h := k.hold
	if k.last != "" {
		h.within = 0
	}
	k.pipe = write
	if k.holding, err = h.give(cmd); err == nil {
		k.write(k.instance)
		for pid, dir := range k.leaders {
			k.tell(pid, dir)
		}
		if k.last != "" {
			k.write(k.last)
		}
		err = cmd.Start()
		closeAll(cmd.ExtraFiles)
	}
	if err != nil {
		k.drop()
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	if k.holding != nil {
		k.hold.store.Attach(k.holding)
	}
	return cmd, nil
}

// give adds what a keeper needs to hold something to its command, and returns by what it is told.
func (h hold) give(cmd *exec.Cmd) (*handover.Conn, error) {
	if h.within == 0 {
		return nil, nil
	}
	door, err := handover.OpenDoor(h.folder)
	if err != nil {
		return nil, err
	}
	conn, theirs, err := handover.Pair()
	if err != nil {
		door.Close()
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{theirs, door}
	cmd.Env = append(cmd.Env, keeperHold+"="+h.within.String())
	return conn, nil
}

// serve starts the keeper again whenever it ends, until ctx ends; then it lets it go and waits for its end.
func (k *keeper) serve(ctx context.Context, cmd *exec.Cmd) {
	wait := keeperRetryMin
	for {
		began, ended := time.Now(), make(chan error, 1)
		if cmd != nil {
			go func() { ended <- cmd.Wait() }()
		} else {
			ended <- errors.New("not started")
		}
		select {
		case err := <-ended:
			k.logger.Error("the keeper ended", "error", err)
		case <-ctx.Done():
			k.close()
			k.release(cmd, ended)
			return
		}
		k.close()
		if time.Since(began) > keeperRetryMax {
			wait = keeperRetryMin
		}
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, keeperRetryMax)
		var err error
		if cmd, err = k.start(); err != nil {
			k.logger.Error("the keeper does not start", "error", err)
		}
	}
}

// release waits for the end of a keeper that has nothing more to do.
func (k *keeper) release(cmd *exec.Cmd, ended <-chan error) {
	select {
	case <-ended:
	case <-time.After(keeperEndMax):
		_ = cmd.Process.Kill()
		<-ended
	}
}

// add tells of a process group and the control group that it is in, remove that it is gone.
func (k *keeper) add(pid int, g *group) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leaders[pid] = ""
	if g != nil {
		k.leaders[pid] = g.dir
	}
	k.tell(pid, k.leaders[pid])
}

func (k *keeper) tell(pid int, dir string) {
	k.write(strings.TrimSpace("+" + strconv.Itoa(pid) + " " + dir))
}

func (k *keeper) remove(pid int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.leaders, pid)
	k.write("-" + strconv.Itoa(pid))
}

// killAtOnce makes the keeper hold nothing from now on: the supervisor is ending, and means it.
func (k *keeper) killAtOnce() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = keeperKill
	k.write(k.last)
}

// letGo makes the keeper end without killing anything: another has what it kept.
func (k *keeper) letGo() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = keeperLetGo
	k.write(k.last)
}

// write drops what a keeper that hangs does not take: it still knows the replicas by their marker.
func (k *keeper) write(line string) {
	if k.pipe == nil {
		return
	}
	_ = k.pipe.SetWriteDeadline(time.Now().Add(keeperWriteMax))
	_, _ = k.pipe.WriteString(line + "\n")
}

func (k *keeper) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop()
}

func (k *keeper) drop() {
	if k.pipe != nil {
		k.pipe.Close()
		k.pipe = nil
	}
	if k.holding != nil {
		k.hold.store.Detach()
		k.holding.Close()
		k.holding = nil
	}
}

// startKeeper runs a keeper, unless there should be none, and returns how to let it go.
func (s *Supervisor) startKeeper() (release func(), err error) {
	if s.opts.NoKeeper {
		return func() {}, nil
	}
	command := s.opts.KeeperCommand
	if len(command) == 0 {
		// The running program itself, also when its file was replaced or removed since.
		command = []string{"/proc/self/exe", "keeper"}
	}
	hold := hold{s.opts.Adopt, s.opts.Dir, s.opts.Store}
	if hold.folder == "" {
		hold.within = 0
	}
	s.runner.keeper, release, err = keepAlive(command, s.instance, s.opts.Logger, hold)
	return release, err
}

// Keep runs a keeper process by a command, again whenever it ends, until release is called. The command calls
// [RunKeeper] with its standard input. What has a [Mark] of the instance in its environment is killed when this program
// ends, however that happens.
func Keep(command []string, instance string, logger *slog.Logger) (release func(), err error) {
	_, release, err = keepAlive(command, instance, logger, hold{})
	return release, err
}

// Mark is the entry of a process's environment by which a keeper knows it.
func Mark(instance, name string) string { return markerName + "=" + instance + "/" + name }

func keepAlive(command []string, instance string, logger *slog.Logger, h hold) (*keeper, func(), error) {
	k := &keeper{command: command, instance: instance, logger: logger, hold: h, leaders: map[int]string{}}
	cmd, err := k.start()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.serve(ctx, cmd)
	}()
	return k, func() { cancel(); <-ended }, nil
}
