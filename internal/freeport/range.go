package freeport

import (
	"fmt"
	"os"
)

const (
	portMin  = 10240 // below are the well-known ones
	portMax  = 65535
	portsLow = 1024 // a range with fewer ports than this is not worth having
)

// Range is the ports, both inclusive, that the kernel gives to no connection as
// its near end: of its own, one that is free now may be gone before a server
// listens there. Where it leaves too few, Range is all but the well-known ones.
func Range() (low, high int) {
	text, _ := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range") // without it, nothing is known
	if low, high = outside(string(text)); low == 0 {
		return portMin, portMax
	}
	return low, high
}

// outside is the larger part of portMin to portMax that the kernel's range
// leaves, or 0, 0 when it is too small.
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
