package http1

import (
	"crypto/tls"
	"net"
	"syscall"
)

// Alive reports whether an idle connection can carry another exchange: the peer
// has it open and has sent nothing that was not asked for. It does not block.
// Where the operating system cannot tell, it says yes.
func (c *Conn) Alive() bool {
	if !c.Quiet() {
		return false
	}
	state := c.probe.peek()
	return state == peerQuiet || state == peerUnknown
}

// Quiet is Alive so far as it can be told without asking the operating system.
func (c *Conn) Quiet() bool { return c.failed == nil && c.Buffered() == 0 }

// Gone reports whether the peer has closed the connection or its sending half.
// It does not block and may be called while another goroutine reads, but not by
// two at once. Bytes that wait to be read hide a close behind them, where the
// operating system does not tell; on Linux it does for TLS, whose end is
// announced by bytes.
func (c *Conn) Gone() bool { return c.probe.peekEnd() == peerGone }

// Transparent is a net.Conn around a socket that changes none of its bytes, such
// as one that keeps deadlines. Where waiting is to be avoided, its socket is read
// past its Read.
type Transparent interface {
	syscall.Conn
	Transparent()
}

type peerState int

const (
	peerUnknown peerState = iota
	peerQuiet
	peerSent
	peerGone
)

// rawConn returns the socket under c, and whether c's bytes are those of the
// socket. Only types known to add nothing to Read qualify.
func rawConn(c net.Conn) (raw syscall.RawConn, plain bool) {
	if t, ok := c.(*tls.Conn); ok {
		raw, _ = rawConn(t.NetConn())
		return raw, false
	}
	switch s := c.(type) {
	case *net.TCPConn:
		raw, _ = s.SyscallConn()
	case *net.UnixConn:
		raw, _ = s.SyscallConn()
	case Transparent:
		raw, _ = s.SyscallConn()
	}
	return raw, raw != nil
}

// awaitRead waits by reading one byte, where there is no socket to wait on.
func (c *Conn) awaitRead() error {
	for {
		n, err := c.Conn.Read(c.probe.one[:])
		if n > 0 {
			c.in, c.r, c.w = newBlock(blockSmall), 0, 1
			c.in.bytes[0] = c.probe.one[0]
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// sendAndRead is awaitAnswer for it.
func (c *Conn) sendAndRead() error {
	if err := c.sendPending(); err != nil {
		return err
	}
	return c.awaitRead()
}

// readEach is awaitEach for it.
func (c *Conn) readEach(serve func() bool) error {
	for {
		if err := c.Await(); err != nil {
			return err
		}
		if !serve() {
			return nil
		}
	}
}
