package judge

import (
	"fmt"
	"math"
)

// passBeta is the chance, at most, that the sequential probability ratio test
// says that a broken canary keeps the objective.
const passBeta = 0.01

// objectiveEvidence is the logarithm of the likelihood ratio of Wald's test: of
// the canary failing as often as a broken one does, against as often as the
// objective allows.
func (t *Trial) objectiveEvidence() float64 {
	canary, allowed, broken := t.r.Versions[Canary].Counts, 1-t.judge.Objective, t.judge.Broken
	return float64(canary.Errors)*math.Log(broken/allowed) + float64(canary.Requests-canary.Errors)*(math.Log1p(-broken)-math.Log1p(-allowed))
}

// excused is whether the baseline breaks the objective as well: now, or in the
// whole of the release.
func (t *Trial) excused() bool {
	allowed := 1 - t.judge.Objective
	return t.r.Versions[Baseline].ratio() > allowed || t.whole(Baseline).ratio() > allowed
}

// objective holds the canary to the objective. What the baseline breaks as well
// is not laid to the canary, nor what it has not had the requests to show.
func (t *Trial) objective() Check {
	canary, baseline, allowed := t.r.Versions[Canary].Counts, t.r.Versions[Baseline].Counts, 1-t.judge.Objective
	now := t.objectiveEvidence()
	c := Check{Name: "objective", Canary: canary.ratio(), Baseline: allowed, Below: t.judge.below}
	excused := t.excused()
	reached := t.r.Past[c.Name].with(now)
	if !excused {
		reached = t.most(c.Name, now)
	}
	c.P = chance(reached)
	c.Why = fmt.Sprintf("canary %s, the objective allows %s: %s", canary, percent(allowed), c.chances())
	switch {
	case c.reached() && !excused && (t.r.Alone || baseline.Requests >= canary.Errors):
		c.Decision = Fail
	case t.few(&c):
	case now <= math.Log(passBeta):
		c.Decision = Pass
	case excused:
		c.Decision = Inconclusive
		c.Why += fmt.Sprintf("; the baseline breaks it as well: %s", baseline)
	default:
		c.Decision = Inconclusive
		c.Why += "; it takes more requests to say whether it is kept"
	}
	return c
}

// inRow looks at requests of the canary that fail one after the other, which is
// what a canary with next to no traffic can be known by.
//
// A run of k failures that ends at the n-th request has a probability of at
// most r^k where each fails with r, so that runs with r^k <= alpha/(n(n+1))
// have one of alpha, all together. What r is the objective says, or the baseline
// where it fails more often than that, ever or while the run lasts; the latter by
// Laplace's rule, so that a request or two that succeed do not say much.
func (t *Trial) inRow() Check {
	k, n, p := t.r.Run, t.whole(Canary).Requests, t.rowChance()
	meanwhile := t.r.Versions[Baseline].since(t.r.Before)
	c := Check{Name: "failures in a row", Decision: Pass, Canary: float64(k), Baseline: float64(t.judge.FailuresInRow), P: p, Below: t.judge.below}
	c.Why = fmt.Sprintf("the last %d requests of the canary failed, of %d: %s", k, n, c.chances())
	if k == 0 {
		c.Why = "the last request of the canary succeeded"
	}
	switch {
	case t.r.Versions[Canary].Requests == 0:
		c.Decision, c.Why = Inconclusive, "the canary has had no requests"
	case k < uint64(t.judge.FailuresInRow):
	case !t.r.Alone && meanwhile.Requests == 0:
		c.Decision = Inconclusive
		c.Why += "; the baseline had none meanwhile that would show whose fault it is"
	case c.reached():
		c.Decision = Fail
	default:
		c.Decision = Inconclusive
		c.Why += fmt.Sprintf("; meanwhile the baseline had %s", meanwhile)
	}
	return c
}

// rowChance is how likely, at most, a run as the present one ever is.
func (t *Trial) rowChance() float64 {
	if t.r.Run == 0 {
		return 1
	}
	baseline := t.r.Versions[Baseline].Counts
	chanceOfOne := max(1-t.judge.Objective, baseline.ratio())
	if !t.r.Alone {
		meanwhile := baseline.since(t.r.Before)
		chanceOfOne = max(chanceOfOne, float64(meanwhile.Errors+1)/float64(meanwhile.Requests+2))
	}
	n := float64(t.whole(Canary).Requests)
	return min(math.Pow(chanceOfOne, float64(t.r.Run))*n*(n+1), 1)
}
