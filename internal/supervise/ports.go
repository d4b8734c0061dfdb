package supervise

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// errNoPort is returned when every port of the range is in use.
var errNoPort = errors.New("no free loopback port is left")

// portPool hands out loopback ports, none of them twice at a time. It stays clear of the kernel's range for outgoing
// connections: there, a port that a replica gave up for a moment while it restarts can be gone.
type portPool struct {
	low, high int // inclusive
	held      map[int]bool
}

func newPortPool() *portPool {
	p := &portPool{held: map[int]bool{}}
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		p.low, p.high = outside(string(text))
	}
	if p.low == 0 {
		p.low, p.high = portMin, portMax
	}
	return p
}

const (
	portMin  = 10240 // below are the well-known ones
	portMax  = 65535
	portsLow = 1024 // a range with fewer ports than this is not worth having
)

// outside is the larger part of portMin to portMax that the kernel's range leaves, or 0, 0 when it is too small.
func outside(kernel string) (low, high int) {
	var from, to int
	if _, err := fmt.Sscan(kernel, &from, &to); err != nil {
		return 0, 0
	}
	low, high = portMin, from-1
	if portMax-to > high-low {
		low, high = max(to+1, portMin), portMax
	}
	if high-low < portsLow {
		return 0, 0
	}
	return low, high
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
