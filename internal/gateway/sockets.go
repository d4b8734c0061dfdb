package gateway

import "net"

// Sockets opens what listeners take connections from, and closes it. It lets
// sockets outlive the process that opened them.
type Sockets interface {
	Listen(network, address string) (*net.TCPListener, error)
	Close(*net.TCPListener) error
	// ListenPacket opens a UDP port by [ListenPacket]. Who asked closes it.
	ListenPacket(address string) (*net.UDPConn, error)
}

// ownSockets are those of nobody else.
type ownSockets struct{}

func (ownSockets) Listen(network, address string) (*net.TCPListener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

func (ownSockets) ListenPacket(address string) (*net.UDPConn, error) {
	return ListenPacket(address, false)
}

func (ownSockets) Close(l *net.TCPListener) error { return l.Close() }
