package policy

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPriorityOfAContext(t *testing.T) {
	if p := PriorityOf(t.Context()); p != PriorityNormal {
		t.Errorf("without one: %q", p)
	}
	if p := PriorityOf(WithPriority(t.Context(), PriorityLow)); p != PriorityLow {
		t.Errorf("got %q", p)
	}
	var order []string
	for _, p := range Priority("").Enum() {
		order = append(order, p)
		if got := Priority(p).rank(); got != len(order)-1 {
			t.Errorf("%s has rank %d", p, got)
		}
	}
	if len(order) != ranks || Priority("made up").rank() != PriorityNormal.rank() {
		t.Errorf("%d ranks of %v", ranks, order)
	}
}

// fullAdaptive is a limit of one whose only place is taken.
func fullAdaptive(t *testing.T, queueMax int) (*Adaptive, AdaptivePermit) {
	t.Helper()
	a := newAdaptive(t, AdaptiveConfig{Min: 1, Max: 1, QueueMax: queueMax, WaitMax: time.Second})
	p, err := a.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a, p
}

func TestAdaptiveServesTheHighestPriorityFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, held := fullAdaptive(t, 10)
		var mu sync.Mutex
		var order []string
		for _, p := range []Priority{PrioritySheddable, PriorityNormal, PriorityLow, PriorityCritical, "", PrioritySheddable} {
			go func() {
				permit, err := a.AcquireAs(t.Context(), Caller{Priority: p}, 0)
				if err != nil {
					t.Errorf("%s: %v", p, err)
					return
				}
				mu.Lock()
				order = append(order, string(p))
				mu.Unlock()
				permit.Done(Ignored)
			}()
			synctest.Wait()
		}
		held.Done(Ignored)
		synctest.Wait()
		if got := strings.Join(order, " "); got != "critical normal  low sheddable sheddable" {
			t.Errorf("the order was %s", got)
		}
	})
}

func TestAdaptiveMakesRoomForAHigherPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, held := fullAdaptive(t, 2)
		ends := map[string]error{}
		var mu sync.Mutex
		for i, p := range []Priority{PriorityLow, PriorityNormal, PriorityCritical, PriorityLow} {
			go func() {
				permit, err := a.Acquire(WithPriority(context.Background(), p))
				permit.Done(Ignored)
				mu.Lock()
				ends[string(p)+" "+[]string{"first", "", "", "late"}[i]] = err
				mu.Unlock()
			}()
			synctest.Wait()
		}
		held.Done(Ignored)
		synctest.Wait()
		for who, shed := range map[string]bool{"low first": true, "normal ": false, "critical ": false, "low late": true} {
			if err := ends[who]; errors.Is(err, ErrOverloaded) != shed {
				t.Errorf("%s: %v, want shed %v", who, err, shed)
			}
		}
		if s := a.Status(); s.InFlight != 0 || s.Queued != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Four times what can be served comes, a quarter of the capacity of it critical
// and half of it normal: those are served, and the others share the rest.
func TestAdaptiveShedsTheLowestPriorityUnderOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, AdaptiveConfig{})
		s := &station{workers: 12, service: func() time.Duration { return 30 * time.Millisecond }}
		rng := rand.New(rand.NewPCG(1, 2))
		const capacity = 400 // a second
		load := []float64{0.25, 0.5, 1.25, 2}
		var mu sync.Mutex
		offered, good := make([]int, ranks), make([]int, ranks)
		var calls sync.WaitGroup
		for began := time.Now(); time.Since(began) < 20*time.Second; {
			time.Sleep(time.Duration(rng.ExpFloat64() / (4 * capacity) * float64(time.Second)))
			draw, rank := 4*rng.Float64(), 0
			for ; rank < ranks-1 && draw > load[rank]; rank++ {
				draw -= load[rank]
			}
			counts := time.Since(began) > 2*time.Second // once the limit is known
			calls.Go(func() {
				p, err := a.AcquireAs(t.Context(), Caller{Priority: Priority(Priority("").Enum()[rank])}, time.Second)
				if err == nil {
					<-s.serve()
					p.Done(Success)
				}
				mu.Lock()
				defer mu.Unlock()
				if counts {
					offered[rank]++
					if err == nil {
						good[rank]++
					}
				}
			})
		}
		calls.Wait()
		share := func(rank int) float64 { return float64(good[rank]) / float64(offered[rank]) }
		t.Logf("served: critical %.1f%%, normal %.1f%%, low %.1f%%, sheddable %.1f%%",
			100*share(0), 100*share(1), 100*share(2), 100*share(3))
		total := 0
		for _, n := range good {
			total += n
		}
		if share(0) < 0.99 || share(1) < 0.97 || share(3) > 0.05 || share(2) > 0.3 {
			t.Error("those of a lower priority were served instead of the higher")
		}
		if goodput := float64(total) / (18 * capacity); goodput < 0.9 {
			t.Errorf("the goodput is %.0f%% of the capacity", 100*goodput)
		}
	})
}
