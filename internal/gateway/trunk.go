package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// trunk is a connection of HTTP/2 to an endpoint, which carries many streams.
type trunk struct {
	*http.ClientConn
	keys    *keys // it was made with; nil: no TLS
	streams int   // under way
	retired bool  // gets no new ones
	idleAt  time.Time
	heard   atomic.Int64 // when a response last began, in nanoseconds of clock
}

// unheardStreams bounds the streams of a connection before anything came on it:
// how many the endpoint allows is not known until then.
const unheardStreams = 10

func (t *trunk) unheard() bool { return t.heard.Load() == 0 }

// dialing is a connection that is being made. Whoever wants one meanwhile waits
// for it: a crowd of requests must not make a crowd of connections.
type dialing struct {
	done chan struct{}
	err  error // read after done
}

// What a connection of HTTP/2 to an endpoint may hold of responses that wait to
// be read: so much of one, and of all.
const (
	responseBuffer  = 256 << 10
	responsesBuffer = 4<<20 - 1
)

// errNoHTTP2 is why a connection cannot be used by a service that wants HTTP/2.
var errNoHTTP2 = errors.New("the endpoint does not speak HTTP/2")

// lineKey is where a context has the connection that framing is put upon.
type lineKey struct{}

// framer puts the frames and streams of net/http upon connections that are
// made elsewhere.
var framer = func() *http.Transport {
	made := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return ctx.Value(lineKey{}).(net.Conn), nil
	}
	t := &http.Transport{
		Protocols:              new(http.Protocols),
		DialContext:            made,
		DialTLSContext:         made,
		DisableCompression:     true,
		MaxResponseHeaderBytes: int64(upstreamLimits.HeadBytesMax),
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerConnection: responsesBuffer,
			MaxReceiveBufferPerStream:     responseBuffer,
		},
	}
	t.Protocols.SetHTTP2(true)
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}()

// newTrunk begins HTTP/2 on a connection.
func newTrunk(l line, address string, stall time.Duration) (*trunk, error) {
	l.timed.writeStall = stall
	scheme := "http"
	if l.keys != nil {
		scheme = "https"
	}
	cc, err := framer.NewClientConn(context.WithValue(context.Background(), lineKey{}, l.Conn), scheme, address)
	if err != nil {
		_ = l.Close() // it is of no use
		return nil, err
	}
	return &trunk{ClientConn: cc, keys: l.keys}, nil
}

// stream reserves a stream on a connection of HTTP/2 that is there, or on a new
// one. It returns a connection of HTTP/1.1 where the endpoint chose that by ALPN.
func (p *pool) stream(ctx context.Context, within time.Duration) (upstream, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for again := true; ; again = false {
		t, wait, mine := p.reserve()
		if t != nil {
			return &upstreamStream{trunk: t, pool: p, again: again}, nil
		}
		if mine {
			go p.makeTrunk(wait) // it is for all, and so not bound to this one's time
		}
		select {
		case <-wait.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		switch {
		case wait.err != nil:
			return nil, wait.err
		case p.speaks.Load() == speaksHTTP1 && p.endpoint.service.config.Load().Protocol != ProtocolHTTP2:
			if kept := p.reuse(time.Time{}, false); kept != nil {
				return kept, nil
			}
			return p.dial(ctx, within)
		}
	}
}

// reserve returns a connection with room for a stream; or what is being dialed,
// and whether it is for the caller to do so.
func (p *pool) reserve() (t *trunk, wait *dialing, mine bool) {
	s := p.endpoint.service
	current, most := s.keys.Load(), s.config.Load().StreamsMax
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.trunks {
		if t.retired || t.keys != current || t.streams >= most || t.unheard() && t.streams >= unheardStreams || t.Reserve() != nil {
			continue
		}
		t.streams++
		return t, nil, false
	}
	if p.dialing != nil {
		return nil, p.dialing, false
	}
	p.dialing = &dialing{done: make(chan struct{})}
	return nil, p.dialing, true
}

// makeTrunk connects, for all who wait.
func (p *pool) makeTrunk(wait *dialing) {
	wait.err = p.addTrunk()
	p.mu.Lock()
	p.dialing = nil
	p.mu.Unlock()
	close(wait.done)
}

// addTrunk makes a connection that new streams may use, or one of HTTP/1.1 where
// the endpoint chose that.
func (p *pool) addTrunk() error {
	c := p.endpoint.service.config.Load()
	l, err := p.connect(context.Background(), c.ConnectTimeout, c.alpn(true))
	if err != nil {
		return err
	}
	if l.keys != nil && l.agreed() != "h2" {
		if c.Protocol == ProtocolHTTP2 {
			_ = l.Close() // it is of no use
			p.open.Add(-1)
			return errNoHTTP2
		}
		p.speaks.Store(speaksHTTP1)
		p.put(p.conn(l), time.Now())
		return nil
	}
	p.speaks.Store(speaksHTTP2)
	t, err := newTrunk(l, p.endpoint.address, c.StallTimeout)
	if err != nil {
		p.open.Add(-1)
		return err
	}
	t.idleAt = time.Now()
	p.mu.Lock()
	p.trunks = append(p.trunks, t)
	closed := p.closed
	p.mu.Unlock()
	if closed {
		time.AfterFunc(c.ConnectTimeout, p.close) // in case nobody waits for it any more
	}
	return nil
}

// leave ends a stream of a trunk. A connection that cannot be used again is
// closed with its last one.
func (p *pool) leave(t *trunk, retire bool) {
	p.mu.Lock()
	t.streams--
	t.idleAt = time.Now()
	t.retired = t.retired || retire || t.Err() != nil
	done := t.streams == 0 && (t.retired || p.closed || t.keys != p.endpoint.service.keys.Load())
	if done {
		p.forget(t)
	}
	p.mu.Unlock()
	if done {
		p.end(t)
	}
}

// forget takes a trunk out of the list; p is locked.
func (p *pool) forget(t *trunk) {
	for i, one := range p.trunks {
		if one == t {
			p.trunks = append(p.trunks[:i:i], p.trunks[i+1:]...)
			return
		}
	}
}

func (p *pool) end(t *trunk) {
	_ = t.Close() // it is done with either way
	p.open.Add(-1)
}

// unused takes out the trunks that have carried nothing since, or never will.
// p is locked.
func (p *pool) unused(since time.Time) (old []*trunk) {
	for _, t := range p.trunks {
		if t.streams == 0 && (t.idleAt.Before(since) || t.Err() != nil || t.Available() == 0) {
			old = append(old, t)
		}
	}
	for _, t := range old {
		p.forget(t)
	}
	return old
}
