package judge

import (
	"fmt"
	"math"
	"strings"
)

// Decision is what a judge, or one check, finds.
type Decision string

const (
	// Pass: there was enough to see, and nothing against the canary.
	Pass Decision = "pass"
	// Fail: the canary is worse than it may be.
	Fail Decision = "fail"
	// Inconclusive: there was too little to see, or what there was cannot be
	// laid to the canary. A person, or more traffic, must decide.
	Inconclusive Decision = "inconclusive"
)

// A Verdict is what is known of a canary so far. It fails when one check does,
// and passes when all do.
type Verdict struct {
	Decision Decision `json:"decision"`
	// Why is the check that decided, in words with its values.
	Why string `json:"why"`
	// Checks are all of them, in the order of the Config.
	Checks []Check `json:"checks"`
	// Course is how the checks of counts went at this weight, for a plot: at most
	// 256 points, the last of them now.
	Course []Point `json:"course,omitempty"`
}

// Check is one question and what was found.
type Check struct {
	// Name is errors, objective, failures in a row, latency p95, or the name of
	// a series.
	Name     string   `json:"name"`
	Decision Decision `json:"decision"`
	Why      string   `json:"why"`
	// Canary and Baseline are the values that were compared: shares of
	// requests, seconds, or what a series holds. Baseline is what the canary
	// was held to where no other version was.
	Canary   float64 `json:"canary"`
	Baseline float64 `json:"baseline"`
	// Allowed is what Canary may be, beside such a Baseline, where that is more
	// than it and known: of latencies.
	Allowed float64 `json:"allowed,omitempty"`
	// P is the chance, at most, of ever seeing as much against a canary that is
	// no worse, and Below what it must fall to for it to fail. Both are 0 where
	// nothing of the sort was computed.
	P     float64 `json:"p,omitempty"`
	Below float64 `json:"below,omitempty"`
}

// reached reports whether P says Fail. The logarithms that it comes from are not
// exact.
func (c Check) reached() bool { return c.P <= c.Below*(1+1e-9) }

// Point is how errors compared after some requests.
type Point struct {
	Canary   Counts `json:"canary"`
	Baseline Counts `json:"baseline"`
	// P is that of the check of errors, such as it was then; 1 without a baseline.
	P float64 `json:"p"`
	// Objective and InRow are those of the checks objective and failures in a row.
	Objective float64 `json:"objective"`
	InRow     float64 `json:"inRow"`
}

// sum makes a verdict of its checks: the first that failed decides, else the
// first that is inconclusive.
func sum(checks []Check) Verdict {
	v := Verdict{Decision: Pass, Checks: checks}
	for _, wanted := range []Decision{Fail, Inconclusive} {
		for _, c := range checks {
			if c.Decision == wanted {
				v.Decision, v.Why = wanted, c.Name+": "+c.Why
				return v
			}
		}
	}
	whys := make([]string, len(checks))
	for i, c := range checks {
		whys[i] = c.Name + ": " + c.Why
	}
	v.Why = strings.Join(whys, "; ")
	return v
}

// percent writes a share with two digits that mean something.
func percent(share float64) string {
	switch p := 100 * share; {
	case p == 0:
		return "0%"
	case p < 10:
		return fmt.Sprintf("%.2g%%", p)
	case p < 99.95:
		return fmt.Sprintf("%.1f%%", p)
	}
	return "100%"
}

// chances writes P beside what it was to fall to.
func (c Check) chances() string {
	sign := ">"
	switch {
	case c.P < c.Below*(1-1e-9):
		sign = "<"
	case c.reached():
		sign = "="
	}
	if c.P < 1e-300 {
		return fmt.Sprintf("p < 1e-300 < %.2g", c.Below)
	}
	return fmt.Sprintf("p = %.2g %s %.2g", c.P, sign, c.Below)
}

// number writes a figure with two or three digits that mean something.
func number(x float64) string {
	if x != 0 && math.Abs(x) < 0.01 {
		return fmt.Sprintf("%.2g", x)
	}
	return fmt.Sprintf("%.3g", x)
}
