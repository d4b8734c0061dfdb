package policy

import "time"

// AdaptiveConfig configures an [Adaptive]. Zero fields take the default beside
// them.
type AdaptiveConfig struct {
	// Name is what events call the limit.
	Name string `yaml:"-"`
	// Disabled admits every call and learns nothing.
	Disabled bool `yaml:"disabled"`
	// Algorithm is how the limit is learned: gradient, vegas or aimd. Default
	// gradient.
	Algorithm AdaptiveAlgorithm `yaml:"algorithm"`
	// LatencyMax is from when on aimd takes calls for congested; the others
	// measure what is usual. Default 1s.
	LatencyMax time.Duration `yaml:"latencyMax"`
	// Min is the least that the limit may become. Default 4.
	Min int `yaml:"min"`
	// Max is the most that it may become. Default 1000.
	Max int `yaml:"max"`
	// Initial is the limit before anything has been learned. Default 20, or
	// what Min and Max allow.
	Initial int `yaml:"initial"`
	// QueueMax is how many calls may wait for a place. Default 1000;
	// negative: none.
	QueueMax int `yaml:"queueMax"`
	// WaitMax is how long a call waits at most, to ride out a burst. Once the
	// queue has not been empty for as long as that, the callee is overloaded:
	// then the newest call goes first. Default 100ms.
	WaitMax time.Duration `yaml:"waitMax"`
	// WaitTarget is how long a call waits at most when the callee is
	// overloaded. Default half of WaitMax.
	WaitTarget time.Duration `yaml:"waitTarget"`
	// Estimator makes what learns the limit instead of an Algorithm, from a
	// first limit on. Set keeps the one that there is. Nil: none.
	Estimator func(limit int) AdaptiveEstimator `yaml:"-"`
	// Key says on whose behalf a call is, such as a user or a tenant. Those
	// for whom calls wait take turns, so that one who sends too many does not
	// keep the others from being served; see [Caller]. Default [Key].
	Key KeyFunc `yaml:"-"`
	// Lag reports how late the program itself is at the moment, as when its
	// goroutines wait for a processor. It is taken off what calls took: a
	// program must not take its own shortage for its callee's. Nil: none.
	Lag func() time.Duration `yaml:"-"`
	// Observer is told that calls are shed, and of a limit that changes by a
	// quarter or more.
	Observer Observer `yaml:"-"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c AdaptiveConfig) Validate() error {
	var p problems
	d := c.WithDefaults()
	p.unless(oneOf(c.Algorithm, AdaptiveAlgorithm("").Enum()), "algorithm", "want gradient, vegas or aimd, got %q", c.Algorithm)
	p.unless(usableDuration(c.LatencyMax), "latencyMax", "want 0 to %v, got %v", durationMax, c.LatencyMax)
	p.unless(c.Min >= 0 && c.Min <= placesMax, "min", "want 1 to %d, got %d", placesMax, c.Min)
	p.unless(c.Max == 0 || d.Max >= d.Min, "max", "want at least min (%d), got %d", d.Min, c.Max)
	p.unless(d.Max <= placesMax, "max", "want at most %d, got %d", placesMax, c.Max)
	p.unless(d.Initial >= d.Min && d.Initial <= d.Max, "initial", "want min to max (%d to %d), got %d", d.Min, d.Max, c.Initial)
	p.unless(c.QueueMax <= placesMax, "queueMax", "want at most %d, got %d", placesMax, c.QueueMax)
	p.unless(usableDuration(c.WaitMax), "waitMax", "want 0 to %v, got %v", durationMax, c.WaitMax)
	p.unless(c.WaitTarget >= 0 && (c.WaitTarget == 0 || c.WaitTarget <= d.WaitMax), "waitTarget", "want at most waitMax (%v), got %v", d.WaitMax, c.WaitTarget)
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c AdaptiveConfig) WithDefaults() AdaptiveConfig {
	setDefault(&c.Algorithm, AdaptiveGradient)
	setDefault(&c.LatencyMax, time.Second)
	setDefault(&c.Min, 4)
	setDefault(&c.Max, max(1000, c.Min))
	setDefault(&c.Initial, min(max(20, c.Min), c.Max))
	setDefault(&c.QueueMax, 1000)
	setDefault(&c.WaitMax, 100*time.Millisecond)
	setDefault(&c.WaitTarget, max(c.WaitMax/2, 1))
	c.Key = orKey(c.Key)
	return c
}
