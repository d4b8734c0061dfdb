//go:build !race

package http1

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// recv reads from a socket that does not block. It does not tell the
// scheduler, as the syscall package does: that costs more than it is worth for a
// call that never waits.
func recv(fd int, p []byte, flags int) (n int, errno syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(flags), 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

// sendNow writes to a socket what it takes without waiting. Why it takes no more
// is for the next write to find out.
func sendNow(fd int, p []byte) (n int) {
	sent, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(sent)
}
