package capacity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Arrival says how requests are spread over time.
type Arrival int

const (
	// Constant starts requests at even distances.
	Constant Arrival = iota
	// Poisson starts requests independently of each other, as many separate
	// users do; it brings bursts that constant arrivals never show.
	Poisson
)

// String returns the word that [ParseArrival] reads.
func (a Arrival) String() string {
	switch a {
	case Constant:
		return "constant"
	case Poisson:
		return "poisson"
	}
	return fmt.Sprintf("Arrival(%d)", int(a))
}

// ParseArrival reads "constant" or "poisson".
func ParseArrival(s string) (Arrival, error) {
	for _, a := range []Arrival{Constant, Poisson} {
		if s == a.String() {
			return a, nil
		}
	}
	return 0, fmt.Errorf("arrival %q: want constant or poisson", s)
}

// rateMax bounds the rate, in requests a second, so that a mistaken rate
// cannot keep the schedule from ever reaching the present.
const rateMax = 1e6

// A schedule turns a changing rate into start times. It integrates the rate:
// the next request starts when the area under the rate since the last one
// reaches gap, which is 1 for constant arrivals and exponential for Poisson
// (time rescaling of an inhomogeneous Poisson process). A change of rate thus
// counts at once, even in the middle of a long pause.
type schedule struct {
	arrival Arrival
	random  *rand.Rand
	at      time.Duration // everything before is decided
	gap     float64       // area left until the next start
}

func newSchedule(arrival Arrival, seed uint64) *schedule {
	s := &schedule{arrival: arrival, random: rand.New(rand.NewPCG(seed, 0))}
	s.gap = s.draw()
	return s
}

// next returns the next start before until, at a rate that holds from the last
// decided moment to until. Without one it moves on to until and returns false.
func (s *schedule) next(rate float64, until time.Duration) (start time.Duration, ok bool) {
	if !(rate > 0) { // NaN as well
		rate = 0
	}
	rate = min(rate, rateMax)
	area := rate * (until - s.at).Seconds()
	if area < s.gap {
		s.gap -= area
		s.at = max(s.at, until)
		return 0, false
	}
	s.at += time.Duration(math.Round(s.gap / rate * float64(time.Second)))
	s.at = min(s.at, until)
	s.gap = s.draw()
	return s.at, true
}

func (s *schedule) draw() float64 {
	if s.arrival == Poisson {
		return s.random.ExpFloat64()
	}
	return 1
}
