package policy

import "math"

// The bounds between which Vegas keeps the calls that are queued in the callee,
// times the logarithm of the limit.
const vegasLeast, vegasMost = 2, 4

// queueing is the rule of TCP Vegas (L. Brakmo, S. O'Malley and L. Peterson,
// SIGCOMM 1994) for [gradient]: by Little's law, calls that take rtt instead of
// what is tolerable mean that limit x (1 - tolerable / rtt) of them are queued.
// The steps and bounds grow with the logarithm of the limit, as in Netflix's
// concurrency-limits. Slope is less than one where too many are queued.
func (g *gradient) queueing(rtt float64) (slope, limit float64) {
	queued := g.limit * (1 - min((g.baseline+slack)/max(rtt, 1), 1))
	step := math.Log2(max(g.limit, 2))
	switch {
	case queued > vegasMost*step:
		return shrinkMost, g.limit - step
	case queued < vegasLeast*step:
		return 1, g.limit + step
	}
	return 1, g.limit
}
