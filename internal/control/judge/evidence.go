package judge

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// evidence returns the logarithm of how much better k of n is explained by a
// chance above p than by p itself.
//
// It is the likelihood ratio of the counts, averaged over all chances in
// (p, 1]: the Dirichlet-multinomial mixture of Lindon and Malek for two
// categories, with the part of its prior that the null holds cut off. Its prior
// is Beta(p, 1), in which every doubling of a small chance weighs about the same.
// While the chance is p or less, each of the ratios is a supermartingale, for it
// falls with the chance, and so is their mean: the probability that the evidence
// ever reaches log(1/alpha), however often it is asked, is at most alpha
// (J. Ville, 1939).
func evidence(k, n uint64, p float64) float64 {
	if p <= 0 || p >= 1 || k > n {
		return 0
	}
	hits, misses := float64(k), float64(n-k)
	// How much there is of the prior, and of it times the likelihood, above p.
	prior := math.Log(-math.Expm1(p*math.Log(p)) / p)
	above := mathext.RegIncBeta(misses+1, hits+p, 1-p)
	if above < tailBelow {
		return math.Log1p(-p) + p*math.Log(p) + math.Log(tail(misses+1, hits+p, 1-p)/(misses+1)) - prior
	}
	return mathext.Lbeta(hits+p, misses+1) + math.Log(above) - prior - hits*math.Log(p) - misses*math.Log1p(-p)
}

// tailBelow is where a float64 comes to its end: what lies above p is then
// computed as its series.
const tailBelow = 1e-250

// tail returns the hypergeometric series F(a+b, 1; a+1; x), which is the
// regularized incomplete beta function without its leading factor. Its terms are
// positive, so that a part of it errs to the side of too little evidence.
func tail(a, b, x float64) float64 {
	sum, term := 1., 1.
	for j := range 1000 {
		term *= x * (a + b + float64(j)) / (a + 1 + float64(j))
		if sum += term; term < 1e-6*sum {
			break
		}
	}
	return sum
}

// capital is evidence that was gathered in stretches, such as the steps of a
// release: what one stretch shows counts for all, and a later one can settle the
// matter alone. It is that of a gambler who keeps a part of the money for each
// stretch to come: stretch i begins with 1/(i(i+1)) of it, beside what the
// stretches before have made.
type capital struct {
	// Made is the logarithm of what the stretches that ended have left.
	Made float64 `json:"made"`
	// Ended is how many they were.
	Ended int `json:"ended"`
}

// with returns the logarithm of the capital when the stretch that runs has
// brought evidence e.
func (c capital) with(e float64) float64 {
	i := float64(c.Ended + 1)
	fresh := -math.Log(i * (i + 1))
	if c.Ended == 0 {
		return fresh + e
	}
	return logSum(c.Made, fresh) + e
}

// end closes a stretch that brought evidence e.
func (c capital) end(e float64) capital {
	return capital{Made: max(c.with(e), madeMin), Ended: c.Ended + 1}
}

// madeMin is the least that is kept of a stretch: JSON has no infinity.
const madeMin = -1e6

// logSum returns log(exp(a) + exp(b)).
func logSum(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// chance returns the p-value of evidence: how likely it is, at most, that it
// ever comes to this when there is nothing to be found.
func chance(e float64) float64 { return min(math.Exp(-e), 1) }
