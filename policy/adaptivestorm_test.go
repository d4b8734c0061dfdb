package policy

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// The service of these storms is what the gateway most often has before it:
// three replicas of four workers, 20 to 40 ms a call.
func storm(name string, load float64, change ...func(*simPhase)) simPhase {
	p := simPhase{name: name, load: load, workers: 12, service: uniform(20*time.Millisecond, 40*time.Millisecond),
		mean: 30 * time.Millisecond, length: 8 * time.Second}
	for _, c := range change {
		c(&p)
	}
	return p
}

func tenTimesSlower(p *simPhase) {
	p.service, p.mean = uniform(200*time.Millisecond, 400*time.Millisecond), 300*time.Millisecond
}

// wantStorm fails unless a phase came to this goodput, this p99 and, when it is
// not 0, had recovered after a second.
func wantStorm(t *testing.T, r *simResult, share float64, p99 time.Duration) {
	t.Helper()
	if got := r.share(); got < share {
		t.Errorf("%s: goodput is %.0f%% of what is possible, want %.0f%%", r.name, 100*got, 100*share)
	}
	if got := r.quantile(.99); got > p99 {
		t.Errorf("%s: p99 is %v, want at most %v", r.name, got, p99)
	}
	if got := r.recovery(); got > time.Second {
		t.Errorf("%s: recovered after %v, want 1s", r.name, got)
	}
}

const (
	stormBase  = 45 * time.Millisecond // p99 of the idle service, and a little
	stormBound = 130 * time.Millisecond
)

func TestNoLimitCollapsesUnderOverload(t *testing.T) {
	results := simulate(t, AdaptiveConfig{Disabled: true}, storm("no limit, calm", .5), storm("no limit, storm", 3), storm("no limit, after", .5))
	if got := results[1].share(); got > 0.3 {
		t.Errorf("goodput is %.0f%% without a limit: these storms prove nothing", 100*got)
	}
}

func TestAdaptiveKeepsGoodputUnderOverload(t *testing.T) {
	results := simulate(t, AdaptiveConfig{}, storm("calm", .5), storm("full", 1), storm("1.5x", 1.5),
		storm("3x", 3), storm("calm again", .5), storm("10x", 10), storm("calm at last", .5))
	for i, r := range results {
		if r.load >= 1 {
			wantStorm(t, r, 0.9, stormBound)
			continue
		}
		bound := stormBase
		if i > 0 { // it begins with what the storm left waiting
			bound += AdaptiveConfig{}.WithDefaults().WaitTarget
		}
		wantStorm(t, r, 0.98, bound)
		if r.shedShare() > 0.005 {
			t.Errorf("%s: %.1f%% were shed", r.name, 100*r.shedShare())
		}
	}
}

func TestAdaptiveStartsUnderOverload(t *testing.T) {
	results := simulate(t, AdaptiveConfig{}, storm("3x from the start", 3), storm("calm", .5))
	wantStorm(t, results[0], 0.9, stormBound)
	// It begins with what the storm left waiting.
	wantStorm(t, results[1], 0.98, stormBase+AdaptiveConfig{}.WithDefaults().WaitTarget)
}

func TestAdaptiveFollowsTheCapacity(t *testing.T) {
	halved := func(p *simPhase) { p.workers = 6 }
	results := simulate(t, AdaptiveConfig{}, storm("0.9x", .9), storm("half the workers", 1.8, halved), storm("all again", .9),
		storm("3x", 3), storm("3x, half of them", 6, halved), storm("3x, all again", 3))
	for _, r := range results {
		wantStorm(t, r, 0.9, 180*time.Millisecond)
	}
}

func TestAdaptiveFollowsTheServiceTime(t *testing.T) {
	results := simulate(t, AdaptiveConfig{}, storm("0.9x", .9), storm("10x slower", 9, tenTimesSlower), storm("healed", .9),
		storm("3x", 3), storm("3x, 10x slower", 30, tenTimesSlower), storm("3x, healed", 3))
	for _, r := range results {
		if r.mean > 100*time.Millisecond {
			if r.share() < 0.75 || r.limitMost < 12 {
				t.Errorf("%s: goodput is %.0f%% at a limit of up to %d", r.name, 100*r.share(), r.limitMost)
			}
			continue
		}
		wantStorm(t, r, 0.9, 180*time.Millisecond)
	}
}

func TestAdaptiveSurvivesAHang(t *testing.T) {
	hung := func(p *simPhase) { p.hung = true }
	results := simulate(t, AdaptiveConfig{}, storm("0.9x", .9), storm("hung", .9, hung), storm("works again", .9))
	if r := results[1]; r.good > 20 || r.limitLeast > 10 {
		t.Errorf("hung: %d calls were served and the limit fell to %d only", r.good, r.limitLeast)
	}
	wantStorm(t, results[2], 0.9, 180*time.Millisecond)
}

func TestAdaptiveCopesWithUnevenService(t *testing.T) {
	ms := time.Millisecond
	uneven := func(p *simPhase) { p.service = exponential(30 * ms) }
	results := simulate(t, AdaptiveConfig{}, storm("exponential, calm", .5, uneven), storm("exponential, 3x", 3, uneven), storm("exponential, after", .5, uneven))
	for _, r := range results {
		wantStorm(t, r, 0.85, 250*ms)
	}
	rare := func(p *simPhase) { p.service, p.mean = bimodal(5*ms, 205*ms, .1), 25*ms }
	results = simulate(t, AdaptiveConfig{}, storm("bimodal, calm", .5, rare), storm("bimodal, 3x", 3, rare), storm("bimodal, after", .5, rare))
	for _, r := range results {
		wantStorm(t, r, 0.75, 400*ms)
	}
}

func TestAdaptiveFitsAnySize(t *testing.T) {
	large := func(p *simPhase) { p.workers, p.length = 200, 3*time.Second }
	results := simulate(t, AdaptiveConfig{}, storm("200 workers, calm", .5, large), storm("200 workers, 3x", 3, large), storm("200 workers, after", .5, large))
	wantStorm(t, results[1], 0.9, stormBound)
	wantStorm(t, results[2], 0.98, stormBase)
	small := func(p *simPhase) { p.workers = 1 }
	results = simulate(t, AdaptiveConfig{Min: 1, Initial: 4}, storm("1 worker, calm", .3, small), storm("1 worker, 3x", 3, small), storm("1 worker, after", .3, small))
	wantStorm(t, results[1], 0.85, 600*time.Millisecond)
}

// TestAdaptiveSavesWhoWaitsAsAnOverloadEnds compares what fails with the least
// that can: what comes beyond what the service bears until the last have lost
// their patience. Meanwhile half of those served hardly wait.
func TestAdaptiveSavesWhoWaitsAsAnOverloadEnds(t *testing.T) {
	const wait = 700 * time.Millisecond
	for name, key := range map[string]func(n int) string{"one user": func(int) string { return "" }, "a crowd": strconv.Itoa} {
		for _, load := range []float64{2, 5} {
			var calls atomic.Int64
			results := simulate(t, AdaptiveConfig{WaitMax: wait, WaitTarget: wait, Initial: 24, Min: 24, Max: 24,
				Key: func(context.Context) string { return key(int(calls.Add(1))) }},
				storm("calm", .5), storm("overload", load), storm("calm again", .5))
			overload, after := results[1], results[2]
			if p50 := overload.quantile(.5); p50 > 100*time.Millisecond {
				t.Errorf("%s, %v times: half of those served took %v", name, load, p50)
			}
			failed := float64(overload.offered + after.offered - overload.good - after.good)
			least := float64(overload.offered) - overload.capacity()*(overload.length+wait).Seconds()
			if allowed := overload.capacity() * wait.Seconds() / 3; failed > least+allowed {
				t.Errorf("%s, %v times: %.0f failed, and %.0f have to", name, load, failed, least)
			}
		}
	}
}
