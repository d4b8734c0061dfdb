package http1

import "golang.org/x/sys/unix"

// peerFinished reports whether the peer sends nothing after what waits to be
// read.
func peerFinished(fd int) bool {
	const closeWait = 8 // TCP_CLOSE_WAIT of linux/tcp_states.h
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == closeWait
}
