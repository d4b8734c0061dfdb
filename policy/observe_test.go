package policy

import (
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestObserverMayUseTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *Breaker
		var seen []string
		b = mustBreaker(t, BreakerConfig{Probes: 1, Observer: func(e Event) {
			seen = append(seen, e.To)
			_ = b.Status()
			_ = b.Ready()
			if p, err := b.Allow(); err == nil {
				p.Done(Ignored)
			}
			if e.To == "half-open" {
				b.Force(true, "from the observer") // an event from within an event
			}
		}})
		trip(t, b)
		waitOpen(b)
		_, _ = b.Allow()
		if diff := cmp.Diff([]string{"open", "half-open", "open"}, seen); diff != "" {
			t.Error(diff)
		}
	})
}

func TestObserverSeesEventsInOrderOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last, inside, n := "closed", 0, 0
		b := mustBreaker(t, BreakerConfig{Observer: func(e Event) {
			if inside++; inside != 1 {
				t.Error("two deliveries at once")
			}
			time.Sleep(time.Millisecond)
			if e.From != last {
				t.Errorf("%s > %s was told after %s", e.From, e.To, last)
			}
			last = e.To
			n++
			inside--
		}})
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				for range 10 {
					b.Force(i%2 == 0, "test")
					time.Sleep(time.Duration(i) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if n < 5 {
			t.Errorf("%d events: the test exercised nothing", n)
		}
	})
}

func TestPanickingObserverIsContained(t *testing.T) {
	n := 0
	b := mustBreaker(t, BreakerConfig{Observer: func(Event) { n++; panic("observer") }})
	trip(t, b)
	b.Force(false, "test")
	b.Force(true, "test")
	if n != 3 {
		t.Errorf("%d events delivered, want 3", n)
	}
}

func TestObserverThatExitsStopsNoLaterDelivery(t *testing.T) {
	n := 0
	b := mustBreaker(t, BreakerConfig{Observer: func(Event) { n++; runtime.Goexit() }})
	onGoroutine(func() { b.Force(true, "test") })
	onGoroutine(func() { b.Force(false, "test") })
	if n != 2 {
		t.Errorf("%d events delivered, want 2", n)
	}
}

func TestEventsWaitingForASlowObserverAreBounded(t *testing.T) {
	var e events
	var got []string
	e.observer = func(ev Event) { got = append(got, ev.Why) }
	for i := range queueMax + 10 {
		e.put(Event{Why: strconv.Itoa(i)})
	}
	e.flush()
	if len(got) != queueMax || got[0] != "10" || got[queueMax-1] != strconv.Itoa(queueMax+9) {
		t.Errorf("%d events, first %s, last %s; want the newest %d", len(got), got[0], got[len(got)-1], queueMax)
	}
}
