package policy

import "time"

// An AdaptiveEstimator learns from finished calls how many a callee can serve
// at once. It decides nothing about any call: that is the affair of the
// [Adaptive], which asks it for one thing at a time. It reads no clock, does no
// I/O and must not use the Adaptive.
type AdaptiveEstimator interface {
	// Observe takes one sample in and reports whether the estimate is new. Not
	// every call is shown: under load some are left out.
	Observe(AdaptiveSample) bool
	// Estimate returns what has been learned.
	Estimate() AdaptiveEstimate
	// Bound changes the range of the limit. It is called before all else.
	Bound(least, most int)
}

// AdaptiveSample is one finished call.
type AdaptiveSample struct {
	// Start and End are when it ran, on a clock that only goes forward.
	Start, End time.Duration
	// InFlight is how many calls ran, with this one, as it ended.
	InFlight int
	Class    Class
}

// AdaptiveEstimate is what an [AdaptiveEstimator] has learned.
type AdaptiveEstimate struct {
	// Limit is how many calls may run at once.
	Limit int
	// Baseline is how long a call takes when the callee is not busy, and RTT
	// how long it took of late; zero when not known yet.
	Baseline, RTT time.Duration
	// Why says what led to the limit.
	Why string
	// Passing is set while the limit is not what was learned, but what it takes
	// to learn: observers are not told of it.
	Passing bool
}
