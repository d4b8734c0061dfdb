package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"
)

// newOriginals is a passthrough that no listener has.
func newOriginals(t *testing.T, c TransparentConfig) *passthrough {
	t.Helper()
	g := New(Options{})
	p := newPassthrough(g, c)
	t.Cleanup(func() {
		p.expire(time.Now(), true)
		g.serving.Wait()
	})
	return p
}

func destinationOf(n int) netip.AddrPort {
	return netip.MustParseAddrPort(fmt.Sprintf("192.0.2.%d:80", n))
}

func TestOldestUnusedDestinationMakesRoom(t *testing.T) {
	p := newOriginals(t, TransparentConfig{DestinationsMax: 2})
	first, second := p.enter(destinationOf(1)), p.enter(destinationOf(2))
	if r := p.enter(destinationOf(3)); r != nil {
		t.Fatal("a third destination has room while two are in use")
	}
	first.to[0].service.leave()
	second.to[0].service.leave()
	again := p.enter(destinationOf(1))
	if again != first {
		t.Error("a known destination was made anew")
	}
	again.to[0].service.leave()
	third := p.enter(destinationOf(3))
	if third == nil {
		t.Fatal("no unused destination made room")
	}
	third.to[0].service.leave()
	if p.known[destinationOf(2)] != nil || p.known[destinationOf(1)] == nil {
		t.Error("it was not the oldest that made room")
	}
}

func TestUnusedDestinationIsForgotten(t *testing.T) {
	p := newOriginals(t, TransparentConfig{DestinationIdle: time.Minute})
	used, unused := p.enter(destinationOf(1)), p.enter(destinationOf(2))
	unused.to[0].service.leave()
	p.expire(time.Now().Add(30*time.Second), false)
	if len(p.known) != 2 {
		t.Error("forgotten before its time")
	}
	p.expire(time.Now().Add(2*time.Minute), false)
	if len(p.known) != 1 || p.known[destinationOf(1)] == nil {
		t.Errorf("known: %v", p.known)
	}
	used.to[0].service.leave()
}

func TestInboundDestinationIsOnLoopback(t *testing.T) {
	p := newOriginals(t, TransparentConfig{Inbound: true})
	for from, want := range map[string]string{"192.0.2.1:8080": "127.0.0.1:8080", "[2001:db8::1]:8080": "[::1]:8080"} {
		r := p.enter(netip.MustParseAddrPort(from))
		s := r.to[0].service
		if e := (*s.endpoints.Load())[0]; s.name != "inbound" || e.address != want {
			t.Errorf("%s: %s %s", from, s.name, e.address)
		}
		s.leave()
	}
}

func TestOtherPoliciesMakeOtherDestinations(t *testing.T) {
	p := newOriginals(t, TransparentConfig{})
	before := p.enter(destinationOf(1))
	p.set(TransparentConfig{DestinationsMax: 7})
	if r := p.enter(destinationOf(1)); r != before {
		t.Error("policies that stay the same lost what was learned")
	}
	p.set(TransparentConfig{Policies: ServiceConfig{Timeout: time.Minute}})
	after := p.enter(destinationOf(1))
	if after == before || after.to[0].timeout != time.Minute {
		t.Error("new policies are not in force")
	}
	for range 2 {
		before.to[0].service.leave()
	}
	after.to[0].service.leave()
}

// TestCallOfTheListenerItselfIsRefused: it would lead back to the listener.
func TestCallOfTheListenerItselfIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a transparent listener needs root")
	}
	address := origin(t, func(w http.ResponseWriter, _ *http.Request) {})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", Transparent: &TransparentConfig{}}, {Address: "[::1]:0", Transparent: &TransparentConfig{}}}
	g, _ := start(t, c)
	for _, address := range g.Addresses() {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || expired(err) {
			t.Errorf("%s: got %d bytes, %v", address, n, err)
		}
		conn.Close()
	}
	if g.Status().Routes[0].Requests != 0 {
		t.Error("a request was served")
	}
}

func TestTransparentBeginsWithTheListener(t *testing.T) {
	address := origin(t, func(w http.ResponseWriter, _ *http.Request) {})
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	g, _ := start(t, c)
	next := *c
	next.Listeners = []ListenerConfig{{Address: "127.0.0.1:0", Transparent: &TransparentConfig{}}}
	if err := g.Apply(&next); err == nil {
		t.Error("a running listener became transparent")
	}
}
