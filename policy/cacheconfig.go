package policy

import (
	"math"
	"time"
)

// CacheConfig configures a [Cache]. Zero fields take the default beside them.
type CacheConfig struct {
	// Name is what events call the cache.
	Name string `yaml:"-"`
	// Key says what a call asks for. Calls of one key must ask for the same,
	// on behalf of callers who may all see the answer, and return the same
	// type. Default [Key].
	Key KeyFunc `yaml:"-"`
	// TTL is how long an answer is given without asking the callee. Default
	// 1m.
	TTL time.Duration `yaml:"ttl"`
	// StaleWhileRevalidate is how long after that the old answer is still
	// given at once, while a new one is asked for. Default 0: not at all.
	StaleWhileRevalidate time.Duration `yaml:"staleWhileRevalidate"`
	// StaleIfError is how long after TTL the old answer is given when the
	// callee fails or refuses the call. Default 0: not at all.
	StaleIfError time.Duration `yaml:"staleIfError"`
	// FailureTTL is for how long a failure is not asked for again: the old
	// answer stands in where StaleIfError allows, else the failure itself.
	// Default 0: failures are not kept.
	FailureTTL time.Duration `yaml:"failureTTL"`
	// EntriesMax is how many answers are kept. Default 10000.
	EntriesMax int `yaml:"entriesMax"`
	// BytesMax bounds their estimated size. Default 64 MiB.
	BytesMax int64 `yaml:"bytesMax"`
	// Size estimates the bytes of a value. Default: those of a string, of a
	// slice's elements, or of what a pointer points to, and nothing deeper.
	Size func(value any) int64 `yaml:"-"`
	// RefreshTimeout bounds a call that a stale answer has started, since no
	// caller waits for it. Default 10s.
	RefreshTimeout time.Duration `yaml:"refreshTimeout"`
	// Observer is told of old answers that are given, of answers that go, of
	// calls that join another one, and of panics that no caller waits for.
	Observer Observer `yaml:"-"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c CacheConfig) Validate() error {
	var p problems
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"ttl", c.TTL}, {"staleWhileRevalidate", c.StaleWhileRevalidate}, {"staleIfError", c.StaleIfError},
		{"failureTTL", c.FailureTTL}, {"refreshTimeout", c.RefreshTimeout},
	} {
		p.unless(f.value >= 0 && f.value <= staleMax, f.name, "want 0 to %v, got %v", time.Duration(staleMax), f.value)
	}
	validateRoom(&p, c.EntriesMax, c.BytesMax)
	return p.join()
}

// staleMax bounds how long an answer may be kept: a year.
const staleMax = 365 * 24 * time.Hour

// bytesLimit bounds a BytesMax, so that sums of two stay far from overflow.
const bytesLimit = math.MaxInt64 / 2

func validateRoom(p *problems, entriesMax int, bytesMax int64) {
	p.unless(entriesMax >= 0 && entriesMax <= 100*placesMax, "entriesMax", "want 0 to %d, got %d", 100*placesMax, entriesMax)
	p.unless(bytesMax >= 0 && bytesMax <= bytesLimit, "bytesMax", "want 0 to %d, got %d", int64(bytesLimit), bytesMax)
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c CacheConfig) WithDefaults() CacheConfig {
	c.Key = orKey(c.Key)
	setDefault(&c.TTL, time.Minute)
	setDefault(&c.EntriesMax, 10_000)
	setDefault(&c.BytesMax, 64<<20)
	setDefault(&c.RefreshTimeout, 10*time.Second)
	return c
}
