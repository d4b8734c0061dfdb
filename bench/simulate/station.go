// Package simulate drives the real policies through overloads, storms of
// retries, and outages that outlast what began them, on a virtual clock: each
// simulation runs within a bubble of testing/synctest. Its tests write the
// tables and pictures of docs/overload.md and hold them to what is measured.
package simulate

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// workers serve one call each at a time, which takes serviceMean give or
	// take a third. Both make the capacity, in calls a second.
	workers     = 12
	serviceMean = 30 * time.Millisecond
	capacity    = 400
	// cacheKeys is how many answers a cache holds. What it does not hold takes
	// missCost times as long.
	cacheKeys, missCost = 400, 6
)

// station is a service before whose workers calls queue without bound, in the
// order of arrival. It does not know when a caller has given up: it serves the
// call all the same. That is how most services are.
type station struct {
	mu      sync.Mutex
	rng     *rand.Rand
	workers int
	busy    int
	queue   []chan answer
	slow    float64 // how many times as long calls take
	failing float64 // the share of answers that are errors
	cached  int     // of cacheKeys
	served  int
}

// answer is what a call comes to.
type answer struct{ failed, missed bool }

func newStation(seed uint64) *station {
	return &station{rng: rand.New(rand.NewPCG(seed, 1)), workers: workers, slow: 1, cached: cacheKeys}
}

// serve returns where the answer will be sent.
func (s *station) serve() <-chan answer {
	to := make(chan answer, 1)
	s.change(func() { s.queue = append(s.queue, to) })
	return to
}

// change does something to the station, which goes on accordingly.
func (s *station) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	for s.busy < s.workers && len(s.queue) > 0 {
		to := s.queue[0]
		s.queue = s.queue[1:]
		s.busy++
		s.served++
		a, takes := s.draw()
		time.AfterFunc(takes, func() {
			to <- a
			s.change(func() { s.busy-- })
		})
	}
}

// draw says what becomes of a call and how long it takes.
func (s *station) draw() (answer, time.Duration) {
	a := answer{failed: s.rng.Float64() < s.failing, missed: s.rng.IntN(cacheKeys) >= s.cached}
	takes := s.slow * (2./3 + s.rng.Float64()*2/3) * float64(serviceMean)
	if a.missed {
		takes *= missCost
	}
	return a, time.Duration(takes)
}

// fill puts an answer into the cache. Its caller does that, as with most
// caches, so nothing is filled in for one that has given up.
func (s *station) fill() {
	s.change(func() { s.cached = min(s.cached+1, cacheKeys) })
}

// stop has every call that is left be served at once, so that nothing goes on
// after a simulation.
func (s *station) stop() {
	s.change(func() { s.workers, s.slow = 1_000_000, 0 })
	time.Sleep(time.Minute)
}
