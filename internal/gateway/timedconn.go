package gateway

import (
	"errors"
	"net"
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
}

var (
	_ http1.Transparent  = (*timedConn)(nil)
	_ http1.VectorWriter = (*timedConn)(nil)
)

// Transparent says that bytes pass unchanged.
func (c *timedConn) Transparent() {}

// Read reads within the limit.
func (c *timedConn) Read(p []byte) (int, error) {
	switch {
	case !c.readBy.IsZero():
		c.setRead(c.readBy)
	case c.readStall > 0:
		c.nudgeRead(c.readStall)
	default:
		c.setRead(time.Time{})
	}
	return c.TCPConn.Read(p)
}

// Write writes within the limit.
func (c *timedConn) Write(p []byte) (int, error) {
	c.nudgeWrite()
	return c.TCPConn.Write(p)
}

// WriteVector writes all pieces within the limit.
func (c *timedConn) WriteVector(pieces *net.Buffers) (int64, error) {
	c.nudgeWrite()
	return pieces.WriteTo(c.TCPConn)
}

func (c *timedConn) nudgeWrite() {
	if want := time.Now().Add(c.writeStall); c.writeStall > 0 && far(c.writeSet, want, c.writeStall) {
		c.writeSet = want
		_ = c.SetWriteDeadline(want) // fails only on a closed connection: so will Write
	}
}

// nudgeRead moves the read deadline to about d from now.
func (c *timedConn) nudgeRead(d time.Duration) {
	if want := time.Now().Add(d); far(c.readSet, want, d) {
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
