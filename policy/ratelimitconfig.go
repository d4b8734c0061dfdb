package policy

import (
	"math"
	"time"
)

// LimitAlgorithm is how a [RateLimit] counts.
type LimitAlgorithm string

const (
	// TokenBucket admits a burst and then calls at an even rate: at most
	// rate x time + burst. It costs one word of memory. It is the default. It
	// is kept as the generic cell rate algorithm, so there is no other name
	// for GCRA.
	TokenBucket LimitAlgorithm = "tokenBucket"
	// LeakyBucket spaces calls evenly: each begins Per / Requests after the
	// one before. Up to QueueMax of them wait for their turn.
	LeakyBucket LimitAlgorithm = "leakyBucket"
	// SlidingWindow admits at most Requests in any stretch of Per, exactly.
	// It remembers the time of each of them.
	SlidingWindow LimitAlgorithm = "slidingWindow"
	// SlidingWindowCounter approximates a sliding window by two counts, in
	// two words. Calls that come evenly are decided as by SlidingWindow;
	// others pass Requests in a stretch of Per by less than twice, and never
	// Requests x (1 + time / Per) in any time.
	SlidingWindowCounter LimitAlgorithm = "slidingWindowCounter"
	// FixedWindow admits at most Requests in each full second, minute or
	// whatever Per is, and up to twice as many around a boundary. It is what
	// quotas that begin anew at a fixed time are made of.
	FixedWindow LimitAlgorithm = "fixedWindow"
)

// Enum lists what a configuration file may say.
func (LimitAlgorithm) Enum() []string {
	return []string{"tokenBucket", "leakyBucket", "slidingWindow", "slidingWindowCounter", "fixedWindow"}
}

// windowed reports whether an algorithm counts whole calls in windows.
func (a LimitAlgorithm) windowed() bool {
	return a == SlidingWindow || a == SlidingWindowCounter || a == FixedWindow
}

// RateLimitConfig configures a [RateLimit]. Zero fields take the default
// beside them; Requests has none.
type RateLimitConfig struct {
	// Name is what events call the limit.
	Name string `yaml:"-"`
	// Requests is how many calls may begin within Per. Required.
	Requests float64 `yaml:"requests"`
	// Per is the time that Requests is for. Default 1s.
	Per time.Duration `yaml:"per"`
	// Burst is how many calls may begin at once after a calm. Default:
	// Requests, at least 1. A window has none, and a leaky bucket always 1.
	Burst int `yaml:"burst"`
	// Algorithm is how calls are counted: tokenBucket, leakyBucket,
	// slidingWindow, slidingWindowCounter or fixedWindow. Default tokenBucket.
	Algorithm LimitAlgorithm `yaml:"algorithm"`
	// QueueMax is how many calls may wait for their turn instead of being
	// refused at once. Default: none, and 100 before a leaky bucket.
	QueueMax int `yaml:"queueMax"`
	// WaitMax is how long they wait, and how far ahead calls are reserved; a
	// call that would have to wait longer is refused at once. Default 1s.
	WaitMax time.Duration `yaml:"waitMax"`
	// Scale is how much of Requests and Burst is allowed at the moment, such as
	// what the load leaves room for: 1 is all, and less than 1% counts as that.
	// It is asked at most ten times a second, by a call that comes. Nil: all.
	Scale func() float64 `yaml:"-"`
	// Observer is told that calls are refused, and of a limit that changes by a
	// quarter or more because of Scale.
	Observer Observer `yaml:"-"`
}

const (
	// rateMax bounds the rate: time is counted in whole nanoseconds, so that a
	// higher one would be kept more than a hundredth too low.
	rateMax = 10_000_000
	// loggedMax bounds the memory of a sliding window to 8 MB.
	loggedMax = 1_000_000
	// depthMax bounds how far ahead of the clock a limit may look.
	depthMax = 365 * 24 * time.Hour
	// waitingMax bounds how many calls may wait for a limit.
	waitingMax = 10_000
)

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c RateLimitConfig) Validate() error {
	var p problems
	p.unless(c.Requests > 0 && !math.IsInf(c.Requests, 1), "requests", "want more than 0, got %v", c.Requests)
	p.unless(c.Per >= 0 && c.Per <= depthMax, "per", "want up to %v, got %v", depthMax, c.Per)
	p.unless(c.Burst >= 0, "burst", "want 0 or more, got %d", c.Burst)
	p.unless(oneOf(c.Algorithm, LimitAlgorithm("").Enum()), "algorithm", "%s, got %q", c.Algorithm.advice(), c.Algorithm)
	p.unless(c.QueueMax >= 0 && c.QueueMax <= waitingMax, "queueMax", "want 0 to %d, got %d", waitingMax, c.QueueMax)
	p.unless(usableDuration(c.WaitMax), "waitMax", "want up to %v, got %v", durationMax, c.WaitMax)
	if len(p) > 0 {
		return p.join()
	}
	d := c.WithDefaults()
	if d.Algorithm.windowed() {
		p.unless(c.Requests == math.Trunc(c.Requests) && c.Requests <= loggedMax, "requests",
			"a window wants a whole number up to %d, got %v", loggedMax, c.Requests)
		p.unless(c.Burst == 0, "burst", "a window has none: leave it out, or set algorithm to tokenBucket")
		return p.join()
	}
	p.unless(c.Burst <= 1 || d.Algorithm != LeakyBucket, "burst",
		"a leaky bucket lets no two calls begin at once: leave it out, or set algorithm to tokenBucket; queueMax is how many wait")
	interval := float64(d.Per) / d.Requests
	p.unless(d.Requests/d.Per.Seconds() <= rateMax, "requests", "want at most %d a second, got %v in %v", rateMax, d.Requests, d.Per)
	p.unless(interval*float64(d.Burst) <= float64(depthMax), "burst",
		"want what the rate refills within a year, got %d at %v in %v", d.Burst, d.Requests, d.Per)
	return p.join()
}

// advice is what to write instead of an algorithm that there is not.
func (a LimitAlgorithm) advice() string {
	switch a {
	case "gcra":
		return "want tokenBucket, which is the generic cell rate algorithm"
	case "slidingWindowLog":
		return "want slidingWindow, which is a log"
	}
	return "want tokenBucket, leakyBucket, slidingWindow, slidingWindowCounter or fixedWindow"
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c RateLimitConfig) WithDefaults() RateLimitConfig {
	setDefault(&c.Per, time.Second)
	setDefault(&c.Algorithm, TokenBucket)
	setDefault(&c.WaitMax, time.Second)
	switch c.Algorithm {
	case TokenBucket:
		setDefault(&c.Burst, int(min(max(c.Requests, 1), math.MaxInt32)))
	case LeakyBucket:
		setDefault(&c.Burst, 1)
		setDefault(&c.QueueMax, 100)
	}
	return c
}

// burst is how many calls may begin at once after a calm. The Config has its
// defaults.
func (c *RateLimitConfig) burst() int {
	if c.Algorithm.windowed() {
		return int(c.Requests)
	}
	return c.Burst
}

// sameShape reports whether two limiters of these Configs would be alike.
func (c *RateLimitConfig) sameShape(other *RateLimitConfig) bool {
	return c.Algorithm == other.Algorithm && c.Requests == other.Requests && c.Per == other.Per && c.Burst == other.Burst
}
