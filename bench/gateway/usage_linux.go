package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/afloat-dev/afloat/bench/rig"
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

// memory is what a process and its children have in memory, in bytes. A page
// that several share counts for each in part, so that the sum is right.
func memory(pid int) (total int64, err error) {
	for _, pid := range rig.Family(pid) {
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

// filesMax is how many files a process may have open.
func filesMax() (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	return int(min(l.Cur, 1<<20)), nil
}
