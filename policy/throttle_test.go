package policy

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func mustThrottle(t testing.TB, c ThrottleConfig) *Throttle {
	t.Helper()
	throttle, err := NewThrottle(c)
	if err != nil {
		t.Fatal(err)
	}
	return throttle
}

// quota is a callee that accepts so many calls a second and refuses the rest.
type quota struct {
	perSecond int
	second    int64
	used      int
}

func (q *quota) class() Class {
	if s := int64(now() / time.Second); s != q.second {
		q.second, q.used = s, 0
	}
	if q.used++; q.used > q.perSecond {
		return Shed
	}
	return Success
}

// throttled is what became of the calls of a simulated time.
type throttled struct{ calls, sent, accepted int }

func (r throttled) rejectedShare() float64 { return 1 - float64(r.sent)/float64(r.calls) }
func (r throttled) acceptedShare() float64 { return float64(r.accepted) / float64(r.calls) }

// drive offers calls at a rate, evenly, for some time.
func drive(t *Throttle, class func() Class, perSecond int, length time.Duration) (r throttled) {
	for range int(length.Seconds() * float64(perSecond)) {
		time.Sleep(time.Second / time.Duration(perSecond))
		r.calls++
		p, err := t.Allow()
		if err != nil {
			continue
		}
		r.sent++
		class := class()
		if class == Success {
			r.accepted++
		}
		p.Done(class)
	}
	return r
}

// A callee with room for a share a of the offered calls is sent K x a of them
// in the end: that is the formula's fixed point.
func TestThrottleRejectsWhatTheoryDemands(t *testing.T) {
	for _, test := range []struct {
		k    float64
		room int // of 1000 calls a second
		want float64
	}{{2, 100, 0.8}, {2, 300, 0.4}, {1.1, 100, 0.89}, {2, 600, 0}} {
		synctest.Test(t, func(t *testing.T) {
			throttle := mustThrottle(t, ThrottleConfig{K: test.k})
			callee := &quota{perSecond: test.room}
			drive(throttle, callee.class, 1000, 30*time.Second)
			r := drive(throttle, callee.class, 1000, 30*time.Second)
			t.Logf("K %v, room for %.0f%%: %.1f%% rejected locally, theory %.1f%%; %.1f%% accepted",
				test.k, float64(test.room)/10, 100*r.rejectedShare(), 100*test.want, 100*r.acceptedShare())
			if math.Abs(r.rejectedShare()-test.want) > 0.03 {
				t.Errorf("rejected %.3f, want %.3f", r.rejectedShare(), test.want)
			}
			if got, most := r.acceptedShare(), float64(test.room)/1000; got < 0.97*most {
				t.Errorf("%.3f accepted of %.3f that the callee has room for", got, most)
			}
		})
	}
}

// The figures are worked out by hand from the book's formula, with its K of 2:
// max(0, (requests - 2 x accepts) / (requests + 1)).
func TestThrottleHasTheOddsOfTheBook(t *testing.T) {
	for _, test := range []struct {
		requests, accepts int
		odds              float64
	}{{100, 100, 0}, {100, 50, 0}, {100, 49, 2. / 101}, {100, 10, 80. / 101}, {100, 0, 100. / 101}, {1000, 400, 200. / 1001}} {
		throttle := mustThrottle(t, ThrottleConfig{MinPerSecond: -1})
		permits := make([]ThrottlePermit, test.requests)
		for i := range permits { // all before any ends, so that none is rejected
			permits[i], _ = throttle.Allow()
		}
		for i := range permits {
			class := Shed
			if i < test.accepts {
				class = Success
			}
			permits[i].Done(class)
		}
		if got := float64(throttle.Status().Odds); math.Abs(got-test.odds) > 1e-9 {
			t.Errorf("%d of %d accepted: the odds are %v, want %v", test.accepts, test.requests, got, test.odds)
		}
		rejected, before := 0, throttle.Status().Requests
		for range 200 {
			if _, err := throttle.Allow(); err != nil {
				rejected++
			}
		}
		if after := throttle.Status().Requests; after != before+rejected {
			t.Errorf("%d rejected calls count as %d requests", rejected, after-before)
		}
	}
}

func TestThrottleHealsAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := mustThrottle(t, ThrottleConfig{})
		down := func() Class { return Failure }
		drive(throttle, down, 200, 10*time.Second)
		outage := drive(throttle, down, 200, time.Minute)
		if outage.rejectedShare() < 0.98 || outage.sent < 50 {
			t.Errorf("during the outage %d of %d calls were sent, want about one a second", outage.sent, outage.calls)
		}
		healed := time.Duration(0)
		for ; throttle.Status().Odds > 0 && healed < 5*time.Minute; healed += time.Second {
			drive(throttle, func() Class { return Success }, 200, time.Second)
		}
		t.Logf("healed after %v", healed)
		if healed > 40*time.Second {
			t.Errorf("healed after %v", healed)
		}
	})
}

func TestThrottleThatLetsNextToNoneThroughDoesNot(t *testing.T) {
	for _, rate := range []float64{1e-9, 1.1e-10, 1e-300} {
		synctest.Test(t, func(t *testing.T) {
			throttle := mustThrottle(t, ThrottleConfig{MinPerSecond: rate})
			down := func() Class { return Failure }
			drive(throttle, down, 200, 10*time.Second)
			if r := drive(throttle, down, 200, 10*time.Second); r.rejectedShare() < 0.98 {
				t.Errorf("%v a second: %d of %d calls were sent", rate, r.sent, r.calls)
			}
		})
	}
}

func TestThrottleLeavesAWorkingCalleeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := mustThrottle(t, ThrottleConfig{})
		n := 0
		mostly := func() Class { // 40% fail, which K = 2 forgives
			if n++; n%5 < 2 {
				return Failure
			}
			return Success
		}
		if r := drive(throttle, mostly, 100, time.Minute); r.sent != r.calls {
			t.Errorf("%d of %d calls were rejected", r.calls-r.sent, r.calls)
		}
	})
}

func TestThrottleWaitsForMinimumCalls(t *testing.T) {
	throttle := mustThrottle(t, ThrottleConfig{MinimumCalls: 50, MinPerSecond: -1})
	for range 50 {
		p, err := throttle.Allow()
		if err != nil {
			t.Fatal(err)
		}
		p.Done(Failure)
		p.Done(Failure) // only the first counts
	}
	if s := throttle.Status(); s.Requests != 50 || s.Accepts != 0 || s.Odds < 0.9 {
		t.Errorf("%+v", s)
	}
	for range 1000 {
		if _, err := throttle.Allow(); err != nil {
			if !errors.Is(err, ErrThrottled) {
				t.Errorf("rejected for %v", err)
			}
			return
		}
	}
	t.Error("never rejected")
}

func TestThrottleCountsACallWhenItEnds(t *testing.T) {
	throttle := mustThrottle(t, ThrottleConfig{})
	var held []ThrottlePermit
	for range 1000 { // a burst, none of which has ended
		p, err := throttle.Allow()
		if err != nil {
			t.Fatalf("rejected with %+v", throttle.Status())
		}
		held = append(held, p)
	}
	for i := range held {
		held[i].Done(Ignored) // their callers left
	}
	if s := throttle.Status(); s.Requests != 0 || s.Odds != 0 {
		t.Errorf("%+v", s)
	}
}

func TestThrottleCountsPanicGoexitAndOpenCalls(t *testing.T) {
	throttle := mustThrottle(t, ThrottleConfig{})
	onGoroutine(func() { _, _ = Do(t.Context(), throttle, panicking) })
	onGoroutine(func() { _, _ = Do(t.Context(), throttle, goexit) })
	_, ending, err := Open(t.Context(), throttle, working, nil)
	if s := throttle.Status(); err != nil || s.Requests != 2 || s.Accepts != 0 {
		t.Errorf("%v, %+v", err, s)
	}
	ending.End(nil)
	if s := throttle.Status(); s.Requests != 3 || s.Accepts != 1 {
		t.Errorf("%+v", s)
	}
}

func TestThrottleTellsItsObserverOncePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var events []Event
		throttle := mustThrottle(t, ThrottleConfig{Name: "shop", Observer: func(e Event) { mu.Lock(); events = append(events, e); mu.Unlock() }})
		drive(throttle, func() Class { return Shed }, 1000, 3*time.Second)
		if n := len(events); n < 2 || n > 4 || events[0].Policy != "throttle" || events[0].Kind != "rejected" || events[0].Name != "shop" {
			t.Errorf("%d events, the first %+v", n, events)
		}
	})
}

func TestThrottleSetKeepsItsCounts(t *testing.T) {
	throttle := mustThrottle(t, ThrottleConfig{})
	p, _ := throttle.Allow()
	p.Done(Failure)
	if err := throttle.Set(ThrottleConfig{K: 3}); err != nil || throttle.Status().Requests != 1 {
		t.Errorf("%v, %+v", err, throttle.Status())
	}
	if err := throttle.Set(ThrottleConfig{Window: time.Second}); err != nil || throttle.Status().Requests != 0 {
		t.Errorf("another window: %v, %+v", err, throttle.Status())
	}
	err := throttle.Set(ThrottleConfig{K: 0.5, Window: 1, MinimumCalls: -1, MinPerSecond: math.Inf(1)})
	for _, field := range []string{"k", "window", "minimumCalls", "minPerSecond"} {
		wantProblem(t, err, field)
	}
}

func TestThrottleAllocatesNothing(t *testing.T) {
	p := Chain(mustThrottle(t, ThrottleConfig{}))
	x := new(int)
	fn := func(context.Context) (*int, error) { return x, nil }
	if n := testing.AllocsPerRun(2000, func() { _, _ = Do(t.Context(), p, fn) }); n != 0 && !raceEnabled {
		t.Errorf("a call costs %v allocations, want 0", n)
	}
}

func BenchmarkThrottle(b *testing.B) {
	t := mustThrottle(b, ThrottleConfig{})
	b.ReportAllocs()
	for b.Loop() {
		p, _ := t.Allow()
		p.Done(Success)
	}
}
