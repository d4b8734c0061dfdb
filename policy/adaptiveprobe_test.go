package policy

import (
	"testing"
	"time"
)

// eachAlgorithm runs a test for every way to learn the limit, which may fall to
// one call.
func eachAlgorithm(t *testing.T, f func(*testing.T, AdaptiveConfig)) {
	for _, name := range AdaptiveAlgorithm("").Enum() {
		t.Run(name, func(t *testing.T) {
			f(t, AdaptiveConfig{Algorithm: AdaptiveAlgorithm(name), Min: 1, LatencyMax: 150 * time.Millisecond})
		})
	}
}

// taking makes the calls of a phase take so long, give or take a third.
func taking(mean time.Duration) func(*simPhase) {
	return func(p *simPhase) { p.service, p.mean = uniform(2*mean/3, 4*mean/3), mean }
}

func lasting(d time.Duration) func(*simPhase) { return func(p *simPhase) { p.length = d } }

const ms = time.Millisecond

// wantShares fails unless each phase's goodput is so much of what is possible.
func wantShares(t *testing.T, results []*simResult, shares ...float64) {
	t.Helper()
	for i, r := range results {
		if got := r.share(); got < shares[i] {
			t.Errorf("%s: goodput is %.1f%% of what is possible, want %.0f%%", r.name, 100*got, 100*shares[i])
		}
	}
}

// A spike drives the limit down as far as it goes; once it is over, so must
// that be.
func TestLimitLeavesItsLeastAfterASpike(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, c AdaptiveConfig) {
		results := simulate(t, c, storm("calm", .8), storm("spike", 24, taking(900*ms), lasting(6*time.Second)),
			storm("healing", .8, lasting(3*time.Second)), storm("healed", .8))
		wantShares(t, results[2:], .4, .97) // at first its workers are still busy with the slow calls
	})
}

func TestLimitThatBeginsAtOneGrows(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, c AdaptiveConfig) {
		c.Initial = 1
		results := simulate(t, c, storm("begins", .8, lasting(3*time.Second)), storm("calm", .8))
		wantShares(t, results, .5, .97)
	})
}

// A callee that has become much slower for good is served as many calls as it
// has workers, and one that becomes fast again is found out.
func TestLimitFollowsJumps(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, c AdaptiveConfig) {
		var phases []simPhase
		means := []time.Duration{30 * ms, 120 * ms, 30 * ms, 10 * ms, 90 * ms, 15 * ms, 100 * ms, 30 * ms}
		for _, mean := range means {
			name := "takes " + mean.String()
			phases = append(phases, storm(name, .8, taking(mean), lasting(4*time.Second)), storm(name+", 2x", 2, taking(mean), lasting(4*time.Second)))
		}
		for _, r := range simulate(t, c, phases...) {
			wantShares(t, []*simResult{r}, .85)
		}
	})
}

// Slower and slower, a tenth each second, and back: no step is large enough to
// be seen.
func TestLimitFollowsADrift(t *testing.T) {
	for _, load := range []float64{.7, 2} {
		eachAlgorithm(t, func(t *testing.T, c AdaptiveConfig) {
			c.LatencyMax = 400 * ms
			var up, down []simPhase
			for mean, i := 20*ms, 0; i < 24; i++ {
				p := storm("takes "+mean.Round(ms).String(), load, taking(mean), lasting(time.Second))
				up, down = append(up, p), append([]simPhase{p}, down...)
				mean = mean * 11 / 10
			}
			good, possible := 0., 0.
			for _, r := range simulate(t, c, append(up, down...)...) {
				good += float64(r.good)
				possible += float64(r.good) / r.share()
			}
			if good < .93*possible {
				t.Errorf("goodput at %vx is %.1f%% of what is possible", load, 100*good/possible)
			}
		})
	}
}

// Calls of two kinds are no congestion.
func TestLimitIsNotMisledByTwoKindsOfCalls(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, c AdaptiveConfig) {
		c.LatencyMax = 300 * ms
		rare := func(p *simPhase) { p.service, p.mean = bimodal(5*ms, 205*ms, .1), 25*ms }
		results := simulate(t, c, storm("calm", .5, rare, lasting(20*time.Second)), storm("3x", 3, rare), storm("after", .5, rare))
		wantShares(t, results, .98, .85, .95)
	})
}

// What a program does not use must not grow: when it is used at last, nobody
// would have tried it.
func TestLimitDoesNotRunAwayUnused(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, c AdaptiveConfig) {
		calm := simulate(t, c, storm("calm", .3, lasting(60*time.Second)))[0]
		if calm.limitMost > 30 || calm.share() < 0.999 {
			t.Errorf("a load of 4 at once has the limit go to %d, with %.2f%% served", calm.limitMost, 100*calm.share())
		}
	})
}

// A callee that is never congested has the limit follow what is used, and no
// further.
func TestLimitDoesNotRunAwayUncongested(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, c AdaptiveConfig) {
		vast := func(p *simPhase) { p.workers = 2000 }
		calm := simulate(t, c, storm("calm", .02, vast, lasting(30*time.Second)))[0] // 40 at once
		if calm.limitMost > 120 || calm.share() < 0.98 {
			t.Errorf("a load of 40 at once has the limit go to %d, with %.2f%% served", calm.limitMost, 100*calm.share())
		}
	})
}
