package policy

import (
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestObserverMayUseTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *Breaker
		var seen []string
		b = mustBreaker(t, BreakerConfig{Probes: 1, Observer: Observer(func(e Event) {
			seen = append(seen, e.To)
			_ = b.Status()
			_ = b.Ready()
			if p, err := b.Allow(); err == nil {
				p.Done(Ignored)
			}
			if e.To == "half-open" {
				b.Force(true, "from the observer") // an event from within an event
			}
		}).Only(EventState)})
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
		b := mustBreaker(t, BreakerConfig{Observer: Observer(func(e Event) {
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
		}).Only(EventState)})
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
		time.Sleep(time.Minute) // what is left goes on without the calls
		synctest.Wait()
		if n < 5 {
			t.Errorf("%d events: the test exercised nothing", n)
		}
	})
}

func TestPanickingObserverIsContained(t *testing.T) {
	n := 0
	b := mustBreaker(t, BreakerConfig{Observer: Observer(func(Event) { n++; panic("observer") }).Only(EventState)})
	trip(t, b)
	b.Force(false, "test")
	b.Force(true, "test")
	if n != 3 {
		t.Errorf("%d events delivered, want 3", n)
	}
}

func TestObserverThatExitsStopsNoLaterDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		b := mustBreaker(t, BreakerConfig{Observer: func(Event) { n++; runtime.Goexit() }})
		for _, open := range []bool{true, false} {
			onGoroutine(func() { b.Force(open, "test") })
			synctest.Wait()
		}
		if n != 2 {
			t.Errorf("%d events delivered, want 2", n)
		}
	})
}

func TestEventsWaitingForASlowObserverAreBoundedAndTheLostCounted(t *testing.T) {
	var e events
	var got []Event
	e.observer = func(ev Event) { got = append(got, ev) }
	for i := range queueMax + 10 {
		e.put(Event{Why: strconv.Itoa(i)})
	}
	synctest.Test(t, func(*testing.T) { e.flush() }) // its clock stands: one delivery takes all
	if len(got) != queueMax || got[0].Why != "10" || got[queueMax-1].Why != strconv.Itoa(queueMax+9) {
		t.Fatalf("%d events; want the newest %d", len(got), queueMax)
	}
	if got[0].Dropped != 10 || got[1].Dropped != 0 {
		t.Errorf("%d and %d were dropped, want 10 and 0", got[0].Dropped, got[1].Dropped)
	}
}

// TestSlowObserverKeepsNoCallForTheEventsOfOthers: whoever delivers goes on
// after the event that is told, while others put more.
func TestSlowObserverKeepsNoCallForTheEventsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		b := mustBreaker(t, BreakerConfig{Observer: func(Event) { time.Sleep(time.Second); told.Add(1) }})
		kept := make(chan time.Duration, 100)
		for i := range 100 {
			go func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				begin := time.Now()
				b.Force(i%2 == 0, "test")
				kept <- time.Since(begin)
			}()
		}
		var longest time.Duration
		slow := 0
		for range 100 {
			d := <-kept
			longest = max(longest, d)
			if d > 0 {
				slow++
			}
		}
		if slow != 1 || longest != time.Second {
			t.Errorf("%d calls were kept, up to %v; want one for one event", slow, longest)
		}
		time.Sleep(200 * time.Second)
		if n := told.Load(); n != 100 {
			t.Errorf("%d events were told, want 100", n)
		}
	})
}

func TestWithObserverTellsWhatPoliciesDecideForACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Chain(FallbackValue(7), mustRetry(t, RetryConfig{Attempts: 1, Delay: time.Second, Jitter: JitterNone}),
			mustTimeout(t, TimeoutConfig{Timeout: time.Minute}), mustBreaker(t, BreakerConfig{ConsecutiveFailures: 1}))
		var got []string
		ctx := WithObserver(t.Context(), func(e Event) {
			got = append(got, e.Policy+" "+e.Kind+": "+e.Why)
			panic("observer")
		})
		v, err := Do(ctx, p, failing)
		if v != 7 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		want := []string{
			"retry retry: try 1 failed: boom; the next begins in 1s",
			"breaker rejected: breaker: circuit breaker is open",
			"fallback fallback: a shed was replaced: 2 tries failed; 1: boom; 2: breaker: circuit breaker is open",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if _, err := Do(t.Context(), p, failing); err != nil || len(got) != 3 {
			t.Errorf("another call: %v, told %d", err, len(got))
		}
	})
}

func TestObserversTellEachEvenAfterAPanic(t *testing.T) {
	var got []string
	Observers(nil, func(Event) { panic("first") }, func(e Event) { got = append(got, e.Kind) })(Event{Kind: EventState})
	if !slices.Equal(got, []string{"state"}) {
		t.Errorf("got %v", got)
	}
}

func TestEventAsALogRecordHasNoEmptyAttributes(t *testing.T) {
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	log.Info("policy", "event", Event{Policy: "retry", Name: "shop", Kind: EventRetry, Attempt: 2, Wait: time.Second, Count: 3, Err: errBoom, Why: "w"})
	log.Info("policy", "event", Event{Policy: "breaker", Kind: EventState, From: "closed", To: "open", Key: "k", Dropped: 1})
	want := `level=INFO msg=policy event.policy=retry event.name=shop event.kind=retry event.count=3 event.attempt=2 event.wait=1s event.err=boom event.why=w
level=INFO msg=policy event.policy=breaker event.kind=state event.from=closed event.to=open event.key=k event.dropped=1 event.why=""
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
