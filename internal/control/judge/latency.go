package judge

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

func (q Quantile) name() string {
	return "latency p" + strconv.FormatFloat(100*q.Of, 'f', -1, 64)
}

// excess is the latency that the canary may show when the baseline shows d.
func (q Quantile) allowed(d time.Duration) time.Duration {
	return max(time.Duration(float64(d)*(1+q.Tolerance)), d+q.Slack)
}

// within is the inverse of allowed.
func (q Quantile) within(d time.Duration) time.Duration {
	return max(min(time.Duration(float64(d)/(1+q.Tolerance)), d-q.Slack), 0)
}

// latencyEvidence is that the canary's quantile is higher than the baseline's
// allows.
//
// If it is not, there is a latency x between the two: the canary's quantile is
// at most x and the baseline's at least that which allows x. Each of the two is
// a claim about a share of requests at one side of a latency, against which there
// is [evidence]; that against both is their sum. Nobody knows which x it is, so
// what counts is the least of all. Where x lies inside a bucket, the counts are
// those that say least.
func (t *Trial) latencyEvidence(q Quantile) float64 {
	canary, baseline := &t.r.Versions[Canary].Latency, &t.r.Versions[Baseline].Latency
	if canary.total == 0 || baseline.total == 0 {
		return 0
	}
	upTo, below := canary.sums(), baseline.sums()
	least := math.Inf(1)
	var lastSlow, lastQuick uint64
	for x := range bucketCount {
		slow, quick := canary.total-upTo[x], q.quick(below, x)
		if x > 0 && slow == lastSlow && quick == lastQuick {
			continue
		}
		lastSlow, lastQuick = slow, quick
		least = min(least, evidence(slow, canary.total, 1-q.Of)+evidence(quick, baseline.total, q.Of))
	}
	return least
}

// quick is how many of the baseline's are certainly below what allows bucket x.
func (q Quantile) quick(sums *[bucketCount]uint64, x int) uint64 {
	if at := bucketOf(q.within(edge(x))); at > 0 {
		return sums[at-1]
	}
	return 0
}

// higher reports whether the canary's quantile is higher than is allowed, as far
// as one can see; if it is not there is no need to search for the least evidence.
func (t *Trial) higher(q Quantile) bool {
	return edge(t.r.Versions[Canary].Latency.quantile(q.Of)+1) > q.allowed(edge(t.r.Versions[Baseline].Latency.quantile(q.Of)))
}

// tailMin is how many requests above a quantile it takes to speak of it.
const tailMin = 5

// latency compares a quantile of the versions' latency.
func (t *Trial) latency(q Quantile) Check {
	canary, baseline := &t.r.Versions[Canary].Latency, &t.r.Versions[Baseline].Latency
	c := Check{Name: q.name(), P: 1, Below: t.judge.below}
	if canary.total == 0 || baseline.total == 0 {
		c.Decision, c.Why = Inconclusive, "a version has had no request that succeeded"
		return c
	}
	slow, old := edge(canary.quantile(q.Of)+1), edge(baseline.quantile(q.Of)+1)
	c.Canary, c.Baseline, c.Allowed = slow.Seconds(), old.Seconds(), q.allowed(old).Seconds()
	if best, ok := t.r.Most[c.Name]; ok {
		c.P = chance(best)
	}
	if t.higher(q) {
		c.P = chance(t.most(c.Name, t.latencyEvidence(q)))
	}
	c.Why = fmt.Sprintf("canary %s, baseline %s, which allows %s: %s", short(slow), short(old), short(q.allowed(old)), c.chances())
	least := uint64(math.Ceil(tailMin/(1-q.Of) - 1e-9))
	switch {
	case c.reached():
		c.Decision = Fail
	case t.few(&c):
	case min(canary.total, baseline.total) < least:
		c.Decision = Inconclusive
		c.Why += fmt.Sprintf("; it takes %d requests of each version that succeeded to speak of this quantile", least)
	default:
		c.Decision = Pass
	}
	return c
}

// short writes a latency with three digits.
func short(d time.Duration) string {
	digit := time.Duration(1)
	for d/digit >= 1000 {
		digit *= 10
	}
	return d.Round(digit).String()
}
