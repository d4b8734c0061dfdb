package gateway

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// TestAllEjectedAreScouted has every endpoint fail at once, with breakers that
// would stay open for much longer than the test waits.
func TestAllEjectedAreScouted(t *testing.T) {
	var ill atomic.Bool
	var served atomic.Int64
	answer := func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		if ill.Load() {
			w.WriteHeader(500)
		}
	}
	c := ServiceConfig{Endpoints: Addresses(origin(t, answer), origin(t, answer), origin(t, answer))}
	c.Breaker = policy.BreakerConfig{OpenDuration: time.Hour}
	g, url := start(t, oneService(c))
	ejected := func() (n int) {
		for _, e := range c.Endpoints {
			if stateOf(g, "web", e.Address).State == "ejected" {
				n++
			}
		}
		return n
	}

	ill.Store(true)
	eventually(t, "all are ejected", func() bool { get(t, url); return ejected() == 3 })
	before, asked := served.Load(), int64(0)
	eventually(t, "most requests are answered fast, and one scouts", func() bool {
		asked++
		get(t, url)
		reached := served.Load() - before
		return reached > 0 && asked > 4*reached
	})
	if n := ejected(); n != 3 {
		t.Fatalf("%d are ejected after scouts have failed, want 3", n)
	}

	ill.Store(false)
	eventually(t, "all are back", func() bool { get(t, url); return ejected() == 0 })
	if status, _ := get(t, url); status != 200 {
		t.Fatalf("status %d, want 200", status)
	}
}

// TestScoutIsForEjectedEndpointsBesideOneThatIsDown has nobody accept
// connections at one of two.
func TestScoutIsForEjectedEndpointsBesideOneThatIsDown(t *testing.T) {
	var ill atomic.Bool
	ill.Store(true)
	bad := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if ill.Load() {
			w.WriteHeader(500)
		}
	})
	dead := refusing(t)
	c := ServiceConfig{Endpoints: Addresses(bad, dead)}
	c.Breaker = policy.BreakerConfig{OpenDuration: time.Hour}
	g, url := start(t, oneService(c))
	eventually(t, "none is usable", func() bool {
		get(t, url)
		return stateOf(g, "web", bad).State == "ejected" && stateOf(g, "web", dead).State == "down"
	})
	ill.Store(false)
	eventually(t, "it is back", func() bool { status, _ := get(t, url); return status == 200 })
}
