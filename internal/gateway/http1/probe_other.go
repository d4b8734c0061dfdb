//go:build !unix

package http1

// A probe waits by reading, where sockets cannot be read without blocking.
type probe struct {
	c   *Conn
	one [1]byte
}

func (p *probe) init(c *Conn)                      { p.c = c }
func (p *probe) await() error                      { return p.c.awaitRead() }
func (p *probe) awaitAnswer() error                { return p.c.sendAndRead() }
func (p *probe) awaitEach(serve func() bool) error { return p.c.readEach(serve) }
func (p *probe) tryFill() (bool, error)            { return false, nil }
func (p *probe) peek() peerState                   { return peerUnknown }
func (p *probe) peekEnd() peerState                { return peerUnknown }

// sendNow leaves everything to the next write.
func sendNow(fd int, p []byte) (n int) { return 0 }
