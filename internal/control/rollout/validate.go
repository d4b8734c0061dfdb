package rollout

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// FieldError is a problem with one field of a Config.
type FieldError struct {
	// Field is its path, such as steps[0].weight.
	Field   string
	Problem string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c Config) WithDefaults() Config {
	if c.Strategy == "" {
		switch {
		case c.Preview != "":
			c.Strategy = BlueGreen
		case len(c.Steps) > 0:
			c.Strategy = Canary
		default:
			c.Strategy = Rolling
		}
	}
	c.Steps, c.Hooks = slices.Clone(c.Steps), slices.Clone(c.Hooks)
	switch c.Strategy {
	case Canary:
		if c.Judge == nil {
			c.Judge = new(judge.Config)
		}
		c.Keep = cmp.Or(c.Keep, time.Minute)
		if len(c.Steps) == 0 {
			for _, weight := range []policy.Ratio{0.05, 0.25, 0.5} {
				c.Steps = append(c.Steps, StepConfig{Weight: weight, Hold: 5 * time.Minute})
			}
		}
	case BlueGreen:
		c.Keep = cmp.Or(c.Keep, 10*time.Minute)
		if len(c.Steps) == 0 && c.Preview != "" {
			c.Steps = []StepConfig{{Gate: true}}
		}
	}
	c.CrashesMax = cmp.Or(c.CrashesMax, 1)
	for i := range c.Hooks {
		h := &c.Hooks[i]
		h.Timeout, h.Interval = cmp.Or(h.Timeout, 10*time.Second), cmp.Or(h.Interval, 10*time.Second)
	}
	return c
}

// Validate returns a FieldError for each field that cannot be used, joined.
func (c Config) Validate() error {
	var p problems
	d := c.WithDefaults()
	p.unless(slices.Contains(Strategy("").Enum(), string(d.Strategy)), "strategy", "want rolling, blueGreen or canary, got %q", c.Strategy)
	p.unless(len(c.Steps) <= stepsMax, "steps", "want at most %d, got %d", stepsMax, len(c.Steps))
	p.unless(d.Strategy != Rolling || len(c.Steps) == 0, "steps", "a rolling release has none; write strategy: canary")
	last := policy.Ratio(0)
	for i := range c.Steps {
		last = c.Steps[i].check(&p, fmt.Sprintf("steps[%d]", i), d.Strategy, last)
	}
	p.unless(c.Preview == "" || d.Strategy != Rolling, "preview", "a rolling release has no version to show beforehand; write strategy: blueGreen")
	if c.Preview != "" {
		_, err := gateway.ListenAddress(c.Preview)
		p.unless(err == nil, "preview", "%v", err)
	}
	p.unless(c.Keep <= timeMax, "keep", "want at most %v, got %v", timeMax, c.Keep)
	p.unless(!c.Baseline || d.Strategy == Canary, "baseline", "belongs to a canary; write strategy: canary")
	p.unless(!c.Unjudged || d.Strategy == Canary, "unjudged", "belongs to a canary, which alone is judged by default")
	p.unless(c.Judge == nil || !c.Unjudged, "judge", "is not asked: leave unjudged out, or the judge")
	if c.Judge != nil {
		p.add("judge", c.Judge.Validate())
	}
	p.add("sticky", c.Sticky.Validate())
	p.unless(len(c.Hooks) <= hooksMax, "hooks", "want at most %d, got %d", hooksMax, len(c.Hooks))
	for i := range c.Hooks {
		c.Hooks[i].check(&p, fmt.Sprintf("hooks[%d]", i))
	}
	return errors.Join(p...)
}

// check returns the weight that holds after the step.
func (c *StepConfig) check(p *problems, at string, strategy Strategy, last policy.Ratio) policy.Ratio {
	p.ratio(c.Weight, at+".weight")
	p.ratio(c.Mirror, at+".mirror")
	p.unless(c.Hold >= 0 && c.Hold <= timeMax, at+".hold", "want 0s to %v, got %v", timeMax, c.Hold)
	shares := c.Weight != 0 || c.Mirror != 0 || len(c.Match) > 0
	p.unless(strategy != BlueGreen || !shares, at, "a blueGreen release switches at once: want hold or gate, or strategy: canary")
	p.unless(shares || c.Hold > 0 || c.Gate, at, "says nothing: want weight, mirror, match, hold or gate")
	p.unless(c.Weight == 0 || c.Weight >= last, at+".weight", "want at least the %v of the step before, got %v", last, c.Weight)
	p.unless(c.Mirror == 0 || max(c.Weight, last) == 0, at+".mirror", "copies come before requests: a step before, or this one, has a weight")
	p.add(at+".match", gateway.ValidateMatches(c.Match))
	return max(last, c.Weight)
}

func (c *HookConfig) check(p *problems, at string) {
	p.unless(slices.Contains(HookTime("").Enum(), string(c.At)), at+".at", "want before, during or after, got %q", c.At)
	u, err := url.Parse(c.URL)
	p.unless(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", at+".url", "want a URL such as http://127.0.0.1:8000/check, got %q", c.URL)
	p.unless(c.Timeout >= 0 && c.Timeout <= time.Hour, at+".timeout", "want 0s to 1h, got %v", c.Timeout)
	p.unless(c.Interval == 0 || c.Interval >= 10*time.Millisecond && c.Interval <= timeMax, at+".interval", "want 10ms to %v, got %v", timeMax, c.Interval)
	p.unless(c.FailuresMax >= 0 && c.FailuresMax <= 1e6, at+".failuresMax", "want 0 to 1000000, got %d", c.FailuresMax)
}

// problems collects every FieldError of a Config.
type problems []error

func (p *problems) unless(ok bool, field, format string, args ...any) {
	if !ok {
		*p = append(*p, &FieldError{field, fmt.Sprintf(format, args...)})
	}
}

func (p *problems) ratio(r policy.Ratio, field string) {
	p.unless(r >= 0 && r <= 1, field, "want 0%% to 100%%, got %v", r)
}

// add places what the owner of a part of it finds there.
func (p *problems) add(at string, err error) {
	if err == nil {
		return
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, one := range all {
		var e *gateway.ConfigError
		var f *policy.FieldError
		switch {
		case errors.As(one, &e):
			p.unless(false, at+path(e.Path), "%s", e.Problem)
		case errors.As(one, &f):
			p.unless(false, at+"."+f.Field, "%s", f.Problem)
		default:
			p.unless(false, at, "%v", one)
		}
	}
}

// path writes the rest of a path: .name, or [3] for a place in a list.
func path(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		if strings.Trim(part, "0123456789") == "" {
			b.WriteString("[" + part + "]")
		} else {
			b.WriteString("." + part)
		}
	}
	return b.String()
}
