package gateway

import (
	"errors"
	"fmt"
	"net"
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
	ending  atomic.Bool

	mu       sync.Mutex
	sessions map[*session]struct{}
	room     *sync.Cond // signalled when a session ends
}

func newListener(g *Gateway, address string, c ListenerConfig) (*listener, error) {
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return nil, ListenError(address, err)
	}
	l := &listener{gateway: g, address: address, tcp: tcp.(*net.TCPListener), sessions: map[*session]struct{}{}}
	l.room = sync.NewCond(&l.mu)
	l.set(c)
	return l, nil
}

// ListenError says why an address cannot be listened on, and what to do.
func ListenError(address string, err error) error {
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: the port is in use; stop what uses it (ss -ltnp 'sport = :%s' tells) or choose another port", address, port)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %s: permission denied; use a port from 1024 on, or allow the binary to bind it", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: this machine does not have that address", address)
	}
	return fmt.Errorf("listen on %s: %w", address, err)
}

func (l *listener) set(c ListenerConfig) {
	c = c.WithDefaults()
	l.config.Store(&c)
	l.mu.Lock()
	l.room.Broadcast() // there may be more of it
	l.mu.Unlock()
}

// serve accepts connections until the listener is closed.
func (l *listener) serve() {
	for {
		l.awaitRoom()
		conn, err := l.tcp.AcceptTCP()
		if err != nil {
			if l.ending.Load() || errors.Is(err, net.ErrClosed) {
				return
			}
			l.gateway.log.Error("accept failed", "address", l.address, "error", err)
			time.Sleep(50 * time.Millisecond) // out of file descriptors, most likely: let some be closed
			continue
		}
		s := newSession(l, conn)
		l.mu.Lock()
		l.sessions[s] = struct{}{}
		l.mu.Unlock()
		go s.serve()
	}
}

// awaitRoom waits until one more connection may be open.
func (l *listener) awaitRoom() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.sessions) >= l.config.Load().ConnectionsMax && !l.ending.Load() {
		l.room.Wait()
	}
}

func (l *listener) remove(s *session) {
	l.mu.Lock()
	delete(l.sessions, s)
	l.mu.Unlock()
	l.room.Broadcast()
}

func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sessions)
}

// drain takes no more connections, closes the idle ones, waits for requests
// under way and, after DrainTimeout, cuts those that are left.
func (l *listener) drain() {
	l.ending.Store(true)
	_ = l.tcp.Close()
	l.mu.Lock()
	l.room.Broadcast()
	l.mu.Unlock()
	end := time.Now().Add(l.config.Load().DrainTimeout)
	for l.count() > 0 && time.Now().Before(end) {
		l.each((*session).closeIdle)
		time.Sleep(5 * time.Millisecond)
	}
	if cut := l.count(); cut > 0 {
		l.gateway.log.Warn("requests were cut off at the end of the drain timeout", "address", l.address, "connections", cut)
	}
	l.each((*session).cut)
	for l.count() > 0 {
		time.Sleep(5 * time.Millisecond) // each session ends as soon as it sees its connection closed
	}
}

func (l *listener) each(f func(*session)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.sessions {
		f(s)
	}
}
