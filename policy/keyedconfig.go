package policy

import "time"

// WhenKeysFull is what becomes of the calls of further keys once as many keys
// as may be known have calls to make up for.
type WhenKeysFull string

const (
	// ShareWhenFull has all further keys share one limit, of the size of one
	// key's: callers who make up ever new keys gain little, and a few who come
	// at a bad moment are served. It is the default.
	ShareWhenFull WhenKeysFull = "share"
	// RejectWhenFull refuses the calls of further keys.
	RejectWhenFull WhenKeysFull = "reject"
	// AdmitWhenFull admits the calls of further keys without a limit.
	AdmitWhenFull WhenKeysFull = "admit"
)

// Enum lists what a configuration file may say.
func (WhenKeysFull) Enum() []string { return []string{"share", "reject", "admit"} }

// KeyedRateLimitConfig configures a [KeyedRateLimit]. Zero fields take the
// default beside them; Requests has none.
type KeyedRateLimitConfig struct {
	// Name is what events call the limit.
	Name string `yaml:"-"`
	// Requests is how many calls of one key may begin within Per. Required.
	Requests float64 `yaml:"requests"`
	// Per is the time that Requests is for. Default 1s.
	Per time.Duration `yaml:"per"`
	// Burst is how many calls of one key may begin at once after a calm.
	// Default: Requests, at least 1. A window has none, and a leaky bucket
	// always 1.
	Burst int `yaml:"burst"`
	// Algorithm is how calls are counted: tokenBucket, leakyBucket,
	// slidingWindow, slidingWindowCounter or fixedWindow. Default tokenBucket.
	Algorithm LimitAlgorithm `yaml:"algorithm"`
	// QueueMax is how many calls of all keys together may wait for their turn
	// instead of being refused at once. Default: none, and 1000 before leaky
	// buckets.
	QueueMax int `yaml:"queueMax"`
	// WaitMax is how far ahead calls of one key are reserved, and how long they
	// wait where they do; one that would have to wait longer is refused at once.
	// Default 1s.
	WaitMax time.Duration `yaml:"waitMax"`
	// KeysMax is how many keys may be known at once. Default 100000.
	KeysMax int `yaml:"keysMax"`
	// WhenFull is what becomes of the calls of further keys: share, reject or
	// admit. Default share.
	WhenFull WhenKeysFull `yaml:"whenFull"`
	// Scale is how much of Requests and Burst each key is allowed at the moment,
	// as in a [RateLimitConfig]. A window has none. Nil: all.
	Scale func() float64 `yaml:"-"`
	// Key says whose limit a call is under. Calls of the empty key are under
	// one together: to leave out the key must not lift the limit. Default [Key].
	Key KeyFunc `yaml:"-"`
	// Observer is told that calls are refused, and that keys find no place.
	Observer Observer `yaml:"-"`
}

const (
	// keysMax bounds the memory of one limit to some GB.
	keysMax = 100_000_000
	// loggedKeysMax bounds that of all keys' logs to some hundred MB.
	loggedKeysMax = 10_000_000
)

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c KeyedRateLimitConfig) Validate() error {
	var p problems
	p.unless(c.KeysMax >= 0 && c.KeysMax <= keysMax, "keysMax", "want 0 to %d, got %d", keysMax, c.KeysMax)
	p.unless(oneOf(c.WhenFull, WhenKeysFull("").Enum()), "whenFull", "want share, reject or admit, got %q", c.WhenFull)
	p.unless(c.Scale == nil || !c.Algorithm.windowed(), "scale",
		"a window of each key keeps its size: want tokenBucket or leakyBucket, got %s", c.Algorithm)
	keys := max(c.WithDefaults().KeysMax, placesMin)
	p.unless(c.Algorithm != SlidingWindow || c.Requests*float64(keys) <= loggedKeysMax, "algorithm",
		"a log of %v requests for each of %d keys remembers more than %d: want slidingWindowCounter, or a smaller keysMax",
		c.Requests, keys, loggedKeysMax)
	if err := c.one().Validate(); err != nil {
		p = append(p, err.(interface{ Unwrap() []error }).Unwrap()...)
	}
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c KeyedRateLimitConfig) WithDefaults() KeyedRateLimitConfig {
	one := c.one().WithDefaults()
	c.Per, c.Burst, c.Algorithm, c.WaitMax = one.Per, one.Burst, one.Algorithm, one.WaitMax
	c.Key = orKey(c.Key)
	setDefault(&c.KeysMax, 100_000)
	setDefault(&c.WhenFull, ShareWhenFull)
	if c.Algorithm == LeakyBucket {
		setDefault(&c.QueueMax, 1000)
	}
	return c
}

// one is a limit like that of one key.
func (c KeyedRateLimitConfig) one() RateLimitConfig {
	return RateLimitConfig{Requests: c.Requests, Per: c.Per, Burst: c.Burst, Algorithm: c.Algorithm,
		QueueMax: c.QueueMax, WaitMax: c.WaitMax}
}
