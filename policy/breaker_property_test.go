package policy

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// probePermit is a permit that a breaker gave, and what the test knows of it.
type probePermit struct {
	permit  BreakerPermit
	period  int           // which half-open period it is a probe of; 0: none
	expires time.Duration // when its lease does
	over    bool          // its lease was, before it ended
}

// breakerUser does one thing after another with a breaker.
type breakerUser struct {
	breaker *Breaker
	config  BreakerConfig
	random  *rand.Rand

	period   int // how often it has become half-open
	places   int // for probes in that period
	finished int // probes of that period that count
	held     []probePermit
	forced   string // what an operator holds it in; "" for nothing
}

// TestBreakerKeepsToItsProbesWhateverItsUsersDo mixes calls that end, are late,
// or hang, with settings and an operator. A half-open period has as many
// probes under way, and over, as it has places, and no more; nothing passes a breaker that
// is open; and in the end it heals.
func TestBreakerKeepsToItsProbesWhateverItsUsersDo(t *testing.T) {
	property(t, 500, func(t *testing.T, random *rand.Rand) {
		u := &breakerUser{random: random, config: anyBreaker(random)}
		u.config.Observer = func(e Event) {
			if e.To == BreakerHalfOpen.String() {
				u.period++
				u.places, u.finished = u.config.Probes, 0
			}
		}
		u.breaker = mustBreaker(t, u.config)
		for range 400 {
			u.step(t)
		}
		u.breaker.Auto()
		for _, h := range u.held {
			h.permit.Done(Failure)
		}
		for range 100 {
			time.Sleep(time.Minute)
			if p, err := u.breaker.Allow(); err == nil {
				p.Done(Success)
			}
		}
		wantState(t, u.breaker, BreakerClosed)
	})
}

func anyBreaker(random *rand.Rand) BreakerConfig {
	return BreakerConfig{
		ConsecutiveFailures: 1 + random.IntN(4),
		FailureRate:         someOf[Ratio](random, -1, 0.3, 1),
		OpenDuration:        time.Second,
		Probes:              1 + random.IntN(5),
		ProbeTimeout:        time.Second + time.Duration(random.Int64N(int64(5*time.Second))),
		RampUp:              someOf(random, 0, 3*time.Second),
		SlowCallDuration:    someOf(random, 0, 2*time.Second),
	}
}

func (u *breakerUser) step(t *testing.T) {
	switch u.random.IntN(40) {
	case 0, 1:
		time.Sleep(time.Duration(u.random.Int64N(int64(2 * u.config.ProbeTimeout))))
	case 2, 3, 4, 5:
		time.Sleep(time.Duration(u.random.Int64N(int64(time.Second))))
	case 6:
		observer := u.config.Observer
		u.config = anyBreaker(u.random)
		u.config.Observer = observer
		if err := u.breaker.Set(u.config); err != nil {
			t.Error(err)
		}
	case 7:
		u.operate()
	case 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19:
		u.finish()
	default:
		u.ask(t)
	}
}

// operate is what an operator does, more often than not giving it back.
func (u *breakerUser) operate() {
	switch u.random.IntN(8) {
	case 0:
		u.breaker.Force(true, "test")
		u.forced = "open"
	case 1:
		u.breaker.Isolate("test")
		u.forced = "open"
	case 2:
		u.breaker.Force(false, "test")
		u.forced = "closed"
	case 3:
		u.breaker.Trip("test")
	default:
		u.breaker.Auto()
		u.forced = ""
	}
}

// ask asks for a permit and checks what it gets.
func (u *breakerUser) ask(t *testing.T) {
	p, err := u.breaker.Allow()
	state := u.breaker.Status().State
	switch {
	case err == nil && (state == BreakerOpen || u.forced == "open"):
		t.Fatalf("a call passes a breaker that is %v", state)
	case err != nil && (state == BreakerClosed || u.forced == "closed"):
		t.Fatalf("a breaker that is %v refuses: %v", state, err)
	}
	running := u.running()
	taken := running + u.finished
	if state == BreakerHalfOpen && (err == nil) != (taken < u.places) {
		t.Fatalf("with %d probes under way and %d over of %d places a call got: %v", running, u.finished, u.places, err)
	}
	if err == nil {
		h := probePermit{permit: p}
		if state == BreakerHalfOpen {
			h.period, h.expires = u.period, now()+u.config.ProbeTimeout
		}
		u.held = append(u.held, h)
	}
}

// running is how many probes of this period have a lease. Those whose lease is
// over count as finished, now that the breaker has been asked.
func (u *breakerUser) running() (n int) {
	for i := range u.held {
		switch h := &u.held[i]; {
		case h.period != u.period || h.period == 0 || h.over:
		case now() < h.expires:
			n++
		default:
			h.over = true
			u.finished++
		}
	}
	return n
}

// finish ends one of the calls, twice.
func (u *breakerUser) finish() {
	if len(u.held) == 0 {
		return
	}
	i := u.random.IntN(len(u.held))
	h := u.held[i]
	u.held = slices.Delete(u.held, i, i+1)
	class := someOf(u.random, Success, Success, Failure, Failure, Ignored, Shed)
	if h.period == u.period && h.period > 0 && !h.over && class < Ignored {
		u.finished++
	}
	again := h.permit
	h.permit.Done(class)
	again.Done(Failure)
}

// TestProbesAreJudgedByTheirRatio tries all results of up to six probes: those
// that fail open the breaker if they are as large a share as the failure rate,
// and none that is still to come can change what is decided.
func TestProbesAreJudgedByTheirRatio(t *testing.T) {
	for _, rate := range []Ratio{0.01, 0.3, 0.5, 0.75, 1} {
		for probes := 1; probes <= 6; probes++ {
			for results := range 1 << probes {
				synctest.Test(t, func(t *testing.T) {
					b := mustBreaker(t, BreakerConfig{FailureRate: rate, Probes: probes})
					trip(t, b)
					waitOpen(b)
					for i := range probes {
						p, err := b.Allow()
						if err != nil || b.Status().State != BreakerHalfOpen {
							break
						}
						p.Done([]Class{Success, Failure}[results>>i&1])
					}
					want, failed := BreakerClosed, bits.OnesCount(uint(results))
					if failed > 0 && float64(failed) >= float64(rate)*float64(probes) {
						want = BreakerOpen
					}
					if got := b.Status().State; got != want {
						t.Errorf("%d of %d probes failed at a rate of %v: it is %v, want %v", failed, probes, rate, got, want)
					}
				})
			}
		}
	}
}

// TestBreakerHasNoMoreProbesAtOnceThanItsPlaces has many callers at the same
// moments. The callee is down for good, so all that passes is a probe; and it
// stays open for longer than a probe may take, so none is of a period before.
func TestBreakerHasNoMoreProbesAtOnceThanItsPlaces(t *testing.T) {
	property(t, 150, func(t *testing.T, random *rand.Rand) {
		most := 1 + random.IntN(4)
		c := BreakerConfig{ConsecutiveFailures: 1, OpenDuration: 2 * time.Second, OpenDurationMax: 4 * time.Second,
			Probes: most, ProbeTimeout: time.Second}
		b := mustBreaker(t, c)
		trip(t, b)
		var running, probes atomic.Int64
		call := func(random *rand.Rand) {
			defer func() { _ = recover() }()
			_, _ = Do(t.Context(), b, func(context.Context) (any, error) {
				probes.Add(1)
				if n := running.Add(1); n > int64(most) {
					t.Errorf("%d probes at once, want at most %d", n, most)
				}
				takes := time.Duration(random.IntN(20)) * 100 * time.Millisecond
				lease := min(takes, c.ProbeTimeout-1) // a moment before its place may go to another
				time.Sleep(lease)
				running.Add(-1)
				time.Sleep(takes - lease)
				if random.IntN(3) == 0 {
					panic("the probe")
				}
				return nil, someOf(random, errBoom, error(&Rejected{Policy: "test", Reason: ErrFull}))
			})
		}
		var callers sync.WaitGroup
		for range 30 {
			random := fork(random)
			callers.Go(func() {
				for range 100 {
					time.Sleep(time.Duration(random.IntN(10)) * 100 * time.Millisecond)
					if c := c; random.IntN(20) == 0 {
						c.Probes = 1 + random.IntN(most)
						if err := b.Set(c); err != nil {
							t.Error(err)
						}
					}
					call(random)
				}
			})
		}
		callers.Wait()
		if probes.Load() < 5 {
			t.Errorf("only %d probes", probes.Load())
		}
	})
}

// TestOpenPeriodGrowsWithACalleeThatFlaps has a callee fail again some time
// after each recovery, closed by probes, a ramp-up or a health check: the open
// period doubles unless the breaker was closed for as long as it had been open.
func TestOpenPeriodGrowsWithACalleeThatFlaps(t *testing.T) {
	property(t, 100, func(t *testing.T, random *rand.Rand) {
		const first, most = time.Second, 32 * time.Second
		rampUp := someOf(random, 0, 3*time.Second)
		b := mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1, FailureRate: -1, Probes: 1, OpenDuration: first, OpenDurationMax: most, RampUp: rampUp})
		want := first
		for range 30 {
			for b.State() != BreakerOpen { // a ramp-up refuses some
				if p, err := b.Allow(); err == nil {
					p.Done(Failure)
				}
			}
			period := b.Status().RetryAfter
			if period < want*9/10 || period > want*11/10 {
				t.Fatalf("it opens for %v, want %v within a tenth", period, want)
			}
			want = min(want*2, most)
			waitOpen(b)
			switch random.IntN(4) {
			case 0:
				b.Close("its health check passed")
			case 1:
				tell(t, b, Failure)
				continue
			default:
				tell(t, b, Success)
			}
			closed := time.Duration(random.Float64() * 1.5 * float64(period))
			if closed >= period {
				want = first
			}
			time.Sleep(closed)
		}
	})
}
