package gateway

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// soOriginalDestination asks for a connection's destination before it was
// redirected (SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST).
const soOriginalDestination = 80

// errNotRedirected is why a connection has no original destination: its client
// has called the listener itself.
var errNotRedirected = errors.New("the connection was not redirected")

// originalDestination is where a redirected connection was to go.
func originalDestination(conn *net.TCPConn) (netip.AddrPort, error) {
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	var original netip.AddrPort
	var failed error
	if err := raw.Control(func(fd uintptr) {
		if local.Addr().Is4() {
			original, failed = original4(int(fd))
		} else {
			original, failed = original6(int(fd))
		}
	}); err != nil {
		return netip.AddrPort{}, err
	}
	switch {
	case errors.Is(failed, unix.ENOENT), errors.Is(failed, unix.ENOPROTOOPT): // nothing here is tracked
		return netip.AddrPort{}, errNotRedirected
	case failed != nil:
		return netip.AddrPort{}, fmt.Errorf("ask for the original destination: %w", failed)
	case original.Port() == local.Port() && original.Addr() == local.Addr().WithZone(""):
		return netip.AddrPort{}, errNotRedirected
	}
	return original, nil
}

// original4 reads a sockaddr_in by way of a struct that is as long.
func original4(fd int) (netip.AddrPort, error) {
	m, err := unix.GetsockoptIPv6Mreq(fd, unix.SOL_IP, soOriginalDestination)
	if err != nil {
		return netip.AddrPort{}, err
	}
	a := m.Multiaddr
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[4:8])), binary.BigEndian.Uint16(a[2:4])), nil
}

// original6 reads a sockaddr_in6 by way of a struct that begins with one.
func original6(fd int) (netip.AddrPort, error) {
	m, err := unix.GetsockoptIPv6MTUInfo(fd, unix.SOL_IPV6, soOriginalDestination)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var port [2]byte
	binary.NativeEndian.PutUint16(port[:], m.Addr.Port) // which is in network order
	return netip.AddrPortFrom(netip.AddrFrom16(m.Addr.Addr), binary.BigEndian.Uint16(port[:])), nil
}

// setMark marks what a socket sends.
func setMark(_, _ string, raw syscall.RawConn) error {
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, Mark)
	}); err != nil {
		return err
	}
	return failed
}

// checkMark says why this process may not mark what it sends.
func checkMark() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, Mark); err != nil {
		return fmt.Errorf("mark packets (SO_MARK): %w; a transparent listener needs root or CAP_NET_ADMIN", err)
	}
	return nil
}
