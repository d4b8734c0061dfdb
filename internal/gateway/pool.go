package gateway

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// upstream is a connection to an endpoint.
type upstream struct {
	*http1.Conn
	timed  *timedConn
	pool   *pool
	reused bool
	idleAt time.Time
}

// pool keeps an endpoint's idle connections, the latest used first, so that
// those which are not needed grow old and are closed.
type pool struct {
	endpoint *endpoint
	open     atomic.Int64

	mu     sync.Mutex
	idle   []*upstream
	closed bool
}

// errConnections is why no further connection is made to an endpoint.
var errConnections = errors.New("the endpoint's connectionsMax is reached")

// reuse returns an idle connection that its peer has not closed, or nil.
func (p *pool) reuse() *upstream {
	for {
		u := p.pop()
		if u == nil {
			return nil
		}
		if u.Alive() {
			u.reused = true
			return u
		}
		p.discard(u)
	}
}

func (p *pool) pop() *upstream {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	u := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return u
}

// dial makes a connection.
func (p *pool) dial(ctx context.Context, timeout time.Duration) (*upstream, error) {
	c := p.endpoint.service.config.Load()
	if p.open.Add(1) > int64(c.ConnectionsMax) {
		p.open.Add(-1)
		return nil, errConnections
	}
	dialer := net.Dialer{Timeout: min(timeout, c.ConnectTimeout)}
	conn, err := dialer.DialContext(ctx, "tcp", p.endpoint.address)
	if err != nil {
		p.open.Add(-1)
		return nil, err
	}
	timed := &timedConn{TCPConn: conn.(*net.TCPConn), writeStall: c.StallTimeout}
	return &upstream{Conn: http1.NewConn(timed, &upstreamLimits), timed: timed, pool: p}, nil
}

// upstreamLimits bound what an endpoint may send in a response's head.
var upstreamLimits = http1.Limits{HeadBytesMax: 64 << 10, FieldsMax: 200}

// put takes back a connection whose exchange has ended well.
func (p *pool) put(u *upstream) {
	c := p.endpoint.service.config.Load()
	u.Release()
	u.idleAt = time.Now()
	p.mu.Lock()
	if keep := !p.closed && len(p.idle) < c.IdleConnectionsMax; keep {
		p.idle = append(p.idle, u)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.discard(u)
}

// discard closes a connection.
func (p *pool) discard(u *upstream) {
	_ = u.Close() // it is done with either way
	u.Release()
	p.open.Add(-1)
}

// prune closes the connections that have been idle for too long.
func (p *pool) prune(timeout time.Duration) {
	oldest := time.Now().Add(-timeout)
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && p.idle[n].idleAt.Before(oldest) {
		n++
	}
	old := append([]*upstream(nil), p.idle[:n]...)
	p.idle = append(p.idle[:0], p.idle[n:]...)
	p.mu.Unlock()
	for _, u := range old {
		p.discard(u)
	}
}

// close closes the idle connections, and those put back from now on.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, u := range idle {
		p.discard(u)
	}
}

func (p *pool) idleCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}
