package console

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// guessesMax is how many wrong tokens a client may show at once, and
	// guessEvery after which time it may show one more.
	guessesMax = 10
	guessEvery = 6 * time.Second
	// guessersMax bounds the clients that are known for it.
	guessersMax = 10_000
)

// guesses are the wrong tokens that clients have shown lately. A client that has
// shown too many is not heard with any, so that nobody finds one by trying.
type guesses struct {
	mu    sync.Mutex // guards what follows
	until map[netip.Prefix]time.Time
}

// tooMany reports whether a client has to wait before it shows a token.
func (g *guesses) tooMany(r *http.Request, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.until[clientOf(r)].Sub(now) > (guessesMax-1)*guessEvery
}

// wrong counts a token that is none.
func (g *guesses) wrong(r *http.Request, now time.Time) {
	client := clientOf(r)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.until == nil {
		g.until = map[netip.Prefix]time.Time{}
	}
	until, known := g.until[client]
	if until.Before(now) {
		until = now
	}
	if !known && len(g.until) >= guessersMax {
		g.sweep(now)
	}
	g.until[client] = until.Add(guessEvery)
}

// sweep forgets those who have waited long enough, and, where there is none, the
// one who has waited longest. The caller holds mu.
func (g *guesses) sweep(now time.Time) {
	var first netip.Prefix
	for client, until := range g.until {
		if until.Before(now) {
			delete(g.until, client)
		} else if was, ok := g.until[first]; !ok || until.Before(was) {
			first = client
		}
	}
	if len(g.until) >= guessersMax {
		delete(g.until, first)
	}
}

// clientOf is an address of IPv4, or a network of IPv6 as one subscriber has it.
func clientOf(r *http.Request) netip.Prefix {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 32
	if at.Addr().Unmap().Is6() {
		bits = 64
	}
	client, _ := at.Addr().Unmap().WithZone("").Prefix(bits) // the bits fit
	return client
}

// tellToWait answers one who has shown too many wrong tokens.
func tellToWait(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "60")
	http.Error(w, "too many wrong tokens came from there: wait a minute", http.StatusTooManyRequests)
}
