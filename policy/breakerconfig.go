package policy

import (
	"fmt"
	"time"
)

// BreakerConfig configures a [Breaker]. Zero fields take the default beside
// them; a negative one switches its criterion off.
type BreakerConfig struct {
	// Name is what events call the breaker.
	Name string `yaml:"-"`
	// ConsecutiveFailures opens the breaker after that many failures with no
	// success between them, however far apart. Default 5; negative: off.
	ConsecutiveFailures int `yaml:"consecutiveFailures"`
	// FailureRate opens the breaker when at least this share of the calls in
	// Window, or of the last WindowCalls, failed. Half-open probes are judged
	// by it too. Default 50%; negative: off.
	FailureRate Ratio `yaml:"failureRate"`
	// SlowCallDuration is from when on a call counts as slow, whatever its
	// result. Default 0: none is slow.
	SlowCallDuration time.Duration `yaml:"slowCallDuration"`
	// SlowCallRate opens the breaker when at least this share of those calls
	// were slow. Default 80%; negative: off.
	SlowCallRate Ratio `yaml:"slowCallRate"`
	// MinimumCalls is how many of those calls there must be before a rate
	// counts. Default 20, or WindowCalls if that is less.
	MinimumCalls int `yaml:"minimumCalls"`
	// Window is the time over which rates are measured. Default 10s.
	Window time.Duration `yaml:"window"`
	// WindowCalls measures rates over that many last calls instead, however
	// long ago they were. Default 0: over Window.
	WindowCalls int `yaml:"windowCalls"`
	// OpenDuration is how long the breaker stays open the first time. It doubles
	// each time that probes fail, or that the breaker opens again before it has
	// been closed for as long as it was open, spread by a tenth either way, up
	// to OpenDurationMax. Default 5s.
	OpenDuration time.Duration `yaml:"openDuration"`
	// OpenDurationMax bounds the growth, before the spread. Default 1m, or
	// OpenDuration if that is longer.
	OpenDurationMax time.Duration `yaml:"openDurationMax"`
	// Probes is how many calls a half-open breaker lets through before it
	// decides. Default 3.
	Probes int `yaml:"probes"`
	// ProbeTimeout is how long a probe may take; one that takes longer counts
	// as failed and gives its place back. Default 30s.
	ProbeTimeout time.Duration `yaml:"probeTimeout"`
	// RampUp is how long after half-open the share of admitted calls grows
	// from a tenth to all. Default 0: at once.
	RampUp time.Duration `yaml:"rampUp"`
	// Observer is told of each change of state, and of refused calls.
	Observer Observer `yaml:"-"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c BreakerConfig) Validate() error {
	var p problems
	p.unless(c.FailureRate <= 1, "failureRate", "want at most 100%%, got %v", c.FailureRate)
	p.unless(c.SlowCallRate <= 1, "slowCallRate", "want at most 100%%, got %v", c.SlowCallRate)
	p.unless(usableDuration(c.SlowCallDuration), "slowCallDuration", "want 0 to %v, got %v", durationMax, c.SlowCallDuration)
	p.unless(c.MinimumCalls >= 0, "minimumCalls", "want 0 or more, got %d", c.MinimumCalls)
	p.unless(usableWindow(c.Window), "window", "want 10ms to 1h, got %v", c.Window)
	p.unless(c.WindowCalls >= 0 && c.WindowCalls <= windowCallsMax, "windowCalls", "want 0 to %d, got %d", windowCallsMax, c.WindowCalls)
	p.unless(c.WindowCalls <= 0 || c.MinimumCalls <= c.WindowCalls, "minimumCalls", "want at most windowCalls (%d), got %d", c.WindowCalls, c.MinimumCalls)
	p.unless(usableDuration(c.OpenDuration), "openDuration", "want 0 to %v, got %v", durationMax, c.OpenDuration)
	d := c.WithDefaults()
	p.unless(d.OpenDurationMax >= d.OpenDuration && d.OpenDurationMax <= durationMax,
		"openDurationMax", "want openDuration (%v) to %v, got %v", d.OpenDuration, durationMax, c.OpenDurationMax)
	p.unless(c.Probes >= 0 && c.Probes <= probesMax, "probes", "want 1 to %d, got %d", probesMax, c.Probes)
	p.unless(usableDuration(c.ProbeTimeout), "probeTimeout", "want 0 to %v, got %v", durationMax, c.ProbeTimeout)
	p.unless(usableDuration(c.RampUp), "rampUp", "want 0 to %v, got %v", durationMax, c.RampUp)
	return p.join()
}

// probesMax bounds the memory of a half-open breaker, and windowCallsMax that of
// a closed one.
const (
	probesMax      = 1000
	windowCallsMax = 100_000
)

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c BreakerConfig) WithDefaults() BreakerConfig {
	setDefault(&c.ConsecutiveFailures, 5)
	setDefault(&c.FailureRate, 0.5)
	setDefault(&c.SlowCallRate, 0.8)
	if c.WindowCalls > 0 {
		setDefault(&c.MinimumCalls, min(20, c.WindowCalls))
	}
	setDefault(&c.MinimumCalls, 20)
	setDefault(&c.Window, 10*time.Second)
	setDefault(&c.OpenDuration, 5*time.Second)
	setDefault(&c.OpenDurationMax, max(time.Minute, c.OpenDuration))
	setDefault(&c.Probes, 3)
	setDefault(&c.ProbeTimeout, 30*time.Second)
	return c
}

// outcomes returns what rates are measured over, empty.
func (c *BreakerConfig) outcomes() outcomes {
	if c.WindowCalls > 0 {
		return newCallWindow(c.WindowCalls)
	}
	return newWindow(c.Window)
}

// tooMany explains why the tally opens the breaker, or returns "".
func (c *BreakerConfig) tooMany(s tally) string {
	calls := max(s.calls, s.failures, s.slow) // counts are read one by one
	if calls < c.MinimumCalls {
		return ""
	}
	if c.FailureRate > 0 && float64(s.failures) >= float64(c.FailureRate)*float64(calls) && s.failures > 0 {
		return c.share(s.failures, calls, "failed")
	}
	if c.SlowCallRate > 0 && float64(s.slow) >= float64(c.SlowCallRate)*float64(calls) && s.slow > 0 {
		return c.share(s.slow, calls, fmt.Sprintf("took %v or longer", c.SlowCallDuration))
	}
	return ""
}

// share tells a rate in words.
func (c *BreakerConfig) share(n, calls int, did string) string {
	if c.WindowCalls > 0 {
		return fmt.Sprintf("%d of the last %d calls %s", n, calls, did)
	}
	return fmt.Sprintf("%d of %d calls %s within %v", n, calls, did, c.Window)
}
