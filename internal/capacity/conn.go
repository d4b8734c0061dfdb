package capacity

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"time"
)

const (
	readBuffer = 4 << 10
	// sendMax is the size up to which a request fits into a fresh socket's
	// buffer, so that writing it cannot hold up the schedule.
	sendMax = 16 << 10
)

// A conn is a keep-alive connection with at most one request under way.
//
//	dialling ─▶ busy ◀─▶ idle
//	     └────────┴───────┴──▶ gone: broken, closed by the target, or aborted
type conn struct {
	pool *pool
	dial context.Context // ends when the conn is aborted
	quit context.CancelFunc

	// Guarded by the generator's lock.
	net     net.Conn // nil while dialling
	busy    bool
	request request
}

func newConn(p *pool) *conn {
	c := &conn{pool: p}
	c.dial, c.quit = context.WithCancel(context.Background())
	return c
}

// begin puts a request on the connection; the lock is held.
func (c *conn) begin(r request) {
	c.busy = true
	c.request = r
}

// abort takes the request away and closes the connection; the lock is held.
func (c *conn) abort() entry {
	c.busy = false
	c.quit()
	if c.net != nil {
		c.net.Close()
	}
	return c.request.entry
}

// send writes the request. A failure shows where answers are read.
func (c *conn) send() {
	if len(c.pool.target.request) > sendMax {
		c.pool.gen.readers.Go(c.write)
		return
	}
	c.write()
}

func (c *conn) write() {
	if _, err := c.net.Write(c.pool.target.request); err != nil {
		c.net.Close()
	}
}

// serve dials, sends the first request and reads answers until the connection
// ends.
func (c *conn) serve() {
	defer c.quit()
	if err := c.connect(); err != nil {
		c.ended(outcomeOfError(err), false)
		return
	}
	defer c.net.Close()
	c.send()
	r := bufio.NewReaderSize(c.net, readBuffer)
	for {
		status, keep, err := readAnswer(r, c.pool.target.head)
		o := outcomeOf(status)
		if err != nil {
			o, keep = outcomeOfError(err), false
		}
		if !c.ended(o, keep) {
			return
		}
	}
}

func (c *conn) connect() error {
	g := c.pool.gen
	g.mu.Lock()
	dialer := net.Dialer{Deadline: c.request.deadline}
	g.mu.Unlock()
	nc, err := dialer.DialContext(c.dial, "tcp", c.pool.target.address)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !c.busy {
		nc.Close()
		return context.Canceled
	}
	c.net = nc
	return nil
}

// ended counts the end of the try that is under way, if any, sends what comes
// next, and reports whether the connection goes on.
func (c *conn) ended(o outcome, keep bool) bool {
	g := c.pool.gen
	now := time.Now()
	g.mu.Lock()
	if !c.busy { // idle and closed by the target, or aborted
		c.pool.remove(c)
		g.mu.Unlock()
		return false
	}
	r := c.request
	if now.After(r.deadline) {
		o = timedOut // the sweep was about to say so
	}
	c.busy = false
	again := false
	if keep {
		again = c.pool.release(c)
	} else {
		c.pool.remove(c)
	}
	var next *conn
	repeats := r.again(o, now, g.load.Timeout)
	if repeats {
		next = c.pool.assign(r)
	} else {
		g.inFlight--
	}
	g.mu.Unlock()
	if !repeats {
		g.rec.end(r.entry, o, now)
	}
	if again {
		c.send()
	}
	if next != nil {
		next.send()
	}
	return keep
}

func outcomeOfError(err error) outcome {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return timedOut
	}
	return broken
}
