//go:build unix

package http1

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// A probe reads from the socket without blocking a thread or holding a buffer.
// Its callbacks are made once, so that a call costs no allocation.
type probe struct {
	c     *Conn
	raw   syscall.RawConn
	plain bool // the socket's bytes are the connection's: no TLS between

	wait, once func(fd uintptr) bool
	look       func(fd uintptr)

	err error
	one [1]byte

	state peerState // of the last look, which may run beside a read
}

func (p *probe) init(c *Conn) {
	p.c = c
	if p.raw, p.plain = rawConn(c.Conn); p.raw == nil {
		return
	}
	p.wait = func(fd uintptr) bool { return p.readBlock(int(fd)) }
	p.once = func(fd uintptr) bool { p.read(int(fd)); return true }
	p.look = func(fd uintptr) { p.state = peekSocket(int(fd)) }
}

// await reads into a new block as soon as there are bytes.
func (p *probe) await() error {
	if !p.plain {
		return p.c.awaitRead()
	}
	p.err = nil
	if err := p.raw.Read(p.wait); err != nil {
		return err
	}
	return p.err
}

// readBlock takes a block only for as long as the attempt lasts. It returns
// false to wait until the socket is readable.
func (p *probe) readBlock(fd int) bool {
	c := p.c
	c.in, c.r, c.w = newBlock(blockSmall), 0, 0
	p.read(fd)
	if c.w == 0 {
		c.freeInput()
	}
	return p.err != syscall.EAGAIN
}

// tryFill reads once if it can be done without waiting. A deadline that has
// passed is left to the read that waits: it may be moved on until then.
func (p *probe) tryFill() (filled bool, err error) {
	if !p.plain {
		return false, nil
	}
	p.err = nil
	if err := p.raw.Read(p.once); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, nil
		}
		return false, err
	}
	if p.err == syscall.EAGAIN {
		return false, nil
	}
	return p.err == nil, p.err
}

// read sets err to EAGAIN when there is nothing to read yet.
func (p *probe) read(fd int) {
	for {
		n, err := syscall.Read(fd, p.c.in.bytes[p.c.w:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			p.err = syscall.EAGAIN
		case err != nil:
			local := p.c.LocalAddr()
			p.err = &net.OpError{
				Op: "read", Net: local.Network(), Source: local, Addr: p.c.RemoteAddr(), Err: os.NewSyscallError("read", err),
			}
		case n == 0:
			p.err = io.EOF
		default:
			p.c.w += n
			p.err = nil
		}
		return
	}
}

func (p *probe) peek() peerState {
	if p.raw == nil {
		return peerUnknown
	}
	if err := p.raw.Control(p.look); err != nil {
		return peerGone
	}
	return p.state
}

func peekSocket(fd int) peerState {
	var one [1]byte
	for {
		n, _, err := syscall.Recvfrom(fd, one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return peerQuiet
		case err != nil || n == 0:
			return peerGone
		default:
			return peerSent
		}
	}
}
