//go:build unix && (!linux || race)

package http1

import "syscall"

// recv reads from a socket that does not block. The syscall package lets the
// race detector know what happened before.
func recv(fd int, p []byte, flags int) (n int, errno syscall.Errno) {
	for {
		var err error
		if flags == 0 {
			n, err = syscall.Read(fd, p)
		} else {
			n, _, err = syscall.Recvfrom(fd, p, flags)
		}
		errno, _ = err.(syscall.Errno)
		if errno != syscall.EINTR {
			return n, errno
		}
	}
}

// sendNow writes to a socket what it takes without waiting. Why it takes no more
// is for the next write to find out.
func sendNow(fd int, p []byte) (n int) {
	n, _ = syscall.Write(fd, p)
	return max(n, 0)
}
