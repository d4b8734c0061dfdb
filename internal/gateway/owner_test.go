package gateway

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
)

func TestOwnerIsTheServiceWithTheEndpoint(t *testing.T) {
	g := New(Options{})
	c := &Config{
		Listeners: []ListenerConfig{{Address: "127.0.0.1:0"}},
		Services: map[string]ServiceConfig{
			"a": {Endpoints: Addresses("192.0.2.1:80", "[2001:db8:0::1]:80")},
			"b": {Endpoints: Addresses("192.0.2.1:81", "b.example:80")},
		},
	}
	table := g.compile(c, g.table.Load(), keysOf{})
	t.Cleanup(func() {
		for _, s := range table.services {
			s.close()
		}
	})
	if table.owner(netip.MustParseAddrPort("192.0.2.1:80")) != nil {
		t.Error("a listener that takes no calls of programs has owners")
	}
	table.owners = newOwners(table.services, g.observer)
	for address, want := range map[string]string{
		"192.0.2.1:80": "a", "[2001:db8::1]:80": "a", "192.0.2.1:81": "b", "192.0.2.1:82": "", "192.0.2.2:80": "",
	} {
		got := ""
		if r := table.owner(netip.MustParseAddrPort(address)); r != nil {
			got = r.to[0].service.name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

func TestReachGoesToAnotherEndpoint(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := dead.Addr().String()
	dead.Close()
	live := origin(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive") })
	late := new(lag)
	s := newService("web", ServiceConfig{Endpoints: Addresses(gone, live)}, nothing{}, late)
	s.setEndpoints(Addresses(gone, live))
	t.Cleanup(s.close)
	for range 10 {
		got := s.reach(t.Context(), 0)
		if got.err != nil {
			t.Fatal(got.err)
		}
		u := got.conn
		if e := got.endpoint; e.address != live || e.inFlight.Load() != 1 {
			t.Errorf("connected to %s with %d in flight", e.address, e.inFlight.Load())
		}
		u.pool.discard(u)
		u.pool.endpoint.inFlight.Add(-1)
	}
	s.setEndpoints(Addresses(gone))
	if got := s.reach(t.Context(), 0); got.err == nil || got.conn != nil {
		t.Error("nobody was reached, and no error")
	}
	for _, e := range *s.endpoints.Load() {
		if n := e.inFlight.Load(); n != 0 {
			t.Errorf("%d are in flight after their end", n)
		}
	}
}
