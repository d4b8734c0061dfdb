// Package freeport says which ports no connection takes, and finds some for
// servers of tests and benchmarks that cannot listen on port 0, because others
// must know their address before they start.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
)

// taken holds this process's marks.
var taken struct {
	sync.Mutex
	marks map[string]net.Listener
}

// Addresses returns n addresses of the loopback interface whose ports are free
// for TCP and UDP. Until this process ends they are given to nobody else who
// asks here, in any process.
func Addresses(n int) ([]string, error) {
	taken.Lock()
	defer taken.Unlock()
	low, high := Range()
	var all []string
	for tries := 0; len(all) < n; tries++ {
		if tries == 1000+n {
			return nil, errors.New("no port is free")
		}
		address := fmt.Sprintf("127.0.0.1:%d", low+rand.IntN(high-low+1))
		if mark, ok := take(address); ok {
			if taken.marks == nil {
				taken.marks = map[string]net.Listener{}
			}
			taken.marks[address] = mark
			all = append(all, address)
		}
	}
	return all, nil
}

// take marks the address for the other processes with a name among Linux'
// abstract Unix sockets, which goes when this process does.
func take(address string) (mark net.Listener, ok bool) {
	if _, ours := taken.marks[address]; ours || !free(address) {
		return nil, false
	}
	if runtime.GOOS != "linux" {
		return nil, true
	}
	mark, err := net.Listen("unix", "@afloat/freeport/"+address)
	return mark, err == nil
}

func free(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	_ = l.Close()
	u, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	return u.Close() == nil
}

// T is the part of a test that Address needs.
type T interface {
	Helper()
	Fatal(args ...any)
}

// Address is one of Addresses, for a test.
func Address(t T) string {
	t.Helper()
	all, err := Addresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// Port is the port of an Address.
func Port(t T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(Address(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}
