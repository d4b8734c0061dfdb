package main

import (
	"fmt"
	"net"
	"sync"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/handover"
)

// sockets are what is listened on: taken over where an earlier Afloat had it,
// and held for the next.
type sockets struct {
	store *handover.Store
	in    *handover.Inheritance // nil for none

	mu     sync.Mutex
	keys   map[*net.TCPListener]string
	shared map[string]bool // addresses that an earlier Afloat may still have the UDP port of
}

func newSockets(store *handover.Store, in *handover.Inheritance) *sockets {
	return &sockets{store: store, in: in, keys: map[*net.TCPListener]string{}, shared: map[string]bool{}}
}

// openSockets makes the store of what the next Afloat takes over, and begins it
// with the data folder.
func (d *daemon) openSockets() error {
	store := handover.NewStore()
	d.sockets = newSockets(store, d.in)
	if d.data.passing {
		return nil
	}
	return store.Lend(dataKey, d.data.path, d.data.lock)
}

// Listen is part of [gateway.Sockets].
func (s *sockets) Listen(network, address string) (*net.TCPListener, error) {
	key := "listener " + network + " " + address
	l, err := s.open(key, network, address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.keys[l] = key
	s.mu.Unlock()
	return l, s.store.Put(key, address, l)
}

func (s *sockets) open(key, network, address string) (*net.TCPListener, error) {
	e, ok := s.in.Take(key)
	defer handover.CloseFiles(e.Files)
	var l net.Listener
	var err error
	if ok && len(e.Files) == 1 {
		s.mu.Lock()
		s.shared[address] = true
		s.mu.Unlock()
		l, err = net.FileListener(e.Files[0])
	} else {
		l, err = net.Listen(network, address)
	}
	if err != nil {
		return nil, err
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		l.Close()
		return nil, fmt.Errorf("what was handed over for %s is no socket of TCP", address)
	}
	return tcp, nil
}

// ListenPacket is part of [gateway.Sockets].
func (s *sockets) ListenPacket(address string) (*net.UDPConn, error) {
	s.mu.Lock()
	shared := s.shared[address]
	delete(s.shared, address)
	s.mu.Unlock()
	return gateway.ListenPacket(address, shared)
}

// Close is part of [gateway.Sockets].
func (s *sockets) Close(l *net.TCPListener) error {
	s.mu.Lock()
	key := s.keys[l]
	delete(s.keys, l)
	s.mu.Unlock()
	s.store.Remove(key)
	return l.Close()
}
