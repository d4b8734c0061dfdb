package gateway

import (
	"cmp"
	"slices"
	"time"
)

// IdempotencyConfig has a route serve each Idempotency-Key once, for a service
// that does not know such keys. A repeat gets the first request's answer.
type IdempotencyConfig struct {
	// Required refuses POST and PATCH without a key.
	Required bool `yaml:"required"`
	// By is on whose behalf a request is made: a key is only compared with those
	// of the same one. Default: the Authorization field; else the certificate,
	// the cookies or the client's address, whichever there is first.
	By KeyConfig `yaml:"by"`
	// Repeat repeats such a request as one of an idempotent method, although it
	// may have reached an endpoint: for services that know the key themselves.
	Repeat bool `yaml:"repeat"`
	// Wait is how long a repeat waits for the request that is being served; then
	// it gets a 409. Default 10s; negative, such as -1s: not at all.
	Wait time.Duration `yaml:"wait" min:"-1s"`
	// WaitingMax is how many may wait at once. Default 1000.
	WaitingMax int `yaml:"waitingMax"`
	// Lease is how long a request with a key may be served. Default 1m.
	Lease time.Duration `yaml:"lease"`
	// KeepFor is how long an answer is kept. Default 24h.
	KeepFor time.Duration `yaml:"keepFor"`
	// BodyBytes bounds the body of a request with a key. Default 1048576.
	BodyBytes int `yaml:"bodyBytes"`
	// AnswerBytes is how long a body may be to be kept. Of a longer one only that
	// the request was done is. Default 1048576.
	AnswerBytes int `yaml:"answerBytes"`
	// EntriesMax is how many keys are kept; the oldest go first. Default 100000.
	EntriesMax int `yaml:"entriesMax"`
	// BytesMax is about how much memory they may take. Default 67108864.
	BytesMax int64 `yaml:"bytesMax"`
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c IdempotencyConfig) WithDefaults() IdempotencyConfig {
	c.Wait = cmp.Or(c.Wait, 10*time.Second)
	c.WaitingMax = cmp.Or(c.WaitingMax, 1000)
	c.Lease = cmp.Or(c.Lease, time.Minute)
	c.KeepFor = cmp.Or(c.KeepFor, 24*time.Hour)
	c.BodyBytes = cmp.Or(c.BodyBytes, 1<<20)
	c.AnswerBytes = cmp.Or(c.AnswerBytes, 1<<20)
	c.EntriesMax = cmp.Or(c.EntriesMax, 100_000)
	c.BytesMax = cmp.Or(c.BytesMax, 64<<20)
	return c
}

func (v *validator) idempotency(c *IdempotencyConfig, path ...string) {
	at := func(field string) []string { return append(slices.Clone(path), field) }
	v.keyBy(&c.By, at("by")...)
	if c.Wait > timeMax {
		v.duration(c.Wait, at("wait")...)
	}
	v.count(c.WaitingMax, 1_000_000, at("waitingMax")...)
	v.duration(c.Lease, at("lease")...)
	if c.KeepFor < 0 || c.KeepFor > keepMax {
		v.add("want a time from 0 to %v, got %v", []any{keepMax, c.KeepFor}, at("keepFor")...)
	}
	v.count(c.BodyBytes, replayBytesMax, at("bodyBytes")...)
	v.count(c.AnswerBytes, replayBytesMax, at("answerBytes")...)
	v.count(c.EntriesMax, 10_000_000, at("entriesMax")...)
	v.bytes(c.BytesMax, at("bytesMax")...)
}

const (
	// keepMax bounds how long an answer is kept.
	keepMax = 90 * 24 * time.Hour
	// storeBytesMax bounds what a route keeps in memory.
	storeBytesMax = 1 << 40
)

// bytes checks the size of what is kept in memory, of which zero means the
// default.
func (v *validator) bytes(n int64, path ...string) {
	if n < 0 || n > storeBytesMax {
		v.add("want a number of bytes from 0 to %d, got %d", []any{int64(storeBytesMax), n}, path...)
	}
}
