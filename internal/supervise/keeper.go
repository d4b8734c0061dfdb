package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	keeperMark     = "AFLOAT_KEEPER" // in a keeper's environment, so that it cannot start keepers itself
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

	mu      sync.Mutex
	pipe    *os.File // nil when none runs
	leaders map[int]bool
}

// start runs a keeper process and tells it what there is.
func (k *keeper) start() (*exec.Cmd, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	defer read.Close()
	cmd := exec.Command(k.command[0], k.command[1:]...)
	cmd.Stdin = read
	cmd.Env = append(os.Environ(), keeperMark+"=1", "GOMAXPROCS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pipe = write
	k.write(k.instance)
	for pid := range k.leaders {
		k.write("+" + strconv.Itoa(pid))
	}
	return cmd, nil
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

// add tells of a process group, remove that it is gone.
func (k *keeper) add(pid int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leaders[pid] = true
	k.write("+" + strconv.Itoa(pid))
}

func (k *keeper) remove(pid int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.leaders, pid)
	k.write("-" + strconv.Itoa(pid))
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
	if k.pipe != nil {
		k.pipe.Close()
		k.pipe = nil
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
	k := &keeper{command: command, instance: s.instance, logger: s.opts.Logger, leaders: map[int]bool{}}
	cmd, err := k.start()
	if err != nil {
		return nil, err
	}
	s.runner.keeper = k
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.serve(ctx, cmd)
	}()
	return func() { cancel(); <-ended }, nil
}
