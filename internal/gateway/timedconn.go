package gateway

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// timedConn puts a limit on every wait of a connection. A reader waits until
// readBy, where that is set, and else for readStall; a writer for writeStall.
// Zero means no limit.
//
// Deadlines are set no finer than they matter: moving one on costs more than
// reading the clock, so that one which is nearly right is left as it is.
type timedConn struct {
	*net.TCPConn
	readBy                time.Time
	readStall, writeStall time.Duration
	readSet, writeSet     time.Time // the deadlines in force
	pace                  bodyPace  // of reads that wait for readStall

	writing atomic.Bool
	closing atomic.Pointer[ending]
}

var (
	_ http1.Transparent  = (*timedConn)(nil)
	_ http1.VectorWriter = (*timedConn)(nil)
)

// Transparent says that bytes pass unchanged.
func (c *timedConn) Transparent() {}

// Close closes the connection. It may be called more than once.
func (c *timedConn) Close() error {
	err := c.TCPConn.Close()
	if e := c.closing.Load(); e != nil {
		e.once.Do(func() { close(e.over) })
	}
	return err
}

// ending is what waits for a connection to be closed.
type ending struct {
	once sync.Once
	over chan struct{}
}

// Read reads within the limit.
func (c *timedConn) Read(p []byte) (int, error) {
	switch {
	case !c.readBy.IsZero():
		c.setRead(c.readBy)
	case c.pace.rate > 0:
		return c.readPaced(p)
	case c.readStall > 0:
		c.nudgeRead(later(clock), c.readStall)
	default:
		c.setRead(time.Time{})
	}
	return c.TCPConn.Read(p)
}

// readPaced is Read of a body that must not come too slowly.
func (c *timedConn) readPaced(p []byte) (int, error) {
	start := time.Now()
	wait := c.pace.within(c.readStall)
	if wait <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	c.nudgeRead(start, wait)
	n, err := c.TCPConn.Read(p)
	c.pace.note(time.Since(start), n)
	return n, err
}

// Write writes within the limit.
func (c *timedConn) Write(p []byte) (int, error) {
	c.nudgeWrite()
	c.writing.Store(true)
	n, err := c.TCPConn.Write(p)
	c.writing.Store(false)
	if err != nil && n == 0 && expired(err) && c.closing.Load() != nil {
		_ = c.Close() // net/http would go on to read
	}
	return n, err
}

// WriteVector writes all pieces within the limit.
func (c *timedConn) WriteVector(pieces *net.Buffers) (int64, error) {
	c.nudgeWrite()
	c.writing.Store(true)
	defer c.writing.Store(false)
	return pieces.WriteTo(c.TCPConn)
}

func (c *timedConn) nudgeWrite() {
	if want := later(clock).Add(c.writeStall); c.writeStall > 0 && far(c.writeSet, want, c.writeStall) {
		c.writeSet = want
		_ = c.SetWriteDeadline(want) // fails only on a closed connection: so will Write
	}
}

// nudgeRead moves the read deadline to about d from now.
func (c *timedConn) nudgeRead(now time.Time, d time.Duration) {
	if want := now.Add(d); far(c.readSet, want, d) {
		c.setRead(want)
	}
}

func (c *timedConn) setRead(t time.Time) {
	if !c.readSet.Equal(t) {
		c.readSet = t
		_ = c.SetReadDeadline(t) // fails only on a closed connection: so will Read
	}
}

// far reports whether a deadline differs from the one wanted by more than an
// eighth of the time allowed.
func far(set, want time.Time, allowed time.Duration) bool {
	short := want.Sub(set)
	return set.IsZero() || short > allowed/8 || short < 0
}

// expired reports whether err is a deadline that passed.
func expired(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}
