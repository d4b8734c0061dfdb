package http1

import (
	"net"
	"strconv"
)

const (
	crlf      = "\r\n"
	lastChunk = "0\r\n\r\n"

	// Bodies at hand in pieces of this size are not worth copying.
	directBytesMin = 8 << 10
)

// A writer gathers a message in a pooled block, so that one that fits leaves in
// one system call. The block starts small and grows once. An error is kept: what
// follows it is dropped, and Flush returns it.
type writer struct {
	to    net.Conn
	many  VectorWriter // to, if it is one
	out   *block
	n     int // bytes of out in use
	chunk int // where the open chunk's line begins in out; -1 if none is open
	err   error

	// socket takes bytes past to while it is known to stay open.
	socket int

	vectors [2][]byte
	vector  net.Buffers
}

// A VectorWriter is a net.Conn that writes several pieces in one system call. One
// that embeds a *net.TCPConn must be it to have a say in that: net.Buffers finds
// the socket's own way and goes past its Write.
type VectorWriter interface {
	WriteVector(*net.Buffers) (int64, error)
}

func (w *writer) init(to net.Conn) {
	w.to, w.chunk, w.socket = to, -1, noSocket
	w.many, _ = to.(VectorWriter)
}

// AppendString adds bytes to the message.
func (w *writer) AppendString(s string) {
	for len(s) > 0 && w.space(1) {
		n := copy(w.out.bytes[w.n:], s)
		w.n += n
		s = s[n:]
	}
}

// AppendBytes adds bytes to the message.
func (w *writer) AppendBytes(p []byte) {
	for len(p) > 0 && w.space(1) {
		n := copy(w.out.bytes[w.n:], p)
		w.n += n
		p = p[n:]
	}
}

// AppendByte adds a byte to the message.
func (w *writer) AppendByte(b byte) {
	if w.space(1) {
		w.out.bytes[w.n] = b
		w.n++
	}
}

// AppendInt adds a number in decimal digits.
func (w *writer) AppendInt(n int64) {
	const digits = 20
	if w.space(digits) {
		w.n = len(strconv.AppendInt(w.out.bytes[:w.n], n, 10))
	}
}

// Pending returns the number of bytes that wait for Flush.
func (w *writer) Pending() int { return w.n }

// Flush sends what was appended. It returns the first error of any write since
// the connection began; the connection is of no use after it.
func (w *writer) Flush() error {
	w.closeChunk()
	if w.n > 0 && w.err == nil {
		w.err = w.push(w.out.bytes[:w.n])
	}
	w.n = 0
	return w.err
}

const noSocket = -1

func (w *writer) push(p []byte) error {
	if w.socket != noSocket {
		p = p[sendNow(w.socket, p):]
	}
	if len(p) == 0 {
		return nil
	}
	_, err := w.to.Write(p)
	return err
}

// space makes sure that n more bytes fit into the block, n being small. It
// returns false after an error.
func (w *writer) space(n int) bool {
	if w.err != nil {
		return false
	}
	switch {
	case w.out == nil:
		w.out = newBlock(blockSmall)
	case w.n+n <= len(w.out.bytes):
	case len(w.out.bytes) < blockLarge:
		old := w.out
		w.out = newBlock(blockLarge)
		copy(w.out.bytes, old.bytes[:w.n])
		old.free()
	default:
		return w.Flush() == nil
	}
	return true
}

// appendHex adds a number in hexadecimal digits.
func (w *writer) appendHex(n int) {
	const digits = 16
	if w.space(digits) {
		w.n = len(strconv.AppendInt(w.out.bytes[:w.n], int64(n), 16))
	}
}

// send writes what is pending and then p, in one system call where possible.
func (w *writer) send(p []byte) {
	if w.err != nil {
		return
	}
	w.closeChunk()
	w.vectors = [2][]byte{p}
	w.vector = w.vectors[:1]
	if w.n > 0 {
		w.vectors = [2][]byte{w.out.bytes[:w.n], p}
		w.vector = w.vectors[:2]
	}
	if w.many != nil {
		_, w.err = w.many.WriteVector(&w.vector)
	} else {
		_, w.err = w.vector.WriteTo(w.to)
	}
	w.vectors = [2][]byte{}
	w.n = 0
}

func (w *writer) release() {
	if w.out != nil && w.n == 0 {
		w.out.free()
		w.out = nil
	}
}
