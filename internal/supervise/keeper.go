package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	keeperMark      = "AFLOAT_KEEPER" // in a keeper's environment, so that it cannot start keepers itself
	keeperWriteMax  = 100 * time.Millisecond
	keeperSweepMax  = 30 * time.Second
	keeperEndMax    = 5 * time.Second
	keeperRetryMin  = 100 * time.Millisecond
	keeperRetryMax  = 10 * time.Second
	keeperMemoryMax = 16 << 20
)

// RunKeeper is the main function of the keeper process: give it the process's standard input, before anything that
// takes memory. The supervisor holds the other end of that pipe and writes the process groups that it starts; the
// kernel closes it when the supervisor ends, however that happens. Then RunKeeper kills everything that the supervisor
// ran, and returns nil when nothing of it is left.
//
// The keeper does not end with Afloat's terminal or session: it ignores the signals that would come from there.
func RunKeeper(stdin io.Reader) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP)
	debug.SetGCPercent(20)
	debug.SetMemoryLimit(keeperMemoryMax)
	debug.FreeOSMemory()

	instance, leaders := keep(stdin)
	if instance == "" {
		return errors.New("keeper: standard input is not from a supervisor")
	}
	ctx, cancel := context.WithTimeout(context.Background(), keeperSweepMax)
	defer cancel()
	f := family{marker: instance + "/", leaders: leaders}
	// A process that is started while the table is read can be missed once, hence twice.
	for range 2 {
		left, err := f.sweep(ctx, func() ([]proc, error) { return processTable(true) })
		if err != nil {
			return fmt.Errorf("keeper: %d processes left: %w", len(left), err)
		}
	}
	return nil
}

// keep reads what the supervisor tells until it ends: its instance, "+pid" for a process group, "-pid" when it is gone.
func keep(stdin io.Reader) (instance string, leaders map[int]bool) {
	leaders = map[int]bool{}
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		line := lines.Text()
		if instance == "" {
			instance = line
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimLeft(line, "+-")); err == nil && pid > 1 {
			if line[0] == '-' {
				delete(leaders, pid)
			} else {
				leaders[pid] = true
			}
		}
	}
	return instance, leaders
}

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
