package policy

import (
	"math"
	"time"
)

// LimitAlgorithm is how a [RateLimit] counts.
type LimitAlgorithm string

const (
	// TokenBucket admits a burst and then calls at an even rate: at most
	// rate x time + burst. It costs one word of memory. It is the default.
	TokenBucket LimitAlgorithm = "tokenBucket"
	// SlidingWindow admits at most Requests in any stretch of Per, exactly.
	// It remembers the time of each of them.
	SlidingWindow LimitAlgorithm = "slidingWindow"
)

// Enum lists what a configuration file may say.
func (LimitAlgorithm) Enum() []string { return []string{"tokenBucket", "slidingWindow"} }

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
	// Requests, at least 1. A sliding window has none.
	Burst int `yaml:"burst"`
	// Algorithm is how calls are counted: tokenBucket or slidingWindow.
	// Default tokenBucket.
	Algorithm LimitAlgorithm `yaml:"algorithm"`
	// Observer is told, at most once a second, that calls are refused.
	Observer Observer `yaml:"-"`
}

const (
	// rateMax bounds the rate: time is counted in whole nanoseconds, so that a
	// higher one would be kept more than a hundredth too low.
	rateMax = 10_000_000
	// loggedMax bounds the memory of a sliding window to 8 MB.
	loggedMax = 1_000_000
	// depthMax bounds how far ahead of the clock a bucket may be.
	depthMax = 365 * 24 * time.Hour
)

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c RateLimitConfig) Validate() error {
	var p problems
	p.unless(c.Requests > 0 && !math.IsInf(c.Requests, 1), "requests", "want more than 0, got %v", c.Requests)
	p.unless(c.Per >= 0, "per", "want 0 or more, got %v", c.Per)
	p.unless(c.Burst >= 0, "burst", "want 0 or more, got %d", c.Burst)
	p.unless(oneOf(c.Algorithm, LimitAlgorithm("").Enum()), "algorithm", "want tokenBucket or slidingWindow, got %q", c.Algorithm)
	if len(p) > 0 {
		return p.join()
	}
	d := c.WithDefaults()
	if d.Algorithm == SlidingWindow {
		p.unless(c.Requests == math.Trunc(c.Requests) && c.Requests <= loggedMax, "requests",
			"a sliding window wants a whole number up to %d, got %v", loggedMax, c.Requests)
		p.unless(c.Burst == 0, "burst", "a sliding window has none: leave it out, or set algorithm to tokenBucket")
		return p.join()
	}
	interval := float64(d.Per) / d.Requests
	p.unless(d.Requests/d.Per.Seconds() <= rateMax, "requests", "want at most %d a second, got %v in %v", rateMax, d.Requests, d.Per)
	p.unless(interval*float64(d.Burst) <= float64(depthMax), "burst",
		"want what the rate refills within a year, got %d at %v in %v", d.Burst, d.Requests, d.Per)
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c RateLimitConfig) WithDefaults() RateLimitConfig {
	setDefault(&c.Per, time.Second)
	setDefault(&c.Algorithm, TokenBucket)
	if c.Algorithm == TokenBucket {
		setDefault(&c.Burst, int(min(max(c.Requests, 1), math.MaxInt32)))
	}
	return c
}
