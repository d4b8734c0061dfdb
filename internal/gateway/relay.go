package gateway

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// tunnelIdle is how long a connection that is passed on as it is may carry
// nothing either way, where nothing else is configured.
const tunnelIdle = time.Hour

// relay passes bytes on both ways between two connections. One way may be
// silent for as long as the other is not: a stream has only one.
type relay struct {
	idle  time.Duration
	moved atomic.Int64 // when bytes last did, in nanoseconds of clock
}

// relayEnd is one of the connections.
type relayEnd struct {
	*http1.Conn
	timed      *timedConn
	closeWrite func() error
}

// relay copies both ways until both are at their end, or one fails, or nothing
// has moved for the time given.
func (s *session) relay(u *upstreamConn, idle time.Duration) (up, down int64) {
	r := &relay{idle: idle}
	r.note()
	client := relayEnd{s.conn, s.timed, s.closeWrite}
	endpoint := relayEnd{u.Conn, u.timed, u.closeWrite}
	for _, t := range [...]*timedConn{s.timed, u.timed} {
		t.readBy, t.readStall, t.writeStall, t.pace = time.Time{}, r.look(), idle, bodyPace{}
	}
	ended := make(chan int64)
	go func() { ended <- r.pass(endpoint, client) }()
	down = r.pass(client, endpoint)
	return <-ended, down
}

// look is how often a relay looks whether anything moves.
func (r *relay) look() time.Duration { return r.idle / 4 }

func (r *relay) note() { r.moved.Store(int64(time.Since(clock))) }

// still reports whether nothing has moved for too long.
func (r *relay) still() bool {
	return time.Since(clock)-time.Duration(r.moved.Load()) >= r.idle
}

// pass copies one way, and ends it on the other side as it ended on this one.
func (r *relay) pass(to, from relayEnd) int64 {
	n, err := r.copy(to, from)
	if err != nil || to.closeWrite() != nil {
		_ = to.timed.Close()
		_ = from.timed.Close()
	}
	return n
}

func (r *relay) copy(to, from relayEnd) (n int64, err error) {
	buffer := relayBuffers.Get().(*[relayBytes]byte)
	defer func() {
		if buffer != nil {
			relayBuffers.Put(buffer)
		}
	}()
	for {
		if from.Buffered() == 0 && from.Conn.Conn == from.timed && to.Conn.Conn == to.timed {
			relayBuffers.Put(buffer)
			buffer = nil // it may be long
			moved, err := r.splice(to.timed.TCPConn, from.timed.TCPConn)
			return n + moved, err
		}
		read, err := from.Read(buffer[:])
		if read > 0 {
			r.note()
			written, err := to.Write(buffer[:read])
			n += int64(written)
			if err != nil {
				return n, err
			}
		}
		switch {
		case err == io.EOF:
			return n, nil
		case err != nil && (!expired(err) || r.still()):
			return n, err
		}
	}
}

// splice copies one way between sockets: on Linux inside the kernel. A deadline
// ends each round, which shows whether anything has moved.
func (r *relay) splice(to, from *net.TCPConn) (n int64, err error) {
	for {
		start := time.Now()
		_ = from.SetReadDeadline(start.Add(r.look())) // fails only on a closed connection: so will what follows
		_ = to.SetWriteDeadline(start.Add(r.look() + r.idle))
		moved, err := to.ReadFrom(from)
		n += moved
		if moved > 0 {
			r.note()
		}
		switch {
		case err == nil:
			return n, nil
		case !expired(err) || r.still():
			return n, err
		case time.Since(start) >= r.idle:
			return n, err // it was the writing that took too long, and bytes are lost
		}
	}
}

// relayBytes is how much is copied at a time where the kernel cannot do it.
const relayBytes = 16 << 10

var relayBuffers = sync.Pool{New: func() any { return new([relayBytes]byte) }}
