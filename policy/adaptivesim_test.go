package policy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// station is a service with a number of workers before which calls queue
// without bound, in order, and are served even when nobody waits any more.
type station struct {
	mu      sync.Mutex
	workers int
	busy    int
	queue   []chan struct{}
	service func() time.Duration
}

// serve returns a channel that is closed when the call has been served.
func (s *station) serve() <-chan struct{} {
	done := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, done)
	s.dispatch()
	return done
}

// dispatch gives calls to idle workers. The caller holds mu.
func (s *station) dispatch() {
	for s.busy < s.workers && len(s.queue) > 0 {
		done := s.queue[0]
		s.queue = s.queue[1:]
		s.busy++
		time.AfterFunc(s.service(), func() {
			close(done)
			s.mu.Lock()
			s.busy--
			s.dispatch()
			s.mu.Unlock()
		})
	}
}

func (s *station) change(workers int, service func() time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers, s.service = workers, service
	s.dispatch()
}

// simPhase is a stretch of a simulation under one load and one service.
type simPhase struct {
	name    string
	load    float64 // as a multiple of the capacity
	workers int
	hung    bool // the workers do nothing
	service func(*rand.Rand) time.Duration
	mean    time.Duration // of service
	length  time.Duration
}

// capacity is how many calls a second the station can serve.
func (p simPhase) capacity() float64 { return float64(p.workers) / p.mean.Seconds() }

const (
	simTimeout = time.Second // of each call
	simStep    = 100 * time.Millisecond
)

// simResult is what a phase came to.
type simResult struct {
	simPhase
	mu                        sync.Mutex
	offered, good, shed, late int
	latencies                 []time.Duration // of the good
	goods                     []int           // in each step
	limitLeast, limitMost     int
}

func newSimResult(p simPhase) *simResult {
	return &simResult{simPhase: p, goods: make([]int, p.length/simStep+1), limitLeast: placesMax}
}

func (r *simResult) add(class Class, took, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch class {
	case Success:
		r.good++
		r.goods[min(int(at/simStep), len(r.goods)-1)]++
		r.latencies = append(r.latencies, took)
	case Shed:
		r.shed++
	default:
		r.late++
	}
}

// share is the goodput as a share of what could have been served.
func (r *simResult) share() float64 {
	return float64(r.good) / min(float64(r.offered), r.capacity()*r.length.Seconds())
}

func (r *simResult) shedShare() float64 { return float64(r.shed) / float64(max(r.offered, 1)) }

func (r *simResult) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	slices.Sort(r.latencies)
	return r.latencies[int(q*float64(len(r.latencies)-1))]
}

// recovery is how long it took until the goodput of a second was four fifths
// of what is possible.
func (r *simResult) recovery() time.Duration {
	const second = int(time.Second / simStep)
	for i := range len(r.goods) - second {
		sum := 0
		for _, n := range r.goods[i : i+second] {
			sum += n
		}
		if float64(sum) >= 0.8*min(r.load, 1)*r.capacity() {
			return time.Duration(i) * simStep
		}
	}
	return r.length
}

// simulate drives an open-loop Poisson load through the limit at a station,
// one phase after another, on a virtual clock.
func simulate(t *testing.T, c AdaptiveConfig, phases ...simPhase) (results []*simResult) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, c)
		s := new(station)
		arrivals, services := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
		var calls sync.WaitGroup
		for _, p := range phases {
			r := newSimResult(p)
			results = append(results, r)
			workers := p.workers
			if p.hung {
				workers = 0
			}
			s.change(workers, func() time.Duration { return p.service(services) })
			for began := time.Now(); time.Since(began) < p.length; {
				time.Sleep(time.Duration(arrivals.ExpFloat64() / (p.load * p.capacity()) * float64(time.Second)))
				limit := int(a.gate.limit.Load())
				r.limitLeast, r.limitMost = min(r.limitLeast, limit), max(r.limitMost, limit)
				r.offered++
				calls.Go(func() {
					class, took := simCall(t.Context(), a, s)
					r.add(class, took, time.Since(began))
				})
			}
		}
		calls.Wait()
		if s := a.Status(); s.InFlight != 0 || s.Queued != 0 {
			t.Errorf("leaked: %d in flight and %d queued", s.InFlight, s.Queued)
		}
		s.change(1000, func() time.Duration { return time.Millisecond })
		time.Sleep(time.Hour) // the station works off what was abandoned
	})
	t.Log(simTable(results))
	return results
}

// simCall makes one call. The station goes on with a call that has timed out.
func simCall(ctx context.Context, a *Adaptive, s *station) (Class, time.Duration) {
	began := time.Now()
	p, err := a.AcquireWithin(ctx, simTimeout)
	if err != nil {
		return Shed, 0
	}
	timeout := time.NewTimer(simTimeout - time.Since(began))
	defer timeout.Stop()
	class := Success
	select {
	case <-s.serve():
	case <-timeout.C:
		class = Failure
	}
	p.Done(class)
	return class, time.Since(began)
}

func simTable(results []*simResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-22s %6s %8s %8s %7s %6s %6s %6s %9s %9s",
		"phase", "load", "offered", "goodput", "shed", "late", "p50", "p99", "limit", "recovery")
	for _, r := range results {
		fmt.Fprintf(&b, "\n%-22s %5.1fx %8d %7.1f%% %6.1f%% %6d %6v %6v %9s %9v",
			r.name, r.load, r.offered, 100*r.share(), 100*r.shedShare(), r.late,
			r.quantile(.5).Round(time.Millisecond), r.quantile(.99).Round(time.Millisecond),
			fmt.Sprintf("%d..%d", r.limitLeast, r.limitMost), r.recovery())
	}
	return b.String()
}

func uniform(least, most time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return least + time.Duration(r.Int64N(int64(most-least))) }
}

func exponential(mean time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
}

func bimodal(usual, rare time.Duration, share float64) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration {
		if r.Float64() < share {
			return rare
		}
		return usual
	}
}
