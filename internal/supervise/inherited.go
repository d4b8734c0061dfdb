package supervise

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// openProcess takes over a process that another Afloat started. It fails where that one has ended, also when its number
// is another's by now.
func openProcess(pid int, start uint64) (*process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("take over process %d: %w", pid, err)
	}
	if stat, err := readStat(pid); err != nil || stat.start != start || stat.zombie {
		unix.Close(fd)
		return nil, fmt.Errorf("take over process %d: it has ended", pid)
	}
	return &process{pid: pid, start: start, pidfd: fd}, nil
}

const (
	exitPoll  = time.Millisecond
	exitBound = 200 * time.Millisecond // for its parent to take it out of the process table
)

// awaitOther waits for the end of a process that we did not start. How it ended is told by kernels from 6.15 on, once
// its parent has waited for it; it can be a child of ours by now, as an orphan among our descendants.
func awaitOther(pid, pidfd int) exit {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	var status unix.WaitStatus
	if got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil); err == nil && got == pid {
		return exitWith(status)
	}
	for deadline := time.Now().Add(exitBound); ; time.Sleep(exitPoll) {
		e, told := exitOf(pidfd)
		if told || time.Now().After(deadline) {
			return e
		}
	}
}

// pidfdInfo is struct pidfd_info of the kernel in its first form.
type pidfdInfo struct {
	mask uint64
	_    [13]uint32 // the cgroup and the IDs of the process and its owners
	exit int32      // as of wait(2)
}

const (
	pidfdGetInfo  = 0xc040ff0b // _IOWR(0xff, 11, struct pidfd_info)
	pidfdInfoExit = 1 << 3
)

func exitOf(pidfd int) (e exit, told bool) {
	info := pidfdInfo{mask: pidfdInfoExit}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(pidfd), pidfdGetInfo, uintptr(unsafe.Pointer(&info)))
	if errno != 0 {
		return exit{}, errno != unix.ESRCH && errno != unix.EINTR // an older kernel never tells
	}
	if info.mask&pidfdInfoExit == 0 {
		return exit{}, false
	}
	return exitWith(unix.WaitStatus(info.exit)), true
}

func exitWith(status unix.WaitStatus) exit {
	if status.Signaled() {
		return exit{code: cldKilled, status: int(status.Signal())}
	}
	return exit{code: cldExited, status: status.ExitStatus()}
}
