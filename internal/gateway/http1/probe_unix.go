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

	step func(fd uintptr) bool // does what do says
	do   func(p *probe, fd int) bool
	look func(fd uintptr)

	serve func() bool // of awaitEach
	err   error
	one   [1]byte

	state peerState // of the last look, which may run beside a read
}

func (p *probe) init(c *Conn) {
	p.c = c
	if p.raw, p.plain = rawConn(c.Conn); p.raw == nil {
		return
	}
	p.step = func(fd uintptr) bool { return p.do(p, int(fd)) }
	p.look = func(fd uintptr) { p.state = peekSocket(int(fd)) }
}

// wait has do called until it returns true: now, and whenever something has
// happened at the socket since it was called last. While do runs nobody else can
// read.
func (p *probe) wait(do func(p *probe, fd int) bool) error {
	p.do, p.err = do, nil
	if err := p.raw.Read(p.step); err != nil {
		return err
	}
	return p.err
}

// await reads into a new block as soon as there are bytes.
func (p *probe) await() error {
	if !p.plain {
		return p.c.awaitRead()
	}
	return p.wait((*probe).readBlock)
}

// awaitAnswer flushes and then awaits. The flush comes after the runtime began
// to take note of what arrives, so that there is no need to look before waiting.
func (p *probe) awaitAnswer() error {
	if !p.plain {
		return p.c.sendAndRead()
	}
	return p.wait((*probe).flushOrRead)
}

func (p *probe) flushOrRead(fd int) bool {
	if p.c.Pending() == 0 {
		return p.readBlock(fd)
	}
	p.c.socket = fd
	p.err = p.c.sendPending()
	p.c.socket = noSocket
	return p.err != nil
}

// awaitEach calls serve whenever there are bytes, until it returns false.
func (p *probe) awaitEach(serve func() bool) error {
	if !p.plain {
		return p.c.readEach(serve)
	}
	p.serve = serve
	err := p.wait((*probe).serveEach)
	p.serve = nil
	return err
}

// serveEach returns false to wait. What comes while it serves is not lost: the
// runtime calls again at once. Unless a read fills the block there is nothing
// left behind it that happened before, except an end.
func (p *probe) serveEach(fd int) bool {
	c := p.c
	for {
		full := false
		if c.r == c.w {
			c.freeInput()
			if !p.readBlock(fd) {
				return false
			}
			if p.err != nil {
				return true
			}
			full = c.w == len(c.in.bytes)
		}
		if !p.serveNow(fd) {
			return true
		}
		if c.r == c.w && !full {
			return false
		}
	}
}

// serveNow calls serve. Whoever reads the connection meanwhile would wait for
// ever, and so gets an error; whoever writes need not ask the runtime.
func (p *probe) serveNow(fd int) bool {
	p.c.held, p.c.socket = true, fd
	defer func() { p.c.held, p.c.socket = false, noSocket }()
	return p.serve()
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
	if !p.plain || p.c.held {
		return false, nil
	}
	switch err := p.wait((*probe).readOnce); {
	case errors.Is(err, os.ErrDeadlineExceeded), err == syscall.EAGAIN:
		return false, nil
	default:
		return err == nil, err
	}
}

func (p *probe) readOnce(fd int) bool {
	p.read(fd)
	return true
}

// read sets err to EAGAIN when there is nothing to read yet.
func (p *probe) read(fd int) {
	n, errno := recv(fd, p.c.in.bytes[p.c.w:], 0)
	switch {
	case errno == syscall.EAGAIN:
		p.err = syscall.EAGAIN
	case errno != 0:
		local := p.c.LocalAddr()
		p.err = &net.OpError{
			Op: "read", Net: local.Network(), Source: local, Addr: p.c.RemoteAddr(), Err: os.NewSyscallError("read", errno),
		}
	case n == 0:
		p.err = io.EOF
	default:
		p.c.w += n
		p.err = nil
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

// peekEnd is peek, but looks behind the bytes of TLS.
func (p *probe) peekEnd() peerState {
	state := p.peek()
	if state != peerSent || p.plain {
		return state
	}
	_ = p.raw.Control(func(fd uintptr) { // where it fails, peek's word stands
		if peerFinished(int(fd)) {
			state = peerGone
		}
	})
	return state
}

func peekSocket(fd int) peerState {
	var one [1]byte
	switch n, errno := recv(fd, one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT); {
	case errno == syscall.EAGAIN:
		return peerQuiet
	case errno != 0 || n == 0:
		return peerGone
	default:
		return peerSent
	}
}
