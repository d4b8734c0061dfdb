package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/afloat-dev/afloat/internal/handover"
)

const (
	keeperSweepMax  = 30 * time.Second
	keeperMemoryMax = 16 << 20
)

// RunKeeper is the main function of the keeper process: give it the process's standard input, before anything that
// takes memory. The supervisor holds the other end of that pipe and writes the process groups that it starts; the
// kernel closes it when the supervisor ends, however that happens. Then RunKeeper kills everything that the supervisor
// ran, and returns nil when nothing of it is left. With Options.Adopt it holds what runs for that long before, for an
// Afloat that takes it over.
//
// The keeper does not end with Afloat's terminal or session: it ignores the signals that would come from there.
func RunKeeper(stdin io.Reader) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP)
	debug.SetGCPercent(20)
	debug.SetMemoryLimit(keeperMemoryMax)
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/comm", []byte("afloat-keeper"), 0) // its name in ps and top

	held := holdAside()
	told := keep(stdin)
	if told.instance == "" {
		return errors.New("keeper: standard input is not from a supervisor")
	}
	if told.letGo || !told.kill && held.handOver() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), keeperSweepMax)
	defer cancel()
	killGroups(told.groups())
	f := family{marker: told.instance + "/", leaders: told.pids()}
	// A process that is started while the table is read can be missed once, hence twice.
	for range 2 {
		left, err := f.sweep(ctx, func() ([]proc, error) { return processTable(true) })
		if err != nil {
			return fmt.Errorf("keeper: %d processes left: %w", len(left), err)
		}
	}
	return nil
}

// told is what a keeper knows from its supervisor.
type told struct {
	instance string
	leaders  map[int]string // with their control groups, where they have any
	kill     bool           // at once
	letGo    bool           // nothing is to be killed
}

func (t told) pids() map[int]bool {
	out := map[int]bool{}
	for pid := range t.leaders {
		out[pid] = true
	}
	return out
}

func (t told) groups() []string {
	return slices.DeleteFunc(slices.Collect(maps.Values(t.leaders)), func(dir string) bool { return dir == "" })
}

// keep reads what the supervisor tells until it ends: its instance, "+pid group" for a process group, "-pid" when it is
// gone.
func keep(stdin io.Reader) told {
	t := told{leaders: map[int]string{}}
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case t.instance == "":
			t.instance = line
			continue
		case line == keeperKill:
			t.kill = true
		case line == keeperLetGo:
			t.letGo = true
		}
		number, dir, _ := strings.Cut(strings.TrimLeft(line, "+-"), " ")
		if pid, err := strconv.Atoi(number); err == nil && pid > 1 {
			if line[0] == '-' {
				delete(t.leaders, pid)
			} else {
				t.leaders[pid] = dir
			}
		}
	}
	return t
}

// aside is what a keeper holds for the next Afloat.
type aside struct {
	within time.Duration
	door   *os.File
	holder <-chan *handover.Holder // gives what is held when the supervisor has ended
}

// The files that a keeper has beside its standard ones, where it holds something.
const (
	holdFile = 3
	doorFile = 4
)

// holdAside begins to hold what the supervisor tells, if it asked for that.
func holdAside() aside {
	within, err := time.ParseDuration(os.Getenv(keeperHold))
	if err != nil || within <= 0 {
		return aside{}
	}
	conn, err := handover.Open(os.NewFile(holdFile, "hold"))
	if err != nil {
		return aside{}
	}
	holder := make(chan *handover.Holder, 1)
	go func() { holder <- handover.Hold(conn) }()
	return aside{within, os.NewFile(doorFile, "door"), holder}
}

// handOver waits for an Afloat that takes over what is held, and reports whether one did.
func (a aside) handOver() bool {
	if a.holder == nil {
		return false
	}
	until := time.Now().Add(a.within)
	held := <-a.holder // it ends with the supervisor
	defer held.Close()
	for !held.Empty() && time.Now().Before(until) {
		conn, err := handover.AnswerDoor(a.door, until)
		if err != nil {
			return false
		}
		err = held.SendTo(conn, time.Now().Add(handOverMax))
		conn.Close()
		if err == nil {
			return true
		}
	}
	return false
}

// handOverMax is how long one that takes over may need to be ready.
const handOverMax = 30 * time.Second
