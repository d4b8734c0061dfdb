package gateway

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// world is a service with simulated endpoints, on a clock that waits for nobody.
type world struct {
	service    *service
	latency    func(e *endpoint) time.Duration
	try, total time.Duration // timeouts; no try: none
	ok, failed atomic.Int64
	slow       atomic.Int64 // requests that the slow endpoint got

	mu     sync.Mutex
	random *rand.Rand      // seeded; guarded
	keep   func() bool     // whether how long a request takes is kept; nil: no
	kept   []time.Duration // guarded
}

func (w *world) draw() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.Uint64()
}

// exponential is a number of mean 1.
func (w *world) exponential() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.ExpFloat64()
}

// request sends one, and repeats it once on another endpoint where a try may
// time out before the request does.
func (w *world) request() {
	begin, keep := time.Now(), w.keep != nil && w.keep()
	var tried []*endpoint
	for range 2 {
		left := w.total - time.Since(begin)
		if w.try > 0 {
			left = min(left, w.try)
		}
		c, reason, _ := w.service.choose(demand{tried: tried, draw: w.draw(), at: time.Now()})
		if reason != "" {
			break
		}
		e := c.endpoint
		e.await()
		took := w.latency(e)
		class := policy.Success
		if took > left {
			took, class = left, policy.Failure
		}
		time.Sleep(took)
		e.waiting.Add(-1)
		e.tried(class, time.Now(), took, 0, nil)
		c.permit.Done(class)
		e.inFlight.Add(-1)
		if class == policy.Success {
			w.ok.Add(1)
			if keep {
				w.mu.Lock()
				w.kept = append(w.kept, time.Since(begin))
				w.mu.Unlock()
			}
			return
		}
		if w.try == 0 {
			break
		}
		tried = append(tried, e)
	}
	w.failed.Add(1)
}

// run sends so many requests a second for a time, at random moments.
func (w *world) run(rate float64, span time.Duration) {
	var all sync.WaitGroup
	for end := time.Now().Add(span); time.Now().Before(end); {
		time.Sleep(time.Duration(w.exponential() / rate * float64(time.Second)))
		all.Go(w.request)
	}
	all.Wait()
}

func (w *world) success() float64 {
	return float64(w.ok.Load()) / float64(w.ok.Load()+w.failed.Load())
}

// unlucky is a world of 11 endpoints, 1000 requests a second and a second for
// each, in which one endpoint takes so long from 15 s to 45 s of a minute.
// Nobody is ejected. It returns the world and the 99th percentile of those
// requests that came meanwhile and were answered.
func unlucky(t *testing.T, balance Balance, try, slow time.Duration) (w *world, p99 time.Duration) {
	sc := ServiceConfig{Balance: balance, Endpoints: many(11), Outlier: OutlierConfig{Disabled: true}}
	sc.Breaker = policy.BreakerConfig{ConsecutiveFailures: -1, FailureRate: -1}
	s := newService("web", sc, nothing{}, new(lag))
	s.setEndpoints(sc.Endpoints)
	began := time.Now()
	w = &world{service: s, total: time.Second, try: try, random: seeded()}
	bad := func() bool { return time.Since(began) > 15*time.Second && time.Since(began) < 45*time.Second }
	w.latency = func(e *endpoint) time.Duration {
		if e.address == "10.0.0.5:80" && bad() {
			w.slow.Add(1)
			return slow
		}
		return time.Duration((5 + 5*w.exponential()) * float64(ms))
	}
	w.keep = bad
	w.run(1000, time.Minute)
	s.close()
	slices.Sort(w.kept)
	return w, w.kept[len(w.kept)*99/100]
}

// Linkerd's published test: 11 endpoints, 1000 requests a second, one endpoint
// takes 2 s for half of a minute, and a request may take 1 s. There round robin
// succeeds for 95%, least loaded for 99% and peak EWMA for 99.9%. See
// linkerd.io/2016/03/16/beyond-round-robin-load-balancing-for-latency.
func TestSlowEndpointAmongEleven(t *testing.T) {
	for _, c := range []struct {
		balance     Balance
		try         time.Duration
		least, most float64
	}{
		{BalanceRoundRobin, 0, 0.95, 0.96},
		{BalanceRandom, 0, 0.95, 0.96},
		{BalanceRingHash, 0, 0.99, 0.999}, // its keys go elsewhere while it is full
		{BalanceMaglev, 0, 0.99, 0.999},
		{BalanceLeastLoaded, 0, 0.985, 0.9995},
		{BalanceLeastLoaded, 250 * ms, 0.9999, 1},
		{BalancePeakEWMA, 0, 0.999, 1},
		{BalancePeakEWMA, 250 * ms, 0.9999, 1},
	} {
		t.Run(fmt.Sprint(c.balance, c.try), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w, p99 := unlucky(t, c.balance, c.try, 2*time.Second)
				t.Logf("%.2f%% succeeded, %d requests went to the slow endpoint, 99th percentile %v", 100*w.success(), w.slow.Load(), p99.Round(ms))
				if got := w.success(); got < c.least || got > c.most {
					t.Errorf("%.4f succeeded, want %v to %v", got, c.least, c.most)
				}
			})
		})
	}
}

// TestEndpointTenTimesSlowerAmongEleven has requests of which all succeed.
func TestEndpointTenTimesSlowerAmongEleven(t *testing.T) {
	most := map[Balance]float64{BalanceRoundRobin: 0.092, BalanceRandom: 0.092, BalanceRingHash: 0.08, BalanceMaglev: 0.08, BalanceLeastLoaded: 0.03, BalancePeakEWMA: 0.002}
	for balance, most := range most {
		t.Run(string(balance), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w, p99 := unlucky(t, balance, 0, 100*ms)
				got := float64(w.slow.Load()) / float64(len(w.kept))
				t.Logf("the slow endpoint got %.2f%%, 99th percentile %v", 100*got, p99.Round(ms))
				if w.failed.Load() > 0 || got > most {
					t.Errorf("%d failed, %.3f went to the slow endpoint", w.failed.Load(), got)
				}
			})
		})
	}
}

func TestSlowEndpointGetsItsShareBackWhenItIsFast(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		sc := ServiceConfig{Balance: BalancePeakEWMA, Endpoints: many(5), Outlier: OutlierConfig{Disabled: true}}
		s := newService("web", sc, nothing{}, new(lag))
		s.setEndpoints(sc.Endpoints)
		slow := (*s.endpoints.Load())[0]
		began := time.Now()
		w := &world{service: s, total: time.Second, random: seeded()}
		w.latency = func(e *endpoint) time.Duration {
			if e == slow {
				w.slow.Add(1)
				if time.Since(began) < 5*time.Second {
					return 500 * ms
				}
			}
			return 10 * ms
		}
		w.run(500, 5*time.Second)
		while := w.slow.Swap(0)
		w.run(500, 50*time.Second)
		w.slow.Store(0)
		w.run(500, 10*time.Second)
		s.close()
		if after := w.slow.Load(); while > 100 || after < 500 {
			t.Errorf("%d of 2500 requests while it was slow, and %d of 5000 after", while, after)
		}
	})
}

// TestFewRequestsAmongEleven has seldom more than one at once, where load says
// nothing and latency says a lot.
func TestFewRequestsAmongEleven(t *testing.T) {
	for balance, most := range map[Balance]float64{BalanceRoundRobin: 0.092, BalanceLeastLoaded: 0.15, BalancePeakEWMA: 0.15} {
		t.Run(string(balance), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				sc := ServiceConfig{Balance: balance, Endpoints: many(11)}
				s := newService("web", sc, nothing{}, new(lag))
				s.setEndpoints(sc.Endpoints)
				got := map[*endpoint]int{}
				w := &world{service: s, total: time.Second, random: seeded()}
				w.latency = func(e *endpoint) time.Duration {
					took := time.Duration((5 + 5*w.exponential()) * float64(ms))
					w.mu.Lock()
					got[e]++
					w.mu.Unlock()
					return took
				}
				w.run(10, 5*time.Minute)
				s.close()
				busiest, all := 0, 0
				for _, n := range got {
					busiest, all = max(busiest, n), all+n
				}
				share := float64(busiest) / float64(all)
				t.Logf("the busiest of 11 endpoints got %.1f%%", 100*share)
				if share > most || len(got) != 11 || w.failed.Load() > 0 {
					t.Errorf("%d endpoints got requests, the busiest %.3f of them; %d failed", len(got), share, w.failed.Load())
				}
			})
		})
	}
}
