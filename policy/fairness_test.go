package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// flooded is what became of one sender's calls in a flood.
type flooded struct{ offered, good int }

func (f flooded) share() float64 { return float64(f.good) / float64(f.offered) }

// flood has ten users send what a station can serve easily, and one twenty
// times as much as each of them: twice what can be served. Callers are who
// makes the calls of the ten, and of the one.
func flood(t *testing.T, user func(i int) Caller, flooder Caller) (users [10]flooded, one flooded) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, AdaptiveConfig{})
		s := &station{workers: 12, service: func() time.Duration { return 30 * time.Millisecond }}
		const capacity, demand = 400., 400. / 15 // a second; a user's
		rng := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		var calls sync.WaitGroup
		for began := time.Now(); time.Since(began) < 20*time.Second; {
			time.Sleep(time.Duration(rng.ExpFloat64() / (30 * demand) * float64(time.Second)))
			by, of := flooder, &one
			if i := rng.IntN(30); i < len(users) {
				by, of = user(i), &users[i]
			}
			counts := time.Since(began) > 2*time.Second // once the limit is known
			calls.Go(func() {
				p, err := a.AcquireAs(t.Context(), by, time.Second)
				if err == nil {
					<-s.serve()
					p.Done(Success)
				}
				mu.Lock()
				defer mu.Unlock()
				if counts {
					of.offered++
					if err == nil {
						of.good++
					}
				}
			})
		}
		calls.Wait()
		if s := a.Status(); s.InFlight != 0 || s.Queued != 0 {
			t.Errorf("leaked: %+v", s)
		}
		total := one.good
		for _, u := range users {
			total += u.good
		}
		if goodput := float64(total) / (18 * capacity); goodput < 0.9 {
			t.Errorf("the goodput is %.0f%% of the capacity", 100*goodput)
		}
	})
	return users, one
}

func least(users [10]flooded) float64 {
	share := 1.0
	for _, u := range users {
		share = min(share, u.share())
	}
	return share
}

func TestAdaptiveKeepsAFloodOfOneUserFromTheOthers(t *testing.T) {
	named := func(i int) Caller { return Caller{Key: fmt.Sprint(i)} }
	users, one := flood(t, named, Caller{Key: "flood"})
	t.Logf("with keys the others are served at least %.1f%%, the one %.1f%%", 100*least(users), 100*one.share())
	if least(users) < 0.97 || one.share() > 0.35 {
		t.Error("the flood of one user keeps others from being served")
	}
	nobody := func(int) Caller { return Caller{} }
	users, one = flood(t, nobody, Caller{})
	t.Logf("without at least %.1f%%, the one %.1f%%", 100*least(users), 100*one.share())
	if least(users) > 0.6 {
		t.Error("without keys nobody is kept from being served: the test shows nothing")
	}
}

// Turns are taken among those of one priority only.
func TestAdaptiveServesPrioritiesBeforeTurns(t *testing.T) {
	named := func(i int) Caller { return Caller{Key: fmt.Sprint(i)} }
	users, one := flood(t, named, Caller{Key: "flood", Priority: PriorityCritical})
	if one.share() < 0.6 || least(users) > 0.6 {
		t.Errorf("a critical flood is served %.0f%%, the others %.0f%%", 100*one.share(), 100*least(users))
	}
	users, one = flood(t, named, Caller{Key: "flood", Priority: PriorityLow})
	if least(users) < 0.97 {
		t.Errorf("the others are served %.0f%% beside a flood of low priority, which is served %.0f%%", 100*least(users), 100*one.share())
	}
}

// verdicts has callers join one after another, and returns in which order they
// are let in or turned away.
func verdicts(t *testing.T, a *Adaptive, held AdaptivePermit, callers ...Caller) (served, shed string) {
	var mu sync.Mutex
	for i, by := range callers {
		go func() {
			p, err := a.AcquireAs(t.Context(), by, 0)
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, ErrOverloaded) {
				shed += fmt.Sprintf(" %s%d", by.Key, i)
				return
			}
			served += fmt.Sprintf(" %s%d", by.Key, i)
			p.Done(Ignored)
		}()
		synctest.Wait()
	}
	held.Done(Ignored)
	synctest.Wait()
	return strings.TrimSpace(served), strings.TrimSpace(shed)
}

func TestUsersTakeTurnsInTheLine(t *testing.T) {
	a, b, c := Caller{Key: "a"}, Caller{Key: "b"}, Caller{Key: "c"}
	for _, test := range []struct {
		name         string
		queueMax     int
		callers      []Caller
		served, shed string
	}{
		{"one call each", 10, []Caller{a, a, a, b, b, c}, "a0 b3 c5 a1 b4 a2", ""},
		{"those without a key are one user", 10, []Caller{{}, {}, {}, b, {}}, "0 b3 1 2 4", ""},
		{"a priority before a turn", 10, []Caller{a, a, {Key: "a", Priority: PriorityCritical}, b}, "a2 a0 b3 a1", ""},
		{"whoever has the most makes room", 3, []Caller{a, a, a, b, c}, "a1 b3 c4", "a2 a0"},
		{"nobody makes room for an equal", 3, []Caller{a, b, c, a}, "a0 b1 c2", "a3"},
	} {
		synctest.Test(t, func(t *testing.T) {
			limit, held := fullAdaptive(t, test.queueMax)
			if served, shed := verdicts(t, limit, held, test.callers...); served != test.served || shed != test.shed {
				t.Errorf("%s: served %s, shed %s; want %s and %s", test.name, served, shed, test.served, test.shed)
			}
		})
	}
}

// Of a user for whom calls have been waiting for long the newest goes first,
// and the oldest makes room. Another who has not been served lately goes before
// it, and then takes turns with it.
func TestUsersTakeTurnsInAStandingLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdaptive(t, AdaptiveConfig{Min: 1, Max: 1, QueueMax: 4, WaitMax: 100 * time.Millisecond})
		held, _ := a.Acquire(t.Context())
		x, y := Caller{Key: "x"}, Caller{Key: "y"}
		shed := 0
		for _, pause := range []time.Duration{70 * time.Millisecond, 40 * time.Millisecond} {
			go func() {
				if _, err := a.AcquireAs(t.Context(), x, 0); err != nil {
					shed++
				}
			}()
			time.Sleep(pause)
		}
		if served, late := verdicts(t, a, held, x, x, y, x, y); served != "y2 x3 y4 x1" || late != "x0" || shed != 2 {
			t.Errorf("served %s, shed %d and %s", served, shed, late)
		}
	})
}

// A crowd of users with a call each is served as one user's calls are: the
// newest first, not each when it has almost lost its patience.
func TestAdaptiveServesTheNewestOfACrowdFirst(t *testing.T) {
	median := func(queueMax int, key func(n int) string) (waited time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			a := newAdaptive(t, AdaptiveConfig{QueueMax: queueMax})
			s := &station{workers: 12, service: func() time.Duration { return 30 * time.Millisecond }}
			rng := rand.New(rand.NewPCG(1, 2))
			var mu sync.Mutex
			var waits []time.Duration
			var calls sync.WaitGroup
			for n := range 12_000 { // in ten seconds, three times the capacity
				time.Sleep(time.Duration(rng.ExpFloat64() / 1200 * float64(time.Second)))
				calls.Go(func() {
					came := time.Now()
					p, err := a.AcquireAs(t.Context(), Caller{Key: key(n)}, time.Second)
					if err != nil {
						return
					}
					mu.Lock()
					waits = append(waits, time.Since(came))
					mu.Unlock()
					<-s.serve()
					p.Done(Success)
				})
			}
			calls.Wait()
			slices.Sort(waits)
			waited = waits[len(waits)/2]
		})
		return waited
	}
	for _, queueMax := range []int{1000, 25} { // the second is always full
		one, crowd := median(queueMax, func(int) string { return "" }), median(queueMax, func(n int) string { return fmt.Sprint(n) })
		if t.Logf("half of those served waited %v as one user, %v as a crowd", one, crowd); crowd > one+3*time.Millisecond {
			t.Errorf("with room for %d, the crowd is served in the order of arrival", queueMax)
		}
	}
}

// A user who always has one call waiting was served lately each time: it takes
// turns and does not go first.
func TestUserWhoAlwaysWaitsTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, held := fullAdaptive(t, 1000)
		var served [2]int
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var callers sync.WaitGroup
		for user, goroutines := range []int{1, 50} {
			for range goroutines {
				callers.Go(func() {
					for ctx.Err() == nil {
						p, err := a.AcquireAs(ctx, Caller{Key: fmt.Sprint(user)}, 0)
						if err != nil {
							continue
						}
						served[user]++ // one at a time is inside
						callers.Go(func() {
							time.Sleep(time.Millisecond)
							p.Done(Ignored)
						})
					}
				})
			}
		}
		time.Sleep(time.Second) // their queue stands
		held.Done(Ignored)
		callers.Wait()
		if served[0] < 900 || served[1] < 900 {
			t.Errorf("they were served %d times", served)
		}
	})
}

func TestAdaptiveTakesTheKeyOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, key := range []KeyFunc{nil, func(ctx context.Context) string { return "own " + Key(ctx) }} {
			a := newAdaptive(t, AdaptiveConfig{Min: 1, Max: 1, Key: key})
			held, _ := a.Acquire(t.Context())
			ctx, cancel := context.WithCancel(WithKey(t.Context(), "ann"))
			go func() { _, _ = a.Acquire(ctx) }()
			go func() { _, _ = a.AcquireWithin(ctx, time.Second) }()
			synctest.Wait()
			want := orKey(key)(ctx)
			a.gate.mu.Lock()
			if got := a.gate.line.ranks[1].waitingFor(want); got != 2 {
				t.Errorf("%d wait for %q", got, want)
			}
			a.gate.mu.Unlock()
			cancel()
			held.Done(Ignored)
			synctest.Wait()
		}
	})
}

// Every call gets exactly one verdict, whatever it is and however it leaves,
// and in the end nobody is inside, waits or is remembered.
func TestEveryWaiterGetsOneVerdict(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 9))
			a := newAdaptive(t, AdaptiveConfig{Min: 1, Max: 4, Initial: 2, QueueMax: 1 + rng.IntN(20)})
			var mu sync.Mutex
			const calls = 400
			ends := make([]int, calls)
			most, inside := 0, 0
			var all sync.WaitGroup
			for i := range calls {
				time.Sleep(time.Duration(rng.IntN(4)) * time.Millisecond)
				by := Caller{Key: []string{"", "a", "b", "c", "d"}[rng.IntN(5)], Priority: Priority(Priority("").Enum()[rng.IntN(ranks)])}
				left, hold := time.Duration(rng.IntN(150))*time.Millisecond, time.Duration(rng.IntN(12))*time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rng.IntN(200))*time.Millisecond)
				all.Go(func() {
					defer cancel()
					p, err := a.AcquireAs(ctx, by, left)
					if err == nil {
						mu.Lock()
						inside++
						most = max(most, inside)
						mu.Unlock()
						time.Sleep(hold)
						mu.Lock()
						inside--
						mu.Unlock()
						p.Done(Ignored)
					} else if !errors.Is(err, ErrOverloaded) && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("a verdict of %v", err)
					}
					mu.Lock()
					ends[i]++
					mu.Unlock()
				})
				if i%50 == 0 {
					_ = a.Set(AdaptiveConfig{Min: 1, Max: 1 + rng.IntN(4), Initial: 1, QueueMax: 1 + rng.IntN(20)})
				}
			}
			all.Wait()
			for i, n := range ends {
				if n != 1 {
					t.Errorf("call %d ended %d times", i, n)
				}
			}
			if err := wholeLine(&a.gate.line, nil); err != nil || most > 4 {
				t.Errorf("%v; %d were inside at once", err, most)
			}
			if s := a.Status(); s.InFlight != 0 || s.Queued != 0 {
				t.Errorf("leaked: %+v", s)
			}
		})
	}
}

func TestAdaptiveAllocatesNothingWithAPlaceFree(t *testing.T) {
	a := newAdaptive(t, AdaptiveConfig{})
	ctx := WithKey(t.Context(), "ann")
	if n := testing.AllocsPerRun(2000, func() {
		p, _ := a.Acquire(ctx)
		p.Done(Success)
		p, _ = a.AcquireAs(ctx, Caller{Key: "ann"}, time.Second)
		p.Done(Success)
	}); n != 0 && !raceEnabled {
		t.Errorf("a call costs %v allocations, want 0", n)
	}
}
