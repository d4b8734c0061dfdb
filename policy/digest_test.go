package policy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAFloodOfCallsIsNoFloodOfEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []int
		b := newBulkhead(t, BulkheadConfig{MaxConcurrent: 1, Observer: func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e.Count)
		}})
		_, _ = b.TryAcquire()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 1000 {
					_, _ = b.TryAcquire()
					time.Sleep(time.Millisecond + time.Duration(i))
				}
			})
		}
		wg.Wait()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		sum := 0
		for _, n := range told {
			sum += n
		}
		if len(told) < 2 || len(told) > 4 || sum != 8000 {
			t.Errorf("%d events for %d calls, want up to 4 for 8000", len(told), sum)
		}
	})
}

// broken is an error that panics when it is asked for its text.
type broken struct{}

func (broken) Error() string { panic("no text") }

func TestAnErrorThatPanicsIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		p := mustTimeout(t, TimeoutConfig{Timeout: time.Millisecond, Observer: func(e Event) { got = append(got, e.Why) }})
		for range 2 { // of the call, then of the timer
			_, err := Do(t.Context(), p, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, broken{} })
			if _, ok := errors.AsType[broken](err); !ok {
				t.Errorf("got %T", err)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if why := "it cannot be explained: no text"; !slices.Equal(got, []string{why, why}) {
			t.Errorf("told %q", got)
		}
	})
}

func TestTwoReasonsAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		b := mustBreaker(t, BreakerConfig{Name: "shop", Observer: Observer(func(e Event) {
			got = append(got, e.Name+": "+e.Err.Error()+": "+e.Why)
		}).Only(EventRejected)})
		b.Force(true, "maintenance")
		_, _ = Do(t.Context(), b, working)
		b.Isolate("a drill")
		_, err := Do(t.Context(), b, working)
		if diff := cmp.Diff([]string{"shop: circuit breaker is open: maintenance", "shop: circuit breaker is open: its callee is isolated: a drill"}, got); diff != "" {
			t.Error(diff)
		}
		if rejected, ok := errors.AsType[*Rejected](err); !ok || rejected.Name != "shop" {
			t.Errorf("got %#v", err)
		}
		if s := b.Status(); s.Rejected != 2 || s.Opened != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWithoutAnObserverEventsAllocateNothing(t *testing.T) {
	b := mustBreaker(t, BreakerConfig{})
	var d digest
	d.begin(&b.events, EventRetry, nil, func(e Event) string { return e.Policy })
	ctx := WithKey(t.Context(), "k")
	if n := testing.AllocsPerRun(1000, func() { d.happened(ctx, Event{Attempt: 2, Err: errBoom}) }); n != 0 && !raceEnabled {
		t.Errorf("an event costs %v allocations, want 0", n)
	}
}
