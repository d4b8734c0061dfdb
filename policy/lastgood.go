package policy

import (
	"context"
	"time"
)

// LastGoodConfig configures [FallbackLastGood]. Zero fields take the default
// beside them.
type LastGoodConfig struct {
	// Key says what a call asks for, as in a [CacheConfig]. A call without one
	// has no last answer. Default [Key].
	Key KeyFunc `yaml:"-"`
	// AgeMax is how old the answer may be. Default 1h.
	AgeMax time.Duration `yaml:"ageMax"`
	// EntriesMax is how many answers are kept. Default 10000.
	EntriesMax int `yaml:"entriesMax"`
	// BytesMax bounds their estimated size. Default 64 MiB.
	BytesMax int64 `yaml:"bytesMax"`
	// Size estimates the bytes of a value. Default: as in a [CacheConfig].
	Size func(value any) int64 `yaml:"-"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c LastGoodConfig) Validate() error {
	var p problems
	p.unless(c.AgeMax >= 0 && c.AgeMax <= staleMax, "ageMax", "want 0 to %v, got %v", time.Duration(staleMax), c.AgeMax)
	validateRoom(&p, c.EntriesMax, c.BytesMax)
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c LastGoodConfig) WithDefaults() LastGoodConfig {
	c.Key = orKey(c.Key)
	setDefault(&c.AgeMax, time.Hour)
	setDefault(&c.EntriesMax, 10_000)
	setDefault(&c.BytesMax, 64<<20)
	return c
}

// FallbackLastGood returns a Fallback that answers with the last good answer to
// the same key, if it has one that is not too old, and otherwise leaves the
// call as it ended. Unlike a [Cache] it asks the callee every time.
//
// Callers share one value: nobody may modify it. A result that only one can
// use, because it is open (see [Open]) or an io.Closer, is not remembered.
func FallbackLastGood(c LastGoodConfig) (*Fallback, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return FallbackWith(FallbackConfig{LastGood: &c})
}

// remember keeps a success, for the next failure.
func (f *Fallback) remember(ctx context.Context, c *LastGoodConfig, r Result) {
	if !shareable(r) || r.Fallback {
		return // before a Key that panics could leave it open
	}
	if key := c.Key(ctx); key != "" {
		a := &answer{result: r, bytes: bytesOf(key, r.Value, c.Size), fresh: now() + c.AgeMax}
		f.good.put(key, f.good.asking(key), a, c.EntriesMax, c.BytesMax)
	}
}
