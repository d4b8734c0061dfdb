package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// onCore calls start such that what it starts runs on one core alone. A child
// gets the cores of the thread that it was started from.
func onCore(core int, start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("read the cores: %w", err)
	}
	one.Set(core)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("bind to core %d: %w", core, err)
	}
	failed := start()
	if err := unix.SchedSetaffinity(0, &before); err != nil {
		return fmt.Errorf("unbind from core %d: %w", core, err)
	}
	return failed
}

// userTick is the unit of times in /proc. It is 100 Hz for programs whatever
// the kernel's own clock is.
const userTick = time.Second / 100

// cpu is the processor time that a process and its living children have used.
func cpu(pid int) (total time.Duration, err error) {
	for _, pid := range family(pid) {
		fields, err := statFields(pid)
		if err != nil {
			return 0, err
		}
		for _, i := range []int{11, 12} { // utime and stime, counted from the state on
			ticks, err := strconv.ParseInt(fields[i], 10, 64)
			if err != nil {
				return 0, err
			}
			total += time.Duration(ticks) * userTick
		}
	}
	return total, nil
}

// statFields are the fields of /proc/PID/stat after the program's name, which
// may hold anything.
func statFields(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return fields, nil
}

// memory is what a process and its children have in memory, in bytes. A page
// that several share counts for each in part, so that the sum is right.
func memory(pid int) (total int64, err error) {
	for _, pid := range family(pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		_, rest, found := strings.Cut(string(text), "\nPss:")
		var kib int64
		if _, err := fmt.Sscan(rest, &kib); !found || err != nil {
			return 0, fmt.Errorf("/proc/%d/smaps_rollup has no Pss", pid)
		}
		total += kib << 10
	}
	return total, nil
}

// family is a process and its children.
func family(pid int) []int {
	all := []int{pid}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // only a bad pattern fails
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has ended has no children
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// coreTime is how long a core has been busy, whoever kept it so, and since when
// it counts.
func coreTime(core int) (busy, total time.Duration, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	name := fmt.Sprintf("cpu%d ", core)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, name) {
			continue
		}
		for i, field := range strings.Fields(line)[1:] {
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, 0, err
			}
			switch i {
			case 3, 4: // idle, and idle while a disk works
				total += time.Duration(ticks) * userTick
			case 8, 9: // time of guests: counted before
			default:
				busy += time.Duration(ticks) * userTick
				total += time.Duration(ticks) * userTick
			}
		}
		return busy, total, nil
	}
	return 0, 0, fmt.Errorf("/proc/stat does not know core %d", core)
}

// filesMax is how many files a process may have open.
func filesMax() (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	return int(min(l.Cur, 1<<20)), nil
}
