package http1

import (
	"errors"
	"io"
	"net"
)

// A Conn is one end of an HTTP/1.1 connection. The embedded net.Conn sets
// deadlines and closes; to read and write bytes past the codec, as after an
// upgrade, use Read and Write, which know what is buffered.
//
// Reading (Await, Read*, Body) and writing (Write*, Append*, Flush) may be done
// by two goroutines, each of them by one at a time. Release belongs to both.
type Conn struct {
	net.Conn
	limits Limits
	probe  probe

	// in holds what was read: the bytes from r to w are not consumed yet. The
	// views of a head lie before base, or in head once the body moved on to a
	// block of its own.
	in, head   *block
	r, w, base int
	failed     error // says why nothing more can be read
	held       bool  // nothing can be read while AwaitEach serves
	body       Body

	writer
}

// NewConn returns the codec for a connection. A nil l means the default limits.
func NewConn(c net.Conn, l *Limits) *Conn {
	conn := &Conn{Conn: c, limits: l.filled()}
	conn.body.c = conn
	conn.probe.init(conn)
	conn.writer.init(c)
	return conn
}

// Await blocks until at least one byte is there to read, and holds no buffer
// while it waits. It returns io.EOF when the peer closes instead, and honours
// the read deadline.
func (c *Conn) Await() error {
	if c.failed != nil {
		return c.failed
	}
	if c.r < c.w {
		return nil
	}
	c.freeInput()
	return c.note(c.probe.await())
}

// AwaitAnswer sends what was appended and then is Await, for a peer that speaks
// only when it is asked: it does not look for bytes until something happens at
// the connection. One that the peer had closed already may thus stay unnoticed
// until the read deadline; it may be called again after that, as after any
// timeout. It returns a *WriteError where it could not send.
func (c *Conn) AwaitAnswer() error {
	if c.failed != nil {
		return c.failed
	}
	switch {
	case c.r < c.w:
		return c.sendPending()
	case c.Pending() == 0:
		return c.Await()
	}
	c.freeInput()
	return c.note(c.probe.awaitAnswer())
}

// AwaitEach is Await for one message after another: it calls serve whenever
// bytes have come, until that returns false or the wait fails. While serve runs
// nothing can be read from the peer, for which see [Conn.ReadWhole].
//
// Once serve has consumed all that came it does not look for bytes until
// something happens at the connection, and may thus not notice, until the read
// deadline, that the peer closed its sending half together with what it sent.
func (c *Conn) AwaitEach(serve func() bool) error {
	if c.failed != nil {
		return c.failed
	}
	return c.note(c.probe.awaitEach(serve))
}

// sendPending flushes before a wait that may take long, and holds no buffer.
func (c *Conn) sendPending() error {
	if err := c.Flush(); err != nil {
		return &WriteError{err}
	}
	c.writer.release()
	return nil
}

// ReadRequest reads the head of a request into r and makes Body its body. It
// returns a *ProtocolError for a message to be refused, io.EOF for a close
// before the first byte and io.ErrUnexpectedEOF for one after it; a timeout may
// be retried.
func (c *Conn) ReadRequest(r *Request) error {
	r.Reset()
	head, err := c.readHead(true)
	if err == nil {
		err = r.parse(head, &c.limits)
	}
	if err != nil {
		return c.note(err)
	}
	c.body.begin(r.Framing, false)
	return nil
}

// ReadWhole is ReadRequest for a request that has come as a whole, with its body.
// It reports whether there is one. Else, and where the client wants to change
// protocols, it consumes nothing, and ReadRequest is to read it.
func (c *Conn) ReadWhole(r *Request) bool {
	r.Reset()
	if c.failed != nil || c.r == c.w || !c.body.Done() {
		return false
	}
	s := headScan{request: true}
	n, err := s.scan(c.in.bytes[c.r:c.w], &c.limits)
	if n == 0 || err != nil || r.parse(c.in.bytes[c.r+s.start:c.r+n], &c.limits) != nil {
		return false
	}
	if r.Upgrade != nil || r.Framing.Chunked || int64(c.w-c.r-n) < r.Framing.Length {
		return false
	}
	c.unpin()
	c.r += n
	c.base = c.r
	c.body.begin(r.Framing, false)
	return true
}

// ReadResponse reads the head of a response to a request of the given method and
// makes Body its body. Interim responses (1xx) are returned like any other. Its
// errors are those of [Conn.ReadRequest]; the Status of a *ProtocolError is 502.
func (c *Conn) ReadResponse(r *Response, method string) error {
	r.Reset()
	head, err := c.readHead(false)
	if err == nil {
		err = r.parse(head, method, &c.limits)
	}
	if err != nil {
		return c.note(asUpstream(err))
	}
	c.body.begin(r.Framing, true)
	return nil
}

// Body returns the body of the message read last. It is the same object for
// every message.
func (c *Conn) Body() *Body { return &c.body }

// Buffered returns the number of bytes that were read from the peer and not yet
// consumed.
func (c *Conn) Buffered() int { return c.w - c.r }

// Release ends an exchange: views into its messages become invalid, and buffers
// without unread or unsent bytes go back to the pool.
func (c *Conn) Release() {
	c.unpin()
	if c.r == c.w {
		c.freeInput()
	}
	c.writer.release()
}

// Read returns bytes as they are, past the codec: first those that were read
// ahead, then the connection's.
func (c *Conn) Read(p []byte) (int, error) {
	if c.r < c.w {
		n := copy(p, c.in.bytes[c.r:c.w])
		c.r += n
		return n, nil
	}
	return c.Conn.Read(p)
}

// Write sends p as it is, past the codec, after what was appended.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.Flush(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// note remembers an error after which nothing more can be read.
func (c *Conn) note(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*ProtocolError); ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		c.failed = err
	}
	return err
}

// errHeld is a defect: the reader would wait for itself.
var errHeld = errors.New("http1: read while a message that has come as a whole is served")

// fill reads once from the peer into the free end of the block.
func (c *Conn) fill() error {
	if c.held {
		return errHeld
	}
	for range 100 {
		n, err := c.Conn.Read(c.in.bytes[c.w:])
		c.w += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// room makes sure that the block has space to read a head into, of which the
// bytes from r to w are there already.
func (c *Conn) room() {
	switch {
	case c.in == nil:
		c.in, c.r, c.w = newBlock(blockSmall), 0, 0
	case c.r == c.w:
		c.r, c.w = 0, 0
	case c.w < len(c.in.bytes):
	case c.r > 0:
		c.w = copy(c.in.bytes, c.in.bytes[c.r:c.w])
		c.r = 0
	default:
		c.move(newBlock(min(len(c.in.bytes)*8, c.limits.HeadBytesMax+len(crlf)))).free()
	}
}

// move takes a new block for input, with what is unread at its front, and
// returns the old one.
func (c *Conn) move(to *block) *block {
	old := c.in
	c.w = copy(to.bytes, old.bytes[c.r:c.w])
	c.in, c.r, c.base = to, 0, 0
	return old
}

func (c *Conn) unpin() {
	if c.head != nil {
		c.head.free()
		c.head = nil
	}
}

func (c *Conn) freeInput() {
	if c.in != nil {
		c.in.free()
	}
	c.in, c.r, c.w, c.base = nil, 0, 0, 0
}
