package gateway

import (
	"cmp"
	"slices"
	"time"
)

// CacheConfig keeps answers to GET, as far as they may be shared.
type CacheConfig struct {
	// TTL is how long an answer is fresh that does not say so itself. Default:
	// such answers are not kept.
	TTL time.Duration `yaml:"ttl"`
	// StaleIfError is how long after that an answer is given in place of a
	// failure, where it does not say so itself. Default: not at all.
	StaleIfError time.Duration `yaml:"staleIfError"`
	// StaleWhileRevalidate is how long after that an answer is given while a new
	// one is asked for, where it does not say so itself. Default: not at all.
	StaleWhileRevalidate time.Duration `yaml:"staleWhileRevalidate"`
	// BodyBytes is how long a body may be to be kept. Default 1048576.
	BodyBytes int `yaml:"bodyBytes"`
	// EntriesMax is how many answers are kept; those that were not asked for
	// longest go first. Default 10000.
	EntriesMax int `yaml:"entriesMax"`
	// BytesMax is about how much memory they may take. Default 67108864.
	BytesMax int64 `yaml:"bytesMax"`
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c CacheConfig) WithDefaults() CacheConfig {
	c.BodyBytes = cmp.Or(c.BodyBytes, 1<<20)
	c.EntriesMax = cmp.Or(c.EntriesMax, 10_000)
	c.BytesMax = cmp.Or(c.BytesMax, 64<<20)
	return c
}

func (v *validator) cache(c *CacheConfig, path ...string) {
	at := func(field string) []string { return append(slices.Clone(path), field) }
	for field, d := range map[string]time.Duration{
		"ttl": c.TTL, "staleIfError": c.StaleIfError, "staleWhileRevalidate": c.StaleWhileRevalidate,
	} {
		if d < 0 || d > staleMax {
			v.add("want a time from 0 to %v, got %v", []any{time.Duration(staleMax), d}, at(field)...)
		}
	}
	v.count(c.BodyBytes, replayBytesMax, at("bodyBytes")...)
	v.count(c.EntriesMax, 10_000_000, at("entriesMax")...)
	v.bytes(c.BytesMax, at("bytesMax")...)
}

// staleMax bounds how long an answer is kept.
const staleMax = 365 * 24 * time.Hour
