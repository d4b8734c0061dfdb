package gateway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ListenPacket opens a UDP port for [Sockets]. A shared one may be that of
// another process of the same user, which has opened it by ListenPacket too.
func ListenPacket(address string, shared bool) (*net.UDPConn, error) {
	if !shared {
		// Every port that is opened below can be shared later on. That nobody has
		// it now shows only without that.
		alone, err := net.ListenPacket("udp", address)
		if err != nil {
			return nil, err
		}
		_ = alone.Close()
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return onSocket(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	conn, err := config.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

func onSocket(c syscall.RawConn, do func(fd int) error) error {
	var failed error
	return errors.Join(c.Control(func(fd uintptr) { failed = do(int(fd)) }), failed)
}

// portMark begins the connection IDs that a UDP port gives out, so that packets show
// whose connection they belong to. It tells observers nothing else: all
// connections of the port have it (RFC 9000, section 5.1).
type portMark uint32

func newMark() portMark {
	var b [markBytes]byte
	_, _ = rand.Read(b[:]) // it never fails
	return portMark(binary.BigEndian.Uint32(b[:]))
}

const (
	markBytes         = 4
	connectionIDBytes = markBytes + 8
)

// GenerateConnectionID is part of [quic.ConnectionIDGenerator].
func (m portMark) GenerateConnectionID() (quic.ConnectionID, error) {
	id := binary.BigEndian.AppendUint32(make([]byte, 0, connectionIDBytes), uint32(m))
	id = id[:connectionIDBytes]
	_, _ = rand.Read(id[markBytes:])
	return quic.ConnectionIDFromBytes(id), nil
}

// ConnectionIDLen is part of [quic.ConnectionIDGenerator].
func (m portMark) ConnectionIDLen() int { return connectionIDBytes }

// share has the system give packets with this mark to the first of the sockets
// that share the port, and all others to the second; where there is only one,
// it gets them all. The connection ID stands behind the first byte of a packet
// with a short header, and behind the version and its own length in one with a
// long header (RFC 8999, section 5).
func (m portMark) share(udp *net.UDPConn) error {
	const first, second = 0, 1
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x80, SkipTrue: 2},
		bpf.LoadAbsolute{Off: 1, Size: markBytes},
		bpf.Jump{Skip: 1},
		bpf.LoadAbsolute{Off: 6, Size: markBytes},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(m), SkipFalse: 1},
		bpf.RetConstant{Val: first},
		bpf.RetConstant{Val: second},
	})
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	c, err := udp.SyscallConn()
	if err != nil {
		return err
	}
	program := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return onSocket(c, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, program)
	})
}

// Share lets another process listen on the UDP ports of this gateway: clients
// that come are its own from then on, while the packets of connections that
// there are still come here. It holds for one process at a time; where that
// ends, all packets come here again.
func (g *Gateway) Share() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.listeners {
		if d := l.packets.Load(); d != nil {
			if err := d.mark.share(d.udp); err != nil {
				return fmt.Errorf("share UDP %s: %w", d.udp.LocalAddr(), err)
			}
		}
	}
	return nil
}
