package policy

import (
	"math/rand/v2"
	"time"
)

// Backoff is how the wait between tries grows.
type Backoff string

const (
	// BackoffExponential doubles the wait each time. It is the default.
	BackoffExponential Backoff = "exponential"
	// BackoffFibonacci waits as long as the last two times together, which
	// grows by 1.6 in the long run.
	BackoffFibonacci Backoff = "fibonacci"
	// BackoffLinear adds the first wait each time.
	BackoffLinear Backoff = "linear"
	// BackoffConstant always waits the same.
	BackoffConstant Backoff = "constant"
)

// Enum lists what a configuration file may say.
func (Backoff) Enum() []string { return []string{"exponential", "fibonacci", "linear", "constant"} }

// Jitter is how waits are spread, so that callers that failed together do not
// come back together. See M. Brooker, "Exponential Backoff And Jitter", AWS
// Architecture Blog, 2015.
type Jitter string

const (
	// JitterFull waits between nothing and the whole wait. It is the default.
	JitterFull Jitter = "full"
	// JitterEqual waits at least half of it.
	JitterEqual Jitter = "equal"
	// JitterDecorrelated waits between Delay and three times the wait before,
	// whatever the Backoff: waits spread the further, the longer they get.
	JitterDecorrelated Jitter = "decorrelated"
	// JitterNone waits exactly it.
	JitterNone Jitter = "none"
)

// Enum lists what a configuration file may say.
func (Jitter) Enum() []string { return []string{"full", "equal", "decorrelated", "none"} }

// wait is how long to wait before repeat number n, counted from 1. Last is the
// wait before that, zero for none.
func (c *RetryConfig) wait(n int, last time.Duration) time.Duration {
	if c.Jitter == JitterDecorrelated {
		return c.waitDecorrelated(last)
	}
	d := c.Delay
	switch c.Backoff {
	case BackoffLinear:
		d = min(d, c.DelayMax/time.Duration(n)) * time.Duration(n)
	case BackoffFibonacci:
		for i, before := 1, time.Duration(0); i < n && d < c.DelayMax; i++ {
			before, d = d, d+before
		}
	case BackoffExponential:
		for i := 1; i < n && d < c.DelayMax; i++ {
			d *= 2 // cannot overflow: DelayMax is at most durationMax
		}
	}
	d = min(d, c.DelayMax)
	switch c.Jitter {
	case JitterFull:
		d = rand.N(d + 1)
	case JitterEqual:
		d -= rand.N(d/2 + 1)
	}
	return d
}

func (c *RetryConfig) waitDecorrelated(last time.Duration) time.Duration {
	return min(c.Delay+rand.N(3*max(last, c.Delay)-c.Delay+1), c.DelayMax)
}
