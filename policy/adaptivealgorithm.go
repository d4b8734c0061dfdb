package policy

// AdaptiveAlgorithm is how an [Adaptive] learns its limit.
type AdaptiveAlgorithm string

const (
	// AdaptiveGradient scales the limit by how much slower than usual calls
	// have become. It is the default: it reacts within a few round trips and
	// needs no tuning.
	AdaptiveGradient AdaptiveAlgorithm = "gradient"
	// AdaptiveVegas keeps a small number of calls queued in the callee. It
	// moves in small steps: steadier, and slower to follow a change.
	AdaptiveVegas AdaptiveAlgorithm = "vegas"
	// AdaptiveAIMD grows the limit until calls time out or take longer than
	// LatencyMax. It is for a callee whose latency says nothing about its load,
	// or where LatencyMax is a promise made to somebody.
	AdaptiveAIMD AdaptiveAlgorithm = "aimd"
)

// Enum lists what a configuration file may say.
func (AdaptiveAlgorithm) Enum() []string { return []string{"gradient", "vegas", "aimd"} }

// estimator returns what the algorithm learns with, from a first limit on.
func (c *AdaptiveConfig) estimator(limit int) AdaptiveEstimator {
	if c.Estimator != nil {
		return c.Estimator(limit)
	}
	switch c.Algorithm {
	case AdaptiveAIMD:
		return newAIMD(limit, c.LatencyMax)
	case AdaptiveVegas:
		g := newGradient(limit)
		g.vegas = true
		return g
	}
	return newGradient(limit)
}
