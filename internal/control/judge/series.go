package judge

import (
	"fmt"
	"math"
	"strings"
)

// Series is a figure, such as a PromQL expression's, that a canary is judged by:
// held to a bound, or compared with the baseline's.
type Series struct {
	// Name is what verdicts call it. Required.
	Name string `yaml:"name" required:"true"`
	// Query is the expression, in PromQL, whose value is read every 5s: for the
	// canary and for the baseline, $version in it being the version of each.
	Query string `yaml:"query"`
	// Max is what the canary's values may not exceed. Default: no such bound.
	Max *float64 `yaml:"max"`
	// Min is what they may not fall below. Default: no such bound.
	Min *float64 `yaml:"min"`
	// Points is how many values it takes: for a bound, the last ones, all of
	// which must lie beyond it to fail; for a comparison, of each version, all of
	// which count. Default 3 for a bound and 10 for a comparison.
	Points int `yaml:"points"`
	// Compare holds the canary's values to the baseline's.
	Compare *Compare `yaml:"compare"`
	// Warn makes what would fail the canary inconclusive.
	Warn bool `yaml:"warn"`
}

// Compare compares a series of the canary with the baseline's by the test of Mann
// and Whitney, as Kayenta does. That test is made to be done once: at every look
// it would blame one canary in a few. So it is done when there are Points values
// of each version, and again whenever they are twice as many, the i-th time with
// 1/(i(i+1)) of the chance of error that the confidence leaves.
type Compare struct {
	// Direction is which way the canary's may not differ. Default either.
	Direction Direction `yaml:"direction"`
	// Tolerance is the part of the difference that its confidence interval must
	// clear. Default 0.25.
	Tolerance float64 `yaml:"tolerance"`
	// Confidence is that of the interval, for all times together. Default 0.98.
	Confidence float64 `yaml:"confidence"`
	// Effect is how the size of a difference is measured. Default meanRatio.
	Effect Effect `yaml:"effect"`
	// Increase is the effect from which on a higher canary is inconclusive.
	// Default 1, or 0.5 for superiority: any.
	Increase float64 `yaml:"increase"`
	// Decrease is the effect down from which a lower canary is inconclusive.
	// Default 1, or 0.5 for superiority: any.
	Decrease float64 `yaml:"decrease"`
	// CriticalIncrease is the effect from which on a higher canary fails.
	// Default as Increase.
	CriticalIncrease float64 `yaml:"criticalIncrease"`
	// CriticalDecrease is the effect down from which a lower canary fails.
	// Default as Decrease.
	CriticalDecrease float64 `yaml:"criticalDecrease"`
	// MissingAsZero takes no values for zeros, such as those of a counter of
	// errors that never came to be. Default false: no values are inconclusive.
	MissingAsZero bool `yaml:"missingAsZero"`
}

// pointsMax is how many values of a series are kept, of each version. Their
// differences are all looked at, so it is not many.
const pointsMax = 500

func (s Series) check(p *problems, at string) {
	p.unless(s.Name != "", at+"name", "want a name")
	p.unless(s.Max != nil || s.Min != nil || s.Compare != nil, at+"max", "want max, min or compare: nothing says what is bad")
	p.unless(s.Max == nil || s.Min == nil || *s.Min <= *s.Max, at+"min", "want at most max")
	p.unless(s.Points >= 0 && s.Points <= pointsMax, at+"points", "want 1 to %d, got %d", pointsMax, s.Points)
	if s.Compare != nil {
		s.Compare.check(p, at+"compare.")
	}
}

func (c Compare) check(p *problems, at string) {
	oneOf(p, c.Direction, c.Direction.Enum(), at+"direction")
	oneOf(p, c.Effect, c.Effect.Enum(), at+"effect")
	p.unless(c.Tolerance >= 0 && c.Tolerance < 1, at+"tolerance", "want 0 to below 1, got %v", c.Tolerance)
	p.unless(c.Confidence == 0 || c.Confidence >= 0.5 && c.Confidence < 1, at+"confidence", "want 0.5 to below 1, got %v", c.Confidence)
	for field, effect := range map[string]float64{"increase": c.Increase, "decrease": c.Decrease, "criticalIncrease": c.CriticalIncrease, "criticalDecrease": c.CriticalDecrease} {
		p.unless(effect >= 0, at+field, "want 0 or more, got %v", effect)
	}
}

func oneOf[T ~string](p *problems, value T, words []string, field string) {
	for _, w := range words {
		if string(value) == w {
			return
		}
	}
	p.unless(value == "", field, "want %s, got %q", strings.Join(words, " or "), string(value))
}

func (s Series) withDefaults() Series {
	if s.Compare == nil {
		s.Points = or(s.Points, 3)
		return s
	}
	s.Points = or(s.Points, 10)
	c := *s.Compare
	c.Direction = or(c.Direction, Either)
	c.Tolerance = or(c.Tolerance, 0.25)
	c.Confidence = or(c.Confidence, 0.98)
	c.Effect = or(c.Effect, MeanRatio)
	any := 1.
	if c.Effect == Superiority {
		any = 0.5
	}
	c.Increase, c.Decrease = or(c.Increase, any), or(c.Decrease, any)
	c.CriticalIncrease, c.CriticalDecrease = or(c.CriticalIncrease, c.Increase), or(c.CriticalDecrease, c.Decrease)
	s.Compare = &c
	return s
}

// readings are a series' values, the oldest first.
type readings struct {
	canary, baseline []float64
	looks            int   // comparisons so far
	compared         Check // what the last one found
}

// Read tells the values that a series had since the last look: of the canary,
// and of the baseline where there is one. What is not a number is left out. Of
// each, the last 500 count.
func (t *Trial) Read(series string, canary, baseline []float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.judge.Series {
		if s.Name != series {
			continue
		}
		if t.series[series] == nil {
			t.series[series] = new(readings)
		}
		r := t.series[series]
		r.canary, r.baseline = keep(r.canary, canary), keep(r.baseline, baseline)
	}
}

func keep(kept, more []float64) []float64 {
	for _, x := range more {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			kept = append(kept, x)
		}
	}
	if over := len(kept) - pointsMax; over > 0 {
		kept = append(kept[:0], kept[over:]...)
	}
	return kept
}

// judge makes the check of a series.
func (s Series) judge(r *readings, alone bool) Check {
	if r == nil {
		r = new(readings)
	}
	c := s.bounds(r)
	if s.Compare != nil && c.Decision != Fail && !(alone && (s.Max != nil || s.Min != nil)) {
		if compared := s.compare(r); s.Max == nil && s.Min == nil || compared.Decision != Pass {
			c = compared
		}
	}
	if c.Name = s.Name; s.Warn && c.Decision == Fail {
		c.Decision = Inconclusive
	}
	return c
}

// bounds holds the canary's last values to Max and Min.
func (s Series) bounds(r *readings) Check {
	c := Check{Decision: Pass}
	points := s.Points
	if s.Compare != nil {
		points = min(points, 3)
	}
	if len(r.canary) < points {
		c.Decision, c.Why = Inconclusive, fmt.Sprintf("%d values of the canary, of the %d that it takes", len(r.canary), points)
		return c
	}
	last := r.canary[len(r.canary)-points:]
	c.Canary = last[points-1]
	c.Why = fmt.Sprintf("canary %s", number(c.Canary))
	for _, bound := range []struct {
		at     *float64
		word   string
		beyond func(x, at float64) bool
	}{
		{s.Max, "above the max", func(x, at float64) bool { return x > at }},
		{s.Min, "below the min", func(x, at float64) bool { return x < at }},
	} {
		if bound.at == nil {
			continue
		}
		beyond := 0
		for _, x := range last {
			if bound.beyond(x, *bound.at) {
				beyond++
			}
		}
		c.Why += fmt.Sprintf(", %d of the last %d values %s of %s", beyond, points, bound.word, number(*bound.at))
		if beyond == points {
			c.Decision, c.Baseline = Fail, *bound.at
			return c
		}
	}
	return c
}

// compare holds the canary's values to the baseline's.
func (s Series) compare(r *readings) Check {
	o := s.Compare
	n := min(len(r.canary), len(r.baseline))
	switch missing := o.MissingAsZero && n == 0; {
	case missing:
	case r.looks > 0 && n < s.Points<<r.looks:
		return r.compared
	case n < s.Points:
		return Check{Decision: Inconclusive, Why: fmt.Sprintf("%d values of the canary and %d of the baseline, of the %d that it takes of each",
			len(r.canary), len(r.baseline), s.Points)}
	default:
		r.looks++
	}
	times := float64(max(r.looks, 1))
	below := (1 - o.Confidence) / (times * (times + 1))
	found := comparison{direction: o.Direction, tolerance: o.Tolerance, confidence: 1 - below, measure: o.Effect,
		decrease: o.Decrease, increase: o.Increase, missingAsZero: o.MissingAsZero,
		critical: true, criticalDecrease: o.CriticalDecrease, criticalIncrease: o.CriticalIncrease}.classify(r.canary, r.baseline)
	c := Check{Decision: Pass, Canary: mean(r.canary), Baseline: mean(r.baseline), P: found.shift.p, Below: below}
	switch {
	case found.critical:
		c.Decision = Fail
	case found.class != classPass:
		c.Decision = Inconclusive
	}
	c.Why = fmt.Sprintf("canary %s on average, baseline %s: %s; the canary is %s to %s above, a difference counts from %s on", number(c.Canary), number(c.Baseline),
		c.chances(), number(found.shift.low), number(found.shift.high), number(o.Tolerance*math.Abs(found.shift.estimate)))
	r.compared = c
	return c
}
