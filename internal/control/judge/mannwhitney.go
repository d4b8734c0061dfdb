package judge

import (
	"math"
	"slices"
)

// Direction is which way a series may not go.
type Direction string

const (
	// Increase: more is worse.
	Increase Direction = "increase"
	// Decrease: less is worse.
	Decrease Direction = "decrease"
	// Either: any change is.
	Either Direction = "either"
)

// Enum lists what a configuration file may say.
func (Direction) Enum() []string { return []string{"increase", "decrease", "either"} }

// Effect is how the size of a difference is measured.
type Effect string

const (
	// MeanRatio is the canary's mean divided by the baseline's.
	MeanRatio Effect = "meanRatio"
	// Superiority is the share of the pairs in which the canary's value is the
	// higher, a tie counting half: the common language effect size of A. Vargha
	// and H. D. Delaney, 2000.
	Superiority Effect = "superiority"
)

// Enum lists what a configuration file may say.
func (Effect) Enum() []string { return []string{"meanRatio", "superiority"} }

// shift is what a comparison by the test of Mann and Whitney found.
type shift struct {
	// low and high bound by how much the canary is above the baseline, with the
	// wanted confidence; estimate is the estimate of J. L. Hodges and E. L.
	// Lehmann, the median of all differences.
	low, estimate, high float64
	// p is the chance of ranks that differ as much, and up whether the canary's
	// are the higher ones.
	p  float64
	up bool
}

// mannWhitney compares two samples, neither of them empty, by the test of H. B.
// Mann and D. R. Whitney, 1947, in its normal approximation with corrections for
// ties and for continuity.
func mannWhitney(canary, baseline []float64, confidence float64) shift {
	m, n := float64(len(canary)), float64(len(baseline))
	u, ties := rankSum(canary, baseline)
	u -= m * (m + 1) / 2
	variance := m * n / 12 * (m + n + 1 - ties/((m+n)*(m+n-1)))
	centre := m * n / 2
	found := shift{p: 1, up: u > centre}
	if variance > 0 {
		z := max(math.Abs(u-centre)-0.5, 0) / math.Sqrt(variance)
		found.p = math.Erfc(z / math.Sqrt2)
	}
	differences := make([]float64, 0, len(canary)*len(baseline))
	for _, c := range canary {
		for _, b := range baseline {
			differences = append(differences, c-b)
		}
	}
	slices.Sort(differences)
	reach := math.Sqrt2 * math.Erfinv(confidence) * math.Sqrt(m*n*(m+n+1)/12)
	at := int(min(max(math.Round(centre-reach), 1), math.Max(m*n/2, 1)))
	found.low, found.high = differences[at-1], differences[len(differences)-at]
	found.estimate = middle(differences)
	return found
}

// rankSum returns the sum of the first sample's ranks among both, ties sharing
// theirs, and the sum of t^3-t over groups of t values that are equal.
func rankSum(a, b []float64) (sum, ties float64) {
	type value struct {
		x     float64
		first bool
	}
	all := make([]value, 0, len(a)+len(b))
	for _, x := range a {
		all = append(all, value{x, true})
	}
	for _, x := range b {
		all = append(all, value{x, false})
	}
	slices.SortFunc(all, func(v, w value) int {
		switch {
		case v.x < w.x:
			return -1
		case v.x > w.x:
			return 1
		}
		return 0
	})
	for from, to := 0, 0; from < len(all); from = to {
		for to = from; to < len(all) && all[to].x == all[from].x; to++ {
		}
		t := float64(to - from)
		ties += t*t*t - t
		for _, v := range all[from:to] {
			if v.first {
				sum += float64(from+to+1) / 2
			}
		}
	}
	return sum, ties
}

// middle is the median of sorted values.
func middle(sorted []float64) float64 {
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// mean is 0 for no values.
func mean(values []float64) float64 {
	sum := 0.
	if len(values) == 0 {
		return 0
	}
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// ratioOfMeans is NaN where a mean is zero.
func ratioOfMeans(canary, baseline []float64) float64 {
	c, b := mean(canary), mean(baseline)
	if c == 0 || b == 0 {
		return math.NaN()
	}
	return c / b
}

// superiority is the share of the pairs in which the canary's is higher.
func superiority(canary, baseline []float64) float64 {
	m, n := float64(len(canary)), float64(len(baseline))
	sum, _ := rankSum(canary, baseline)
	return (sum - m*(m+1)/2) / (m * n)
}
