package supervise

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	environMax = 256 << 10 // bytes of a process's environment that are searched for the marker
	sweepMin   = time.Millisecond
	sweepMax   = 50 * time.Millisecond
)

// proc is a line of the process table.
type proc struct {
	pid, parent, group int

	zombie bool
	cpu    time.Duration // of it and of children that it has waited for
	start  uint64        // in clock ticks since boot; with pid, it tells a process from a later one of the same number
	marker string        // value of the marker in its environment
}

// processTable reads /proc. Processes that end meanwhile are left out. The markers are read where marked is set.
func processTable(marked bool) ([]proc, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	table := make([]proc, 0, len(names))
	var buffer []byte
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		p, err := readStat(pid)
		if err != nil {
			continue
		}
		if marked && !p.zombie && p.parent != kernelThreads && pid != os.Getpid() {
			p.marker, buffer = readMarker(name, buffer)
		}
		table = append(table, p)
	}
	return table, nil
}

const kernelThreads = 2 // parent of all kernel threads

// readStat reads /proc/pid/stat; see proc(5). The command's name may hold anything, so the fields begin after the last
// parenthesis.
func readStat(pid int) (proc, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return proc{}, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return proc{}, errors.New("short stat")
	}
	p := proc{pid: pid, zombie: fields[0] == "Z" || fields[0] == "X"}
	for i, to := range []*int{&p.parent, &p.group} {
		*to, _ = strconv.Atoi(fields[1+i])
	}
	for _, field := range fields[11:15] {
		ticks, _ := strconv.ParseInt(field, 10, 64)
		p.cpu += time.Duration(ticks) * tick
	}
	p.start, _ = strconv.ParseUint(fields[19], 10, 64)
	return p, nil
}

// readMarker finds the marker in a process's environment; buffer is reused.
func readMarker(pid string, buffer []byte) (string, []byte) {
	f, err := os.Open("/proc/" + pid + "/environ")
	if err != nil {
		return "", buffer
	}
	defer f.Close()
	content := bytes.NewBuffer(buffer[:0])
	_, _ = content.ReadFrom(io.LimitReader(f, environMax))
	for entry := range bytes.SplitSeq(content.Bytes(), []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(markerName+"=")); ok {
			return string(value), content.Bytes()
		}
	}
	return "", content.Bytes()
}

// family says which processes belong together.
type family struct {
	marker  string             // all that have it; ending in '/', all whose marker begins so
	leaders map[int]bool       // all in the groups of these
	known   map[int]uint64     // all of these IDs with these start times, and their descendants
	except  func(pid int) bool // but not these; nil means none
}

// members are the living processes of the family.
func (f family) members(table []proc) []proc {
	in := make(map[int]bool, len(table))
	children := map[int][]int{}
	var queue []int
	for _, p := range table {
		children[p.parent] = append(children[p.parent], p.pid)
		start, known := f.known[p.pid]
		if f.marked(p.marker) || f.leaders[p.group] || known && start == p.start {
			queue = append(queue, p.pid)
		}
	}
	for len(queue) > 0 {
		pid := queue[0]
		queue = queue[1:]
		if !in[pid] {
			in[pid] = true
			queue = append(queue, children[pid]...)
		}
	}
	var out []proc
	for _, p := range table {
		if in[p.pid] && !p.zombie && p.pid != os.Getpid() && (f.except == nil || !f.except(p.pid)) {
			out = append(out, p)
		}
	}
	return out
}

func (f family) marked(marker string) bool {
	if marker == "" {
		return false
	}
	return marker == f.marker || strings.HasSuffix(f.marker, "/") && strings.HasPrefix(marker, f.marker)
}

// sweep kills the family until none is left or ctx ends, and returns those that are left. look reads the process table.
func (f family) sweep(ctx context.Context, look func() ([]proc, error)) ([]proc, error) {
	struck := map[int]uint64{}
	for wait := sweepMin; ; wait = min(2*wait, sweepMax) {
		table, err := look()
		if err != nil {
			return nil, err
		}
		for _, p := range table {
			if start, ok := struck[p.pid]; ok && start == p.start && p.zombie && p.parent == os.Getpid() {
				p.reap()
			}
		}
		left := f.members(table)
		if len(left) == 0 {
			return nil, nil
		}
		for _, p := range left {
			p.signal(syscall.SIGKILL)
			struck[p.pid] = p.start
		}
		if !pause(ctx, wait) {
			return left, ctx.Err()
		}
	}
}

// signal reaches p itself or nobody: not a later process of the same number.
func (p proc) signal(sig syscall.Signal) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if now, err := readStat(p.pid); err == nil && now.start == p.start {
		_ = unix.PidfdSendSignal(fd, sig, nil, 0)
	}
}

// reap takes p out of the process table if it has ended. It must be a child of ours that nobody else waits for.
func (p proc) reap() {
	_, _ = syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
}
