package policy

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// limiters are Configs of every algorithm, defaults applied.
func limiters() []RateLimitConfig {
	configs := []RateLimitConfig{
		{Algorithm: TokenBucket, Requests: 7},
		{Algorithm: TokenBucket, Requests: 100, Burst: 3},
		{Algorithm: LeakyBucket, Requests: 9},
		{Algorithm: SlidingWindow, Requests: 7},
		{Algorithm: SlidingWindowCounter, Requests: 7},
		{Algorithm: SlidingWindowCounter, Requests: 100, Per: 3 * time.Second},
		{Algorithm: FixedWindow, Requests: 7},
	}
	for i, c := range configs {
		configs[i] = c.WithDefaults()
	}
	return configs
}

// begun is calls that a limiter let begin at a time.
type begun struct {
	at time.Duration
	n  int
}

// wantLaw fails unless what began is within the algorithm's law in every
// stretch of time.
func wantLaw(t *testing.T, c RateLimitConfig, all []begun) {
	t.Helper()
	slices.SortFunc(all, func(a, b begun) int { return int(a.at - b.at) })
	for i := range all {
		total := 0
		for _, b := range all[i:] {
			total += b.n
			if most := lawful(c, all[i].at, b.at); total > most {
				t.Errorf("%s %v in %v: %d calls began within %v, want at most %d",
					c.Algorithm, c.Requests, c.Per, total, b.at-all[i].at, most)
				return
			}
		}
	}
}

// lawful is how many calls may begin from one time up to another, both
// included.
func lawful(c RateLimitConfig, from, to time.Duration) int {
	const many = 1 << 30
	passed := to - from
	switch c.Algorithm {
	case SlidingWindow:
		if passed >= c.Per {
			return many
		}
		return int(c.Requests)
	case FixedWindow:
		w := newWindowCounter(&c)
		windows := (int64(to)+w.offset)/w.width - (int64(from)+w.offset)/w.width
		return int(windows+1) * int(c.Requests)
	}
	interval := time.Duration(float64(c.Per) / c.Requests)
	return c.burst() + int(passed/interval)
}

// schedule makes calls at random times, whose readings of the clock come late,
// books some ahead, and gives some back.
type schedule struct {
	limiter limiter
	burst   int
	random  *rand.Rand
	clock   *atomic.Int64
	begun   []begun
	held    []slot
}

func (s *schedule) step(pause time.Duration) {
	t := time.Duration(s.clock.Add(s.random.Int64N(int64(2*pause) + 1)))
	if s.random.IntN(3) == 0 {
		t -= time.Duration(s.random.Int64N(int64(300 * time.Millisecond)))
	}
	var ahead time.Duration
	if s.random.IntN(3) == 0 {
		ahead = time.Duration(s.random.Int64N(int64(3 * time.Second)))
	}
	taken, wait := s.limiter.take(t, 1+s.random.IntN(min(3, s.burst)), ahead)
	if wait == 0 {
		s.held = append(s.held, taken)
	}
	if n := len(s.held); n > 0 && s.random.IntN(4) == 0 {
		i := n - 1
		if s.random.IntN(2) == 0 {
			i = s.random.IntN(n)
		}
		s.limiter.release(s.now, s.held[i])
		s.held = slices.Delete(s.held, i, i+1)
	}
	if len(s.held) > 8 {
		s.begin(s.held[0])
		s.held = s.held[1:]
	}
}

func (s *schedule) now() time.Duration { return time.Duration(s.clock.Load()) }
func (s *schedule) begin(b slot)       { s.begun = append(s.begun, begun{b.at, b.n}) }

func (s *schedule) end() []begun {
	for _, b := range s.held {
		s.begin(b)
	}
	return s.begun
}

func TestLimiterNeverExceedsItsLaw(t *testing.T) {
	for _, c := range limiters() {
		for seed := range uint64(40) {
			var clock atomic.Int64
			clock.Store(int64(50*time.Hour) + int64(seed)*int64(77*time.Millisecond))
			s := schedule{limiter: newLimiter(&c), burst: c.burst(), random: rand.New(rand.NewPCG(seed, 0)), clock: &clock}
			pause := []time.Duration{0, time.Microsecond, 5 * time.Millisecond, 100 * time.Millisecond, time.Second}[seed%5]
			for range 600 {
				s.step(pause)
			}
			wantLaw(t, c, s.end())
			if pause == 100*time.Millisecond && len(s.begun) < 100 {
				t.Errorf("%s: only %d of 600 were admitted", c.Algorithm, len(s.begun))
			}
		}
	}
}

func TestLimiterNeverExceedsItsLawAmongManyGoroutines(t *testing.T) {
	for _, c := range limiters() {
		var clock atomic.Int64
		clock.Store(int64(50 * time.Hour))
		lim := newLimiter(&c)
		var mu sync.Mutex
		var all []begun
		var callers sync.WaitGroup
		for i := range uint64(16) {
			callers.Go(func() {
				s := schedule{limiter: lim, burst: c.burst(), random: rand.New(rand.NewPCG(i, 1)), clock: &clock}
				for range 300 {
					s.step(2 * time.Millisecond)
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, s.end()...)
			})
		}
		callers.Wait()
		wantLaw(t, c, all)
	}
}

// TestLimiterHoldsWhenTheClockIsFarInTheFuture has one reading jump ahead of
// all others, to where sums of times would overflow.
func TestLimiterHoldsWhenTheClockIsFarInTheFuture(t *testing.T) {
	for _, c := range limiters() {
		for _, far := range []time.Duration{100 * 365 * 24 * time.Hour, clockMax, never} {
			lim := newLimiter(&c)
			total := 0
			for i := range 100 {
				for _, reading := range []time.Duration{far, time.Hour + time.Duration(i)} {
					if s, wait := lim.take(reading, 1, 0); wait == 0 {
						total++
						if s.at < time.Hour || s.at > far {
							t.Errorf("%s: a call at %v may begin at %v", c.Algorithm, reading, s.at)
						}
					}
				}
			}
			if most := c.burst(); total < 1 || total > 2*most {
				t.Errorf("%s: %d calls were admitted at two times, want at most %d at each", c.Algorithm, total, most)
			}
			if left, _ := lim.left(far); left < 0 || left > float64(c.burst()) {
				t.Errorf("%s: %v calls are left", c.Algorithm, left)
			}
		}
	}
}

func TestLimiterAdmitsWhenItSaid(t *testing.T) {
	for _, c := range limiters() {
		for seed := range uint64(20) {
			random := rand.New(rand.NewPCG(seed, 2))
			lim := newLimiter(&c)
			at := 50 * time.Hour
			for range 300 {
				at += time.Duration(random.Int64N(int64(time.Second)))
				n := 1 + random.IntN(min(3, c.burst()))
				said := lim.wait(at, n)
				_, wait := lim.take(at, n, 0)
				if wait != said {
					t.Fatalf("%s: the wait for %d was %v, and before the call %v", c.Algorithm, n, wait, said)
				}
				if wait == 0 {
					continue
				}
				if _, early := lim.take(at+wait-1, n, 0); early == 0 {
					t.Fatalf("%s: %d calls were to wait %v and were admitted before", c.Algorithm, n, wait)
				}
				at += wait
				if _, late := lim.take(at, n, 0); late != 0 {
					t.Fatalf("%s: after %v, %d calls were to wait %v more", c.Algorithm, wait, n, late)
				}
			}
		}
	}
}

func TestReleasedSlotIsFreeAgain(t *testing.T) {
	for _, c := range limiters() {
		lim := newLimiter(&c)
		at := time.Hour
		clock := func() time.Duration { return at }
		before, _ := lim.left(at)
		first, wait := lim.take(at, 1, 0)
		if wait != 0 {
			t.Fatalf("%s: got %v", c.Algorithm, wait)
		}
		var line []slot
		for range 2 * c.burst() {
			s, wait := lim.take(at, 1, 10*time.Second)
			if wait != 0 {
				t.Fatalf("%s: got %v", c.Algorithm, wait)
			}
			line = append(line, s)
		}
		for _, s := range slices.Backward(line) {
			lim.release(clock, s)
		}
		lim.release(clock, first)
		if left, reset := lim.left(at); left != before || reset != 0 {
			t.Errorf("%s: %v calls are left and the rest in %v, want %v at once", c.Algorithm, left, reset, before)
		}
	}
}

// TestReleasedSlotInTheMiddleKeepsTheOrder is about the time of those who come
// after a slot that is given back: it is theirs, and nobody gets it twice.
func TestReleasedSlotInTheMiddleKeepsTheOrder(t *testing.T) {
	c := RateLimitConfig{Requests: 1, Per: time.Second, Burst: 1}.WithDefaults()
	lim := newLimiter(&c)
	var line []slot
	for range 3 {
		s, _ := lim.take(time.Hour, 1, time.Minute)
		line = append(line, s)
	}
	lim.release(func() time.Duration { return time.Hour }, line[1])
	next, _ := lim.take(time.Hour, 1, time.Minute)
	if next.at <= line[2].at {
		t.Errorf("two calls may begin within %v", line[2].at-next.at)
	}
}

func TestReleaseGivesNothingThatTimeHasRefilled(t *testing.T) {
	c := RateLimitConfig{Requests: 10, Burst: 10}.WithDefaults()
	lim := newLimiter(&c)
	at := time.Hour
	s, _ := lim.take(at, 10, 0)
	at += time.Second // all is refilled
	if _, wait := lim.take(at, 10, 0); wait != 0 {
		t.Fatalf("got %v", wait)
	}
	lim.release(func() time.Duration { return at }, s)
	if left, _ := lim.left(at); left != 0 {
		t.Errorf("%v more calls after a burst", left)
	}
}

func TestWindowCounterForgetsAfterACalmOfAnyLength(t *testing.T) {
	c := RateLimitConfig{Requests: 5, Per: time.Millisecond, Algorithm: SlidingWindowCounter}.WithDefaults()
	for _, calm := range []int64{2, 3, 1000, windowMask / 2, windowMask - 1, windowMask + 3, 3 * windowMask / 2} {
		lim := newLimiter(&c)
		at := time.Hour
		for range 5 {
			if _, wait := lim.take(at, 1, 0); wait != 0 {
				t.Fatal(wait)
			}
		}
		at += time.Duration(calm) * c.Per
		if _, wait := lim.take(at, 5, 0); wait != 0 {
			t.Errorf("after %d windows: 5 calls are to wait %v", calm, wait)
		}
	}
}

// TestWindowCounterDecidesByItsFormula compares it with the exact fractions,
// where a nanosecond is a good part of the window.
func TestWindowCounterDecidesByItsFormula(t *testing.T) {
	const width = 10
	for limit := int64(1); limit <= 7; limit++ {
		for before := range limit + 1 {
			for elapsed := range int64(width) {
				for booked := range limit + 1 {
					for n := int64(1); n <= limit; n++ {
						w := &windowCounter{width: width, limit: limit, smooth: true}
						w.latest.Store(1000)
						w.word.Store(windowTally{window: 1000, before: before, booked: booked}.pack())
						_, wait := w.take(time.Duration(1000*width+elapsed), int(n), 0)
						if fits := before*(width-elapsed)+(booked+n)*width <= limit*width; fits != (wait == 0) {
							t.Fatalf("limit %d, %d before, %d now, %d/10 passed: %d more wait %d ns", limit, before, booked, elapsed, n, wait)
						}
					}
				}
			}
		}
	}
}

func TestFixedWindowBeginsWithTheFullMinute(t *testing.T) {
	c := RateLimitConfig{Requests: 5, Per: time.Minute, Algorithm: FixedWindow}.WithDefaults()
	lim := newLimiter(&c)
	_, _ = lim.take(now(), 5, 0)
	_, wait := lim.take(now(), 1, 0)
	if at := time.Now().Add(wait).Add(time.Second / 2); at.Sub(at.Truncate(time.Minute)) > time.Second {
		t.Errorf("the window ends at %v", at)
	}
}
