package gateway

import (
	"math/bits"
	"slices"
	"time"
)

// A balancer picks among endpoints that are equally near.
type balancer interface {
	// pick returns an endpoint that fits the wish, or nil where none does.
	pick(w wish) *endpoint
}

// wish is what is asked of a balancer.
type wish struct {
	refused []*endpoint   // which were tried, or did not take the request
	now     time.Duration // of clock
	draw    uint64        // hash of the request's key, or a random number
	panics  bool          // endpoints are taken that are not usable, but may serve
	warm    bool          // no endpoint warms up
	once    bool          // endpoints are left to others where the request would be a probe
}

// dice are random numbers that follow from the wish: tests repeat them, and the
// next choice of the same request gets others.
func (w *wish) dice() dice { return dice(w.draw + 0xd1342543de82ef95*uint64(len(w.refused))) }

// dice is the state of SplitMix64.
type dice uint64

func (d *dice) next() uint64 {
	n := mix(uint64(*d))
	*d += splitMix
	return n
}

// unit is a number from 0 to below 1.
func (d *dice) unit() float64 { return unit(d.next()) }

// below is a number from 0 to below n, by multiplication: the bias is n/2^64.
func (d *dice) below(n int) int {
	high, _ := bits.Mul64(d.next(), uint64(n))
	return int(high)
}

// pair is two different numbers from 0 to below n.
func (d *dice) pair(n int) (i, j int) {
	first, rest := bits.Mul64(d.next(), uint64(n))
	second, _ := bits.Mul64(rest, uint64(n-1))
	if second >= first {
		second++
	}
	return int(first), int(second)
}

// fits reports whether the endpoint may be picked.
func (w *wish) fits(e *endpoint) bool { return w.able(e) && !contains(w.refused, e) }

func (w *wish) able(e *endpoint) bool {
	return e.usable() && !(w.once && e.leaves(w.now)) || w.panics && e.mayServe()
}

func newBalancer(c *ServiceConfig, endpoints []*endpoint) balancer {
	even := !slices.ContainsFunc(endpoints, func(e *endpoint) bool { return e.share() != endpoints[0].share() })
	switch c.Balance {
	case BalanceRoundRobin:
		return newRoundRobin(endpoints, even)
	case BalancePeakEWMA:
		return peakEWMA{endpoints, even}
	case BalanceRandom:
		return random{endpoints}
	case BalanceRingHash:
		return newRing(endpoints, c.Hash.LoadFactor)
	case BalanceMaglev:
		return newMaglev(endpoints, c.Hash.LoadFactor)
	}
	return leastLoaded{endpoints, even}
}

// random takes any endpoint, in proportion to their weights.
type random struct{ endpoints []*endpoint }

func (b random) pick(w wish) *endpoint {
	d := w.dice()
	return b.drawn(&w, &d, nil)
}

// drawn is any endpoint but one.
func (b random) drawn(w *wish, d *dice, but *endpoint) *endpoint {
	var chosen *endpoint
	var total float64
	for _, e := range b.endpoints {
		if e == but || !w.fits(e) {
			continue
		}
		weight := e.weight(w.now)
		if total += weight; d.unit()*total < weight {
			chosen = e
		}
	}
	return chosen
}

// two are endpoints drawn at random in proportion to their weights, the first
// one first; b is nil where only one fits, and a where none does.
func two(endpoints []*endpoint, even bool, w *wish) (a, b *endpoint) {
	d, seen, first := w.dice(), 0, 0.0
	if n := len(endpoints); even && w.warm && n > 1 {
		i, j := d.pair(n)
		if a, b = endpoints[i], endpoints[j]; w.fits(a) && w.fits(b) {
			return a, b // as nearly always; else it must be two of those that do
		}
		a, b = nil, nil
	}
	for _, e := range endpoints { // by reservoir sampling, as if all weighed the same
		if !w.fits(e) {
			continue
		}
		weight := e.weight(w.now)
		switch seen++; {
		case seen == 1:
			a, first = e, weight
		case weight != first:
			a = random{endpoints}.drawn(w, &d, nil)
			return a, random{endpoints}.drawn(w, &d, a)
		case seen == 2:
			b = e
		default:
			switch d.below(seen) {
			case 0:
				a = e
			case 1:
				b = e
			}
		}
	}
	if b != nil && d.next()&1 == 0 {
		a, b = b, a
	}
	return a, b
}

// scanMax is up to how many endpoints all are looked at for each request.
const scanMax = 32

// scan finds the endpoint that costs the least, one of them at random where several
// are. It gives up where their weights differ: the best of all would get all.
func scan(endpoints []*endpoint, w *wish, costOf func(*endpoint, time.Duration) float64) (best *endpoint, even bool) {
	var least, weight float64
	d, ties := w.dice(), 0
	for _, e := range endpoints {
		if !w.fits(e) {
			continue
		}
		own := e.weight(w.now)
		if best != nil && own != weight {
			return nil, false
		}
		cost := costOf(e, w.now)
		switch {
		case best == nil || cost < least:
			best, least, weight, ties = e, cost, own, 1
		case cost == least:
			if ties++; d.below(ties) == 0 {
				best = e
			}
		}
	}
	return best, true
}

// leastLoaded takes the endpoint with the fewest requests under way. Among few
// endpoints it looks at all, and among many or with weights at two of them.
type leastLoaded struct {
	endpoints []*endpoint
	even      bool // they weigh the same
}

func (b leastLoaded) pick(w wish) *endpoint {
	if n := len(b.endpoints); n > 2 && n <= scanMax {
		if e, even := scan(b.endpoints, &w, (*endpoint).load); even {
			return e
		}
	}
	first, second := two(b.endpoints, b.even, &w)
	switch {
	case second == nil:
		return first
	case b.even && w.warm && first.inFlight.Load() <= second.inFlight.Load():
		return first
	case b.even && w.warm || second.load(w.now) < first.load(w.now):
		return second
	}
	return first
}

// load is how many requests are under way for the endpoint's weight.
func (e *endpoint) load(now time.Duration) float64 {
	return float64(e.inFlight.Load()) / e.weight(now)
}
