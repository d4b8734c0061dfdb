package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listener takes connections on one address.
type listener struct {
	gateway *Gateway
	address string
	tcp     *net.TCPListener
	config  atomic.Pointer[ListenerConfig]
	keys    atomic.Pointer[keys] // nil: no TLS
	// packets are what comes by UDP; nil: nothing does.
	packets atomic.Pointer[datagrams]
	// alternative is the field that tells clients of it; nil: none.
	alternative atomic.Pointer[[]byte]
	proxies     atomic.Pointer[networks] // that tell whose connections they pass on
	trusted     atomic.Pointer[networks] // whose word on their requests is believed
	access      atomic.Pointer[access]   // nil: everybody has it
	// passthrough is where redirected connections go; nil: it takes none.
	passthrough *passthrough
	leaving     atomic.Bool     // takes no more connections
	ending      atomic.Bool     // and closes those that wait for a request
	ctx         context.Context // ends when sessions are cut
	stop        context.CancelFunc

	full atomic.Int32 // how many connections wait for room

	mu       sync.Mutex
	multi    *multiplex // for new connections of HTTP/2; nil before the first
	sessions map[*session]struct{}
	perHost  map[netip.Prefix]int // how many of them each client has, where that is bounded
	room     *sync.Cond           // signalled when a session ends, or waits for a request while another wants its room
}

// port is the number of the port that is listened on.
func (l *listener) port() int { return l.tcp.Addr().(*net.TCPAddr).Port }

func newListener(g *Gateway, address string, c ListenerConfig, k *keys) (*listener, error) {
	network, err := c.network(address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	tcp, err := g.sockets.Listen(network, address)
	if err != nil {
		return nil, ListenError(address, err)
	}
	l := &listener{gateway: g, address: address, tcp: tcp, sessions: map[*session]struct{}{}, perHost: map[netip.Prefix]int{}}
	l.ctx, l.stop = context.WithCancel(context.Background())
	if c.Transparent != nil {
		g.marks.Store(true)
		l.passthrough = newPassthrough(g, *c.Transparent)
	}
	l.room = sync.NewCond(&l.mu)
	l.set(c, k)
	if c.HTTP3 != nil {
		d, err := newDatagrams(l)
		if err != nil {
			_ = g.sockets.Close(tcp) // it has served nobody yet
			return nil, err
		}
		l.packets.Store(d)
	}
	return l, nil
}

// ListenError says why an address cannot be listened on, and what to do.
func ListenError(address string, err error) error { return listenError(address, "-ltnp", err) }

// listenError is ListenError with what makes ss list such sockets.
func listenError(address, listing string, err error) error {
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: the port is in use; stop what uses it (ss %s 'sport = :%s' tells) or choose another port", address, listing, port)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %s: permission denied; use a port from 1024 on, or allow the binary to bind it", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: this machine does not have that address", address)
	}
	return fmt.Errorf("listen on %s: %w", address, err)
}

func (l *listener) set(c ListenerConfig, k *keys) {
	c = c.WithDefaults()
	proxies, trusted := newNetworks(c.ProxyProtocolFrom), newNetworks(c.TrustedPeers)
	l.proxies.Store(&proxies)
	l.trusted.Store(&trusted)
	l.access.Store(newAccess(c.Access))
	l.alternative.Store(l.announce(c.HTTP3))
	old := l.config.Swap(&c)
	if l.passthrough != nil {
		l.passthrough.set(*c.Transparent)
	}
	l.keys.Store(k)
	l.mu.Lock()
	if l.multi != nil && (c.HeaderBytes != old.HeaderBytes || c.IdleTimeout != old.IdleTimeout ||
		c.StallTimeout != old.StallTimeout || c.StreamsMax != old.StreamsMax) {
		l.multi.retire() // what it was made with has changed
		l.multi = nil
	}
	l.room.Broadcast() // there may be more of it
	l.mu.Unlock()
}

// serve accepts connections until the listener is closed.
func (l *listener) serve() {
	for {
		conn, err := l.tcp.AcceptTCP()
		if err != nil {
			if l.last() || errors.Is(err, net.ErrClosed) {
				return
			}
			l.gateway.log.Error("accept failed", "address", l.address, "error", err)
			time.Sleep(50 * time.Millisecond) // out of file descriptors, most likely: let some be closed
			continue
		}
		if s := newSession(l, conn); l.add(s) {
			go s.serve()
		} else {
			_ = conn.SetLinger(0) // costs the kernel nothing afterwards
			_ = conn.Close()
		}
	}
}

// add waits until one more connection may be open, and counts it in. It returns
// false where its client has too many.
func (l *listener) add(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if most := l.config.Load().ConnectionsPerClientMax; most > 0 {
		s.host = hostOf(s.client.Addr())
		if l.perHost[s.host] >= most {
			return false
		}
		l.perHost[s.host]++
	}
	l.awaitRoom()
	l.sessions[s] = struct{}{}
	return true
}

// awaitRoom has the connection end that has waited for a request for the
// longest, where there are as many as there may be. The caller holds mu.
func (l *listener) awaitRoom() {
	l.full.Add(1)
	defer l.full.Add(-1)
	for len(l.sessions) >= l.config.Load().ConnectionsMax && !l.last() {
		if s := l.longestIdle(); s != nil {
			s.makeRoom()
		}
		l.room.Wait()
	}
}

// longestIdle is the session that has waited for a request for the longest, or
// nil. The caller holds mu.
func (l *listener) longestIdle() (longest *session) {
	var since time.Time
	for s := range l.sessions {
		if at, idle := s.idleSince(); idle && (longest == nil || at.Before(since)) {
			longest, since = s, at
		}
	}
	return longest
}

// hostOf is who counts as one client: an address, or a network of IPv6, of which
// a client has as many as it likes.
func hostOf(a netip.Addr) netip.Prefix {
	bits := 32
	if !a.Is4() {
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits) // the zero prefix where the client has gone already
	return p
}

func (l *listener) remove(s *session) {
	l.mu.Lock()
	delete(l.sessions, s)
	if s.host.IsValid() {
		if l.perHost[s.host]--; l.perHost[s.host] <= 0 {
			delete(l.perHost, s.host)
		}
	}
	l.mu.Unlock()
	l.room.Broadcast()
}

// tellIdle wakes whoever waits for a connection to end.
func (l *listener) tellIdle() {
	l.mu.Lock()
	l.room.Broadcast()
	l.mu.Unlock()
}

func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sessions)
}

// some are the sessions that are wanted.
func (l *listener) some(wanted func(*session) bool) (all []*session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.sessions {
		if wanted(s) {
			all = append(all, s)
		}
	}
	return all
}

// drain takes no more connections, closes the idle ones, waits for requests
// under way and, after DrainTimeout, cuts those that are left.
func (l *listener) drain() {
	if l.gateway.succeeded.Load() {
		l.leave()
	}
	l.ending.Store(true)
	if !l.leaving.Load() {
		_ = l.gateway.sockets.Close(l.tcp)
	}
	d := l.packets.Load()
	if d != nil {
		_ = d.accepting.Close()
	}
	l.mu.Lock()
	if l.multi != nil {
		l.multi.retire()
	}
	l.room.Broadcast()
	l.mu.Unlock()
	l.finish(func(*session) bool { return true }, l.stop)
	if d != nil {
		d.close()
	}
	if l.passthrough != nil {
		l.passthrough.stop()
	}
}

// finish closes those of the sessions that are idle, waits for requests under
// way and, after DrainTimeout, cuts those that are left.
func (l *listener) finish(of func(*session) bool, cutting func()) {
	const look = 5 * time.Millisecond
	end := time.Now().Add(l.config.Load().DrainTimeout)
	left := l.some(of)
	for ; len(left) > 0 && time.Now().Before(end); left = l.some(of) {
		for _, s := range left {
			s.closeIdle()
		}
		time.Sleep(look)
	}
	if len(left) > 0 {
		l.gateway.log.Warn("requests were cut off at the end of the drain timeout", "address", l.address, "connections", len(left))
	}
	cutting()
	for ; len(left) > 0; left = l.some(of) {
		for _, s := range left {
			s.cut()
		}
		time.Sleep(look) // each ends as soon as it sees its connection closed
	}
}

// multiplex serves new connections of HTTP/2.
func (l *listener) multiplex() *multiplex {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.multi == nil {
		l.multi = newMultiplex(l.config.Load())
		if l.ending.Load() {
			l.multi.retire()
		}
	}
	return l.multi
}
