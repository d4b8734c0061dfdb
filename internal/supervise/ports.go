package supervise

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"

	"github.com/afloat-dev/afloat/internal/freeport"
)

// errNoPort is returned when every port of the range is in use.
var errNoPort = errors.New("no free loopback port is left")

// portPool hands out loopback ports of [freeport.Range], none of them twice at a time: a port of the kernel's that a
// replica gave up for a moment while it restarts could be gone.
type portPool struct {
	low, high int // inclusive
	held      map[int]bool
}

func newPortPool() *portPool {
	p := &portPool{held: map[int]bool{}}
	p.low, p.high = freeport.Range()
	return p
}

// take hands out n ports that nobody serves on now.
func (p *portPool) take(n int) ([]int, error) {
	ports := make([]int, 0, n)
	size := p.high - p.low + 1
	start := rand.IntN(size)
	for i := 0; i < size && len(ports) < n; i++ {
		port := p.low + (start+i)%size
		if !p.held[port] && bindable(port) {
			p.held[port] = true
			ports = append(ports, port)
		}
	}
	if len(ports) < n {
		p.release(ports)
		return nil, errNoPort
	}
	return ports, nil
}

// hold keeps ports that are in use from being handed out.
func (p *portPool) hold(ports []int) {
	for _, port := range ports {
		p.held[port] = true
	}
}

func (p *portPool) release(ports []int) {
	for _, port := range ports {
		delete(p.held, port)
	}
}

// bindable reports whether a server could listen on the port now.
func bindable(port int) bool {
	l, err := net.Listen("tcp4", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
