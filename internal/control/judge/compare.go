package judge

import (
	"math"
	"slices"
)

// class is where a canary's series lies beside the baseline's.
type class string

const (
	classPass   class = "pass"
	classHigh   class = "high"
	classLow    class = "low"
	classNoData class = "no data"
)

// comparison classifies a series as Kayenta's judge does: the canary is high when
// the interval of its shift lies above a tolerated part of that shift, and the
// effect is large enough; low the other way.
type comparison struct {
	direction  Direction
	tolerance  float64 // part of the shift that its interval must clear
	confidence float64 // of the interval
	measure    Effect
	decrease   float64 // the effect must be at most this to be low
	increase   float64 // or at least this to be high
	// A critical series fails by these; another is only classified.
	critical                           bool
	criticalDecrease, criticalIncrease float64
	missingAsZero                      bool // no values are zeros
}

// classified is what a comparison found.
type classified struct {
	class    class
	critical bool    // the release must not go on
	ratio    float64 // of the means; NaN where there is none
	shift    shift
}

// classify compares the values of one series.
func (c comparison) classify(canary, baseline []float64) classified {
	same := classified{class: classPass, ratio: 1, shift: shift{p: 1}}
	switch {
	case len(canary) == 0 || len(baseline) == 0:
		if !c.missingAsZero {
			same.class, same.critical = classNoData, c.critical
		}
		return same
	case slices.Equal(sorted(canary), sorted(baseline)), allEqual(canary, baseline):
		return same
	}
	found := classified{class: classPass, ratio: ratioOfMeans(canary, baseline), shift: mannWhitney(canary, baseline, c.confidence)}
	effect := found.ratio
	if c.measure == Superiority {
		effect = superiority(canary, baseline)
	}
	// An effect that cannot be computed, for a mean is zero, is a large one.
	atLeast := func(bound float64) bool { return math.IsNaN(effect) || effect >= bound }
	atMost := func(bound float64) bool { return math.IsNaN(effect) || effect <= bound }
	switch {
	case c.direction != Decrease && c.above(found.shift) && atLeast(c.increase):
		found.class, found.critical = classHigh, c.critical && atLeast(c.criticalIncrease)
	case c.direction != Increase && c.below(found.shift) && atMost(c.decrease):
		found.class, found.critical = classLow, c.critical && atMost(c.criticalDecrease)
	}
	return found
}

// above reports whether the canary is above the baseline by more than is
// tolerated. Where most values are ties, such as zeros, every bound of the shift
// is zero, and whether the ranks differ decides.
func (c comparison) above(s shift) bool {
	if s.low == 0 && s.high == 0 {
		return s.up && s.p < 1-c.confidence
	}
	return s.low > c.tolerance*math.Abs(s.estimate)
}

func (c comparison) below(s shift) bool {
	if s.low == 0 && s.high == 0 {
		return !s.up && s.p < 1-c.confidence
	}
	return s.high < -c.tolerance*math.Abs(s.estimate)
}

func sorted(values []float64) []float64 {
	values = slices.Clone(values)
	slices.Sort(values)
	return values
}

func allEqual(canary, baseline []float64) bool {
	for _, values := range [][]float64{canary, baseline} {
		for _, v := range values {
			if v != canary[0] {
				return false
			}
		}
	}
	return true
}
