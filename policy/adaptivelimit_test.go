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
		g.Observe(AdaptiveSample{Start: at - took, End: at, InFlight: inFlight, Class: class})
	}
	return at
}

const usualTime = 30 * time.Millisecond

// learned returns a gradient that knows its callee to take 30 ms.
func learned(initial int) (*gradient, time.Duration) {
	g := newGradient(initial)
	g.Bound(4, 1000)
	return g, feed(g, time.Hour, 200, 1, usualTime, Success)
}

func TestGradientKeepsALimitThatIsNotUsed(t *testing.T) {
	g, at := learned(100)
	feed(g, at, 100_000, 40, usualTime, Success)
	if e := g.Estimate(); e.Limit != 100 || e.Baseline != usualTime {
		t.Errorf("got %+v", e)
	}
}

func TestGradientGrowsOnlyAsFarAsItIsUsed(t *testing.T) {
	g, at := learned(20)
	feed(g, at, 100_000, 20, usualTime, Success)
	if e := g.Estimate(); e.Limit < 20 || e.Limit > 30 {
		t.Errorf("20 calls in flight led to %+v", e)
	}
}

func TestGradientTakesNoFastFailureForSpeed(t *testing.T) {
	g, at := learned(20)
	at = feed(g, at, 100, 20, time.Millisecond, Failure) // ends the window that has begun
	before := g.Estimate()
	for _, class := range []Class{Failure, Ignored} {
		at = feed(g, at, 10_000, 20, time.Millisecond, class)
		if after := g.Estimate(); after != before {
			t.Errorf("%v: got %+v, want %+v", class, after, before)
		}
	}
}

func TestGradientShrinksWhenCallsTimeOutAndGrowsAgain(t *testing.T) {
	g, at := learned(100)
	at = feed(g, at, 20_000, 100, time.Second, Failure)
	if e := g.Estimate(); e.Limit != 4 || e.Baseline != usualTime {
		t.Errorf("after timeouts: %+v", e)
	}
	for range 2000 {
		at = feed(g, at, 1, g.Estimate().Limit, usualTime, Success)
	}
	if e := g.Estimate(); e.Limit < 50 {
		t.Errorf("healed: %+v", e)
	}
}

func TestGradientDoesNotStickWhenTheCalleeHasBecomeSlower(t *testing.T) {
	g, at := learned(20)
	for range 20_000 { // ten times slower, however few calls there are
		at = feed(g, at, 1, g.Estimate().Limit, 10*usualTime, Success)
	}
	if e := g.Estimate(); e.Limit < 20 || e.Baseline != 10*usualTime {
		t.Errorf("slower: %+v", e)
	}
	for range 2000 {
		at = feed(g, at, 1, g.Estimate().Limit, usualTime, Success)
	}
	if e := g.Estimate(); e.Baseline > 11*usualTime/10 {
		t.Errorf("healed: %+v", e)
	}
}

// TestGradientFindsTheCapacityUnderStandingLoad has a callee with 12 workers
// that was never seen idle: what calls take grows with the limit.
func TestGradientFindsTheCapacityUnderStandingLoad(t *testing.T) {
	g := newGradient(100)
	g.Bound(4, 1000)
	at, inFlight, shares := time.Hour, 100.0, 0
	for range 50_000 {
		limit := float64(g.Estimate().Limit)
		inFlight += (limit - inFlight) / 12 // the excess drains as calls end
		took := time.Duration(float64(usualTime) * max(1, inFlight/12))
		at = feed(g, at, 1, int(inFlight+0.5), took, Success)
		if limit < 9 {
			shares++
		}
	}
	if e := g.Estimate(); e.Limit < 13 || e.Limit > 30 || e.Baseline > 11*usualTime/10 {
		t.Errorf("got %+v", e)
	}
	if shares > 50_000/10 {
		t.Errorf("the callee was idle for %d of 50000 calls", shares)
	}
}

func TestGradientStaysWithinItsBounds(t *testing.T) {
	g, at := learned(20)
	g.Bound(10, 15)
	if e := g.Estimate(); e.Limit != 15 {
		t.Errorf("a lower most left the limit at %d", e.Limit)
	}
	feed(g, at, 10_000, 15, time.Second, Failure)
	if e := g.Estimate(); e.Limit != 10 {
		t.Errorf("shrank to %d", e.Limit)
	}
}
