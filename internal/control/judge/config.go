package judge

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// Config is how a canary is judged. Zero fields take the default beside them.
type Config struct {
	// Alpha is the probability, at most, that a canary which is no worse than
	// its baseline is blamed during a release, by what its requests show, all
	// checks together. A smaller one lets a bad canary have some more errors.
	// Default 0.001.
	Alpha float64 `yaml:"alpha"`
	// RequestsMin is how many requests of each version it takes to pass, at
	// every weight. A canary can fail by fewer. Default 100.
	RequestsMin int `yaml:"requestsMin"`
	// Objective is the share of the requests that should succeed: what the old
	// version keeps today. Default 0.99.
	Objective float64 `yaml:"objective"`
	// Broken is the share of failed requests that is certainly too much. One
	// between it and the objective is left to the comparison of the versions.
	// Default 0.1, or ten times what another objective allows, at most 0.5.
	Broken float64 `yaml:"broken"`
	// FailuresInRow is how many requests of the canary may not fail one after
	// the other; more where that happens by chance. Default 5; negative: no
	// such check.
	FailuresInRow int `yaml:"failuresInRow"`
	// Latency is which quantiles of the latency are compared, of requests that
	// succeeded. Default 0.5 and 0.95; an empty list: none.
	Latency []Quantile `yaml:"latency"`
	// Series are other figures that the canary is judged by.
	Series []Series `yaml:"series"`
}

// Quantile is a quantile of latency that a canary may not raise.
type Quantile struct {
	// Of is the quantile, such as 0.95. Required.
	Of float64 `yaml:"of" required:"true"`
	// Tolerance is how much higher, as a share, the canary's may be. Default
	// 0.25.
	Tolerance float64 `yaml:"tolerance"`
	// Slack is how much higher it may be in any case. Default 1ms.
	Slack time.Duration `yaml:"slack"`
}

// seriesMax bounds Config.Series, and latencyMax Config.Latency.
const (
	seriesMax  = 32
	latencyMax = 8
)

// Validate returns a [policy.FieldError] for each field that cannot be used,
// joined.
func (c Config) Validate() error {
	var p problems
	p.unless(c.Alpha == 0 || c.Alpha > 0 && c.Alpha <= 0.1, "alpha", "want a probability above 0, at most 0.1, got %v", c.Alpha)
	p.unless(c.RequestsMin >= 0 && c.RequestsMin <= 1e6, "requestsMin", "want 0 to 1000000, got %d", c.RequestsMin)
	p.unless(c.Objective == 0 || c.Objective >= 0.5 && c.Objective < 1, "objective", "want 0.5 to below 1, such as 0.999, got %v", c.Objective)
	allowed := 1 - c.WithDefaults().Objective
	p.unless(c.Broken == 0 || c.Broken > allowed && c.Broken < 1, "broken", "want more than the %.3g that the objective allows, below 1, got %v", allowed, c.Broken)
	p.unless(c.FailuresInRow < 0 || c.FailuresInRow == 0 || c.FailuresInRow >= 2 && c.FailuresInRow <= 1000, "failuresInRow", "want 2 to 1000, or a negative number for no such check, got %d", c.FailuresInRow)
	p.unless(len(c.Latency) <= latencyMax, "latency", "want at most %d quantiles, got %d", latencyMax, len(c.Latency))
	for i, q := range c.Latency {
		q.check(&p, fmt.Sprintf("latency[%d].", i))
	}
	p.unless(len(c.Series) <= seriesMax, "series", "want at most %d, got %d", seriesMax, len(c.Series))
	names := map[string]bool{}
	for i, s := range c.Series {
		at := fmt.Sprintf("series[%d].", i)
		s.check(&p, at)
		p.unless(!names[s.Name], at+"name", "%q is there twice", s.Name)
		names[s.Name] = true
	}
	return errors.Join(p...)
}

func (q Quantile) check(p *problems, at string) {
	p.unless(q.Of > 0 && q.Of < 1, at+"of", "want a quantile above 0 and below 1, such as 0.95, got %v", q.Of)
	p.unless(q.Tolerance >= 0 && q.Tolerance <= 100, at+"tolerance", "want 0 to 100, such as 0.25 for a quarter more, got %v", q.Tolerance)
	p.unless(q.Slack >= 0 && q.Slack <= time.Hour, at+"slack", "want 0s to 1h, got %v", q.Slack)
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c Config) WithDefaults() Config {
	c.Alpha = or(c.Alpha, 0.001)
	c.RequestsMin = or(c.RequestsMin, 100)
	c.Objective = or(c.Objective, 0.99)
	c.Broken = or(c.Broken, max(min(math.Round(1e6*(10*(1-c.Objective)))/1e6, 0.5), 1.5*(1-c.Objective)))
	c.FailuresInRow = or(c.FailuresInRow, 5)
	if c.Latency == nil {
		c.Latency = []Quantile{{Of: 0.5}, {Of: 0.95}}
	}
	latency := make([]Quantile, len(c.Latency))
	for i, q := range c.Latency {
		latency[i] = Quantile{Of: q.Of, Tolerance: or(q.Tolerance, 0.25), Slack: or(q.Slack, time.Millisecond)}
	}
	series := make([]Series, len(c.Series))
	for i, s := range c.Series {
		series[i] = s.withDefaults()
	}
	c.Latency, c.Series = latency, series
	return c
}

// or returns a field's value, or its default where it has none.
func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// problems collects every FieldError of a Config.
type problems []error

func (p *problems) unless(ok bool, field, format string, args ...any) {
	if !ok {
		*p = append(*p, &policy.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
}
