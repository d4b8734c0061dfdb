package policy

import (
	"testing"
	"time"
)

// feed gives the estimator n samples of calls that took so long, 1 ms apart,
// and returns the time after them.
func feed(g *gradient, at time.Duration, n, inFlight int, took time.Duration, class Class) time.Duration {
	for range n {
		at += time.Millisecond
		g.observe(sample{start: at - took, end: at, inFlight: inFlight, class: class})
	}
	return at
}

const usualTime = 30 * time.Millisecond

// learned returns a gradient that knows its callee to take 30 ms.
func learned(initial int) (*gradient, time.Duration) {
	g := newGradient(initial)
	g.bound(4, 1000)
	return g, feed(g, time.Hour, 200, 1, usualTime, Success)
}

func TestGradientKeepsALimitThatIsNotUsed(t *testing.T) {
	g, at := learned(100)
	feed(g, at, 100_000, 40, usualTime, Success)
	if e := g.estimate(); e.limit != 100 || e.baseline != usualTime {
		t.Errorf("got %+v", e)
	}
}

func TestGradientGrowsOnlyAsFarAsItIsUsed(t *testing.T) {
	g, at := learned(20)
	feed(g, at, 100_000, 20, usualTime, Success)
	if e := g.estimate(); e.limit < 20 || e.limit > 30 {
		t.Errorf("20 calls in flight led to %+v", e)
	}
}

func TestGradientTakesNoFastFailureForSpeed(t *testing.T) {
	g, at := learned(20)
	at = feed(g, at, 100, 20, time.Millisecond, Failure) // ends the window that has begun
	before := g.estimate()
	for _, class := range []Class{Failure, Ignored} {
		at = feed(g, at, 10_000, 20, time.Millisecond, class)
		if after := g.estimate(); after != before {
			t.Errorf("%v: got %+v, want %+v", class, after, before)
		}
	}
}

func TestGradientShrinksWhenCallsTimeOutAndGrowsAgain(t *testing.T) {
	g, at := learned(100)
	at = feed(g, at, 20_000, 100, time.Second, Failure)
	if e := g.estimate(); e.limit != 4 || e.baseline != usualTime {
		t.Errorf("after timeouts: %+v", e)
	}
	for range 2000 {
		at = feed(g, at, 1, g.estimate().limit, usualTime, Success)
	}
	if e := g.estimate(); e.limit < 50 {
		t.Errorf("healed: %+v", e)
	}
}

func TestGradientDoesNotStickWhenTheCalleeHasBecomeSlower(t *testing.T) {
	g, at := learned(20)
	for range 20_000 { // ten times slower, however few calls there are
		at = feed(g, at, 1, g.estimate().limit, 10*usualTime, Success)
	}
	if e := g.estimate(); e.limit < 20 || e.baseline != 10*usualTime {
		t.Errorf("slower: %+v", e)
	}
	for range 2000 {
		at = feed(g, at, 1, g.estimate().limit, usualTime, Success)
	}
	if e := g.estimate(); e.baseline > 11*usualTime/10 {
		t.Errorf("healed: %+v", e)
	}
}

// TestGradientFindsTheCapacityUnderStandingLoad has a callee with 12 workers
// that was never seen idle: what calls take grows with the limit.
func TestGradientFindsTheCapacityUnderStandingLoad(t *testing.T) {
	g := newGradient(100)
	g.bound(4, 1000)
	at, inFlight, shares := time.Hour, 100.0, 0
	for range 50_000 {
		limit := float64(g.estimate().limit)
		inFlight += (limit - inFlight) / 12 // the excess drains as calls end
		took := time.Duration(float64(usualTime) * max(1, inFlight/12))
		at = feed(g, at, 1, int(inFlight+0.5), took, Success)
		if limit < 9 {
			shares++
		}
	}
	if e := g.estimate(); e.limit < 13 || e.limit > 30 || e.baseline > 11*usualTime/10 {
		t.Errorf("got %+v", e)
	}
	if shares > 50_000/10 {
		t.Errorf("the callee was idle for %d of 50000 calls", shares)
	}
}

func TestGradientStaysWithinItsBounds(t *testing.T) {
	g, at := learned(20)
	g.bound(10, 15)
	if e := g.estimate(); e.limit != 15 {
		t.Errorf("a lower most left the limit at %d", e.limit)
	}
	feed(g, at, 10_000, 15, time.Second, Failure)
	if e := g.estimate(); e.limit != 10 {
		t.Errorf("shrank to %d", e.limit)
	}
}
