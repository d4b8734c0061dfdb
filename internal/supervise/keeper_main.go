package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	keeperSweepMax  = 30 * time.Second
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
	_ = os.WriteFile("/proc/self/comm", []byte("afloat-keeper"), 0) // its name in ps and top

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
