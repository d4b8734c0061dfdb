package simulate

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/internal/chart"
	"github.com/afloat-dev/afloat/policy"
)

// scenario is a load on a station, in which something happens for a while.
type scenario struct {
	usual, during float64 // the load, as a multiple of the capacity
	from, to      time.Duration
	length        time.Duration
	begin, end    func(*station)
	// classes are the shares of the priorities, the highest first; nil where
	// all calls have the same.
	classes []float64
}

func (s *scenario) load(at time.Duration) float64 {
	if at >= s.from && at < s.to {
		return s.during
	}
	return s.usual
}

// binWidth is how much time one figure of a record is for.
const binWidth = 100 * time.Millisecond

// record is what became of a scenario.
type record struct {
	scenario
	mu        sync.Mutex
	good      []int           // calls answered, by when they were
	came      []int           // calls, by when they came
	well      []int           // of them, those answered within patience
	latencies []time.Duration // of those answered during what happened
	offered   [4]int          // during what happened, by class
	answered  [4]int
}

// run plays a scenario with users that come independently of each other and of
// how they are served, behind a guard.
func run(t *testing.T, sc scenario, build func() guard) *record {
	bins := sc.length / binWidth
	r := &record{scenario: sc, good: make([]int, bins), came: make([]int, bins), well: make([]int, bins)}
	synctest.Test(t, func(t *testing.T) {
		g, s := build(), newStation(1)
		rng := rand.New(rand.NewPCG(2, 3))
		began := time.Now()
		for _, event := range []struct {
			at time.Duration
			do func(*station)
		}{{sc.from, sc.begin}, {sc.to, sc.end}} {
			if event.do != nil {
				time.AfterFunc(event.at, func() { s.change(func() { event.do(s) }) })
			}
		}
		var calls sync.WaitGroup
		for {
			time.Sleep(time.Duration(rng.ExpFloat64() / (sc.load(time.Since(began)) * capacity) * float64(time.Second)))
			came := time.Since(began)
			if came >= sc.length {
				break
			}
			class := sc.class(rng)
			calls.Go(func() {
				ctx := policy.WithPriority(t.Context(), policy.Priority(policy.Priority("").Enum()[class]))
				took, err := g.call(ctx, s)
				r.add(class, came, time.Since(began), took, err == nil)
			})
		}
		calls.Wait()
		s.stop()
	})
	return r
}

// class draws a priority.
func (s *scenario) class(rng *rand.Rand) int {
	draw := rng.Float64()
	for i, share := range s.classes {
		if draw -= share; draw < 0 {
			return i
		}
	}
	return 1 // normal
}

func (r *record) add(class int, came, ended, took time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.came[came/binWidth]++
	if ok && ended-came <= patience {
		r.well[came/binWidth]++
	}
	if ok && ended < r.length {
		r.good[ended/binWidth]++
	}
	if came < r.from || came >= r.to {
		return
	}
	r.offered[class]++
	if ok {
		r.answered[class]++
		r.latencies = append(r.latencies, took)
	}
}

// goodput is how many calls were answered in a stretch of time, as a share of
// the capacity.
func (r *record) goodput(from, to time.Duration) float64 {
	return float64(total(r.good, from, to)) / (capacity * (to - from).Seconds())
}

// settled is for how long an overload has to last before its goodput counts: a
// queue without bound hides what it does until it is as long as users wait.
const settled = 2 * time.Second

// held is the goodput of what happened, once it had settled.
func (r *record) held() float64 { return r.goodput(r.from+settled, r.to) }

func total(bins []int, from, to time.Duration) (sum int) {
	for _, n := range bins[from/binWidth : to/binWidth] {
		sum += n
	}
	return sum
}

// quantile of how long the answered tries of calls took that came while it
// happened; 0 if none was answered.
func (r *record) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	slices.Sort(r.latencies)
	return r.latencies[int(q*float64(len(r.latencies)-1))]
}

const (
	// wellFor is the stretch of time in which users are looked at, and
	// wellShare is how many of them must be answered in time.
	wellFor   = time.Second
	wellShare = 0.95
)

// recovery is how long after the end of what happened all was well again: of
// those who came in any second from then on, nearly all were answered in time.
// It is the rest of the scenario if that never came to be.
func (r *record) recovery() (after time.Duration, ok bool) {
	for at := r.length - wellFor - patience; at >= r.to; at -= binWidth {
		if float64(total(r.well, at, at+wellFor)) < wellShare*float64(total(r.came, at, at+wellFor)) {
			return at + binWidth - r.to, ok
		}
		ok = true
	}
	return 0, true
}

// curve is the goodput over time, smoothed over half a second.
func (r *record) curve() (points []chart.Point) {
	const smooth = time.Second / 2
	for at := smooth; at <= r.length; at += 2 * binWidth {
		points = append(points, chart.Point{X: at.Seconds(), Y: r.goodput(at-smooth, at)})
	}
	return points
}
