package gateway

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// slowLimit is the time from which on a response is slow: some way above the
// median of the endpoints' means, and further where these differ much anyhow.
// Without any it is 0: none.
func slowLimit(samples []sample, c OutlierConfig) time.Duration {
	var means []time.Duration
	for _, s := range samples {
		if s.enough {
			means = append(means, s.mean)
		}
	}
	if len(means) == 0 {
		return 0
	}
	median := medianOf(means)
	limit := max(time.Duration(c.LatencyFactor*float64(median)), median+c.LatencyMin)
	if len(means) < spreadFrom {
		return limit
	}
	for i, mean := range means {
		means[i] = (mean - median).Abs()
	}
	return max(limit, median+time.Duration(spreads*float64(medianOf(means))))
}

const (
	// spreadFrom is from how many endpoints on their spread says something.
	spreadFrom = 5
	// spreads is how many times the median of the means' distances from their
	// median: four standard deviations, if the means were spread normally.
	spreads = 4 * 1.4826
)

// medianOf sorts and returns the median, the lower one of two.
func medianOf(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

// What it takes to be an outlier.
const (
	// worse is how many times worse than the others.
	worse = 3
	// fewest is how many of anything bad: one or two are chance.
	fewest = 3
	// chance is how likely so many bad results may be with the others' rate. An
	// endpoint is judged some hundred thousand times a day.
	chance = 1e-5
)

// outliers are the samples that are much worse than the rest, with the reason.
// Compared with the rest they must be three times worse, so that a fault that
// all share ejects nobody, and worse than chance makes one of many now and then.
func outliers(samples []sample, c OutlierConfig) []sample {
	var found []sample
	for i, s := range samples {
		o := others(samples, i)
		if o.tries == 0 {
			continue
		}
		failing, slow := share(s.failures, s.tries), share(s.slow, s.tries)
		switch {
		case s.enough && failing >= float64(c.FailureRate) && failing >= worse*share(o.failures, o.tries) &&
			unlikely(s.failures, s.tries, o.past.failures, o.past.tries):
			s.why = fmt.Sprintf("%d of its last %d answers failed, and %.1f%% of the others'", s.failures, s.tries, 100*share(o.failures, o.tries))
		case s.enough && slow >= 0.5 && slow >= worse*share(o.slow, o.tries) &&
			unlikely(s.slow, s.tries, o.past.slow, o.past.tries):
			s.slowly = true
			s.why = fmt.Sprintf("%d of its last %d answers were much slower than the others': %v in the mean", s.slow, s.tries, s.mean.Round(time.Millisecond))
		default:
			continue
		}
		found = append(found, s)
	}
	return found
}

// rest is what the other endpoints did.
type rest struct {
	tally
	past tally
}

func others(samples []sample, but int) (o rest) {
	for i, s := range samples {
		if i == but {
			continue
		}
		o.add(s.tally)
		if s.past.tries > s.tries {
			o.past.add(s.past)
		} else {
			o.past.add(s.tally)
		}
	}
	return o
}

// unlikely reports whether so many bad ones of an endpoint's tries cannot well
// be chance, at the rate of the others (by Chernoff's bound on a Poisson
// distribution's tail). One more bad one is counted for the others than they
// had: nobody is perfect.
func unlikely(bad, tries, othersBad, others uint64) bool {
	expected := float64(tries) * float64(othersBad+1) / float64(others+2)
	n := float64(bad)
	return bad >= fewest && n > expected && n*math.Log(n/expected)-n+expected > -math.Log(chance)
}

func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
