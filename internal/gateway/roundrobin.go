package gateway

import (
	"sync"
	"sync/atomic"
)

// roundRobin takes endpoints in turn. Where their weights differ the turns of a
// heavy one are spread between those of the others: each pick gives every
// endpoint its weight as a credit, and takes the sum from the richest.
type roundRobin struct {
	endpoints []*endpoint
	even      bool          // they weigh the same
	turn      atomic.Uint64 // of all
	spare     atomic.Uint64 // of those that fit, when the one whose turn it is does not

	mu     sync.Mutex
	credit []float64 // guarded
}

func newRoundRobin(endpoints []*endpoint, even bool) *roundRobin {
	return &roundRobin{endpoints: endpoints, even: even, credit: make([]float64, len(endpoints))}
}

func (b *roundRobin) pick(w wish) *endpoint {
	if all := uint64(len(b.endpoints)); b.even && w.warm && all > 0 {
		if e := b.endpoints[b.turn.Add(1)%all]; w.fits(e) {
			return e
		}
	}
	n, weight := uint64(0), 0.0
	for _, e := range b.endpoints {
		if !w.fits(e) {
			continue
		}
		if n++; n == 1 {
			weight = e.weight(w.now)
		} else if e.weight(w.now) != weight {
			return b.weighted(w)
		}
	}
	if n == 0 {
		return nil
	}
	// The turn is among those that fit: else the one after an endpoint that does
	// not would get the turns of both.
	skip := b.spare.Add(1) % n
	var last *endpoint
	for _, e := range b.endpoints {
		if !w.fits(e) {
			continue
		}
		if last = e; skip == 0 {
			break
		}
		skip--
	}
	return last // or nil: the endpoints have changed between the two looks
}

func (b *roundRobin) weighted(w wish) *endpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	best, total := -1, 0.0
	for i, e := range b.endpoints {
		if !w.fits(e) {
			continue
		}
		weight := e.weight(w.now)
		total += weight
		if b.credit[i] += weight; best < 0 || b.credit[i] > b.credit[best] {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	b.credit[best] -= total
	return b.endpoints[best]
}
