package judge

import "fmt"

// share is the canary's share of the traffic. That the counts are one more each
// keeps a handful of requests from saying that it has next to none.
func (t *Trial) share() float64 {
	canary, baseline := t.r.Versions[Canary].Requests, t.r.Versions[Baseline].Requests
	return float64(canary+1) / float64(canary+baseline+2)
}

// errorsEvidence is that an error is likelier to be the canary's than a request
// is. While both versions fail alike it is not, however the chance of failing
// changes with time, for it changes for both.
func (t *Trial) errorsEvidence() float64 {
	canary, baseline := t.r.Versions[Canary], t.r.Versions[Baseline]
	return evidence(canary.Errors, canary.Errors+baseline.Errors, t.share())
}

// errors compares the errors of the versions.
func (t *Trial) errors() Check {
	canary, baseline := t.r.Versions[Canary].Counts, t.r.Versions[Baseline].Counts
	most := t.most("errors", t.errorsEvidence())
	c := Check{Name: "errors", Canary: canary.ratio(), Baseline: baseline.ratio(), P: chance(most), Below: t.judge.below}
	c.Why = fmt.Sprintf("canary %s, baseline %s: %s", canary, baseline, c.chances())
	switch {
	case c.reached():
		c.Decision = Fail
	case t.few(&c):
	default:
		c.Decision = Pass
	}
	return c
}

// few makes a check inconclusive where a version has too few requests.
func (t *Trial) few(c *Check) bool {
	least := uint64(t.judge.RequestsMin)
	canary, baseline := t.r.Versions[Canary].Requests, t.r.Versions[Baseline].Requests
	switch {
	case canary < least:
		c.Why += fmt.Sprintf("; the canary has had %d requests of the %d that it takes", canary, least)
	case !t.r.Alone && baseline < least:
		c.Why += fmt.Sprintf("; the baseline has had %d requests of the %d that it takes", baseline, least)
	default:
		return false
	}
	c.Decision = Inconclusive
	return true
}

func (c Counts) String() string {
	if c.Requests == 0 {
		return "no requests"
	}
	return fmt.Sprintf("%d errors of %d (%s)", c.Errors, c.Requests, percent(c.ratio()))
}
