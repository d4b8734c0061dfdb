package gateway

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// pool keeps an endpoint's idle connections, the latest used first, so that
// those which are not needed grow old and are closed.
type pool struct {
	endpoint *endpoint
	open     atomic.Int64
	wary     atomic.Int64 // how many connections are not taken to be alive without a look

	// speaks is what an endpoint of TLS chose by ALPN last.
	speaks atomic.Int32

	mu      sync.Mutex
	idle    []*upstreamConn
	trunks  []*trunk // of HTTP/2
	dialing *dialing // of HTTP/2; nil: none
	closed  bool
}

// What an endpoint of TLS is known to speak.
const (
	speaksUnknown = iota
	speaksHTTP1
	speaksHTTP2
)

// multiplexes reports whether the request goes by HTTP/2, so far as is known.
func (p *pool) multiplexes(x *exchange) bool {
	s := p.endpoint.service
	switch s.config.Load().Protocol {
	case ProtocolHTTP1:
		return false
	case ProtocolHTTP2:
		return true
	}
	switch {
	case x.request.Upgrade != nil:
		return false
	case s.keys.Load() != nil:
		return p.speaks.Load() != speaksHTTP1
	}
	return x.grpc || // which needs HTTP/2
		s.alike && multiplexed(x.client.protocol())
}

// alpn is what is offered to an endpoint.
func (c *ServiceConfig) alpn(http2 bool) []string {
	switch {
	case !http2:
		return []string{"http/1.1"}
	case c.Protocol == ProtocolHTTP2:
		return []string{"h2"}
	}
	return []string{"h2", "http/1.1"}
}

// errConnections is why no further connection is made to an endpoint.
var errConnections = errors.New("the endpoint's connectionsMax is reached")

const (
	// freshFor is how long an idle connection is taken to be alive without a
	// look, where it does no harm to be wrong.
	freshFor = time.Millisecond
	// warySpan is how many are looked at after it was wrong.
	warySpan = 1000
)

// reuse returns an idle connection that its peer has not closed, or nil. Where
// the request may be sent anew this is not certain of one that was in use just
// now.
func (p *pool) reuse(now time.Time, anew bool) *upstreamConn {
	for {
		u := p.pop()
		if u == nil {
			return nil
		}
		fresh := anew && now.Sub(u.idleAt) < freshFor && u.Quiet() && p.trusts()
		if u.keys == p.endpoint.service.keys.Load() && (fresh || u.Alive()) {
			u.again = true
			return u
		}
		p.discard(u)
	}
}

// trusts reports whether the endpoint has not closed a connection of late just
// after it answered on it.
func (p *pool) trusts() bool {
	if p.wary.Load() <= 0 {
		return true
	}
	p.wary.Add(-1)
	return false
}

func (p *pool) pop() *upstreamConn {
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

// dial makes a connection of HTTP/1.1.
func (p *pool) dial(ctx context.Context, timeout time.Duration) (upstream, error) {
	l, err := p.connect(ctx, timeout, p.endpoint.service.config.Load().alpn(false))
	if err != nil {
		return nil, err
	}
	return p.conn(l), nil
}

// connect makes a connection that counts as the endpoint's.
func (p *pool) connect(ctx context.Context, timeout time.Duration, alpn []string) (line, error) {
	c := p.endpoint.service.config.Load()
	if p.open.Add(1) > int64(c.ConnectionsMax) {
		p.open.Add(-1)
		return line{}, errConnections
	}
	l, err := p.endpoint.dial(ctx, min(timeout, c.ConnectTimeout), alpn)
	if err != nil {
		p.open.Add(-1)
	}
	return l, err
}

// conn speaks HTTP/1.1 on a new connection.
func (p *pool) conn(l line) *upstreamConn {
	l.timed.writeStall = p.endpoint.service.config.Load().StallTimeout
	return &upstreamConn{Conn: http1.NewConn(l.Conn, &upstreamLimits), timed: l.timed, pool: p, keys: l.keys}
}

// upstreamLimits bound what an endpoint may send in a response's head.
var upstreamLimits = http1.Limits{HeadBytesMax: 64 << 10, FieldsMax: 200}

// put takes back a connection whose exchange has ended well, now.
func (p *pool) put(u *upstreamConn, now time.Time) {
	c := p.endpoint.service.config.Load()
	u.Release()
	u.idleAt = now
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
func (p *pool) discard(u *upstreamConn) {
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
	old := append([]*upstreamConn(nil), p.idle[:n]...)
	p.idle = append(p.idle[:0], p.idle[n:]...)
	trunks := p.unused(oldest)
	p.mu.Unlock()
	for _, t := range trunks {
		p.end(t)
	}
	for _, u := range old {
		p.discard(u)
	}
}

// close closes the idle connections, and those put back from now on.
func (p *pool) close() {
	p.mu.Lock()
	idle, trunks := p.idle, p.unused(time.Now())
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, t := range trunks {
		p.end(t)
	}
	for _, u := range idle {
		p.discard(u)
	}
}

func (p *pool) idleCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	for _, t := range p.trunks {
		if t.streams == 0 {
			n++
		}
	}
	return n
}
