package judge

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestEvidenceIsTheMeanOfItsLikelihoodRatios integrates them by rectangles.
func TestEvidenceIsTheMeanOfItsLikelihoodRatios(t *testing.T) {
	for _, test := range []struct {
		k, n uint64
		p    float64
	}{{0, 1, 0.05}, {4, 4, 0.05}, {12, 15, 0.1}, {5, 100, 0.05}, {30, 300, 0.05}, {980, 1000, 0.99}, {999, 1000, 0.99}, {0, 400, 0.5}, {20, 1000, 0.5}} {
		const steps = 400_000
		sum, weight := 0., 0.
		for i := range steps {
			theta := test.p + (1-test.p)*(float64(i)+0.5)/steps
			prior := math.Pow(theta, test.p-1)
			ratio := float64(test.k)*math.Log(theta/test.p) + float64(test.n-test.k)*(math.Log1p(-theta)-math.Log1p(-test.p))
			sum, weight = sum+prior*math.Exp(ratio), weight+prior
		}
		if got, want := evidence(test.k, test.n, test.p), math.Log(sum/weight); math.Abs(got-want) > 0.01 {
			t.Errorf("evidence(%d, %d, %v) is %v, its integral %v", test.k, test.n, test.p, got, want)
		}
	}
}

// TestEvidenceKeepsItsSizeFarBelow: where the counts speak for p, all that
// remains is what lies just above it, which float64 can no longer add up.
func TestEvidenceKeepsItsSizeFarBelow(t *testing.T) {
	before := 0.
	for n := uint64(100); n <= 1e8; n *= 10 {
		got := evidence(0, n, 0.5)
		if math.IsNaN(got) || got >= before || got < -math.Log(float64(n))-3 {
			t.Errorf("evidence(0, %d, 0.5) is %v, before it was %v", n, got, before)
		}
		before = got
	}
}

// TestEvidenceIsSeldomGreatWithoutCause looks at every step: the share of walks
// that ever reach log(1/alpha) is at most alpha.
func TestEvidenceIsSeldomGreatWithoutCause(t *testing.T) {
	const walks, length = 1000, 200
	for _, p := range []float64{0.05, 0.5, 0.95} {
		for _, alpha := range []float64{0.05, 0.2} {
			dice, reached := rand.New(rand.NewPCG(7, 7)), 0
			for range walks {
				k := uint64(0)
				for n := uint64(1); n <= length; n++ {
					if dice.Float64() < p {
						k++
					}
					if evidence(k, n, p) >= -math.Log(alpha) {
						reached++
						break
					}
				}
			}
			share := float64(reached) / walks
			if share > alpha || share < alpha/50 {
				t.Errorf("p %v: %v of the walks reach what %v may", p, share, alpha)
			}
		}
	}
}

func TestCapitalOfManyStretchesIsAFairGamble(t *testing.T) {
	const walks, stretches, length, alpha = 1000, 4, 100, 0.1
	dice, reached := rand.New(rand.NewPCG(3, 5)), 0
walk:
	for range walks {
		var c capital
		for s := range stretches {
			p, k := []float64{0.05, 0.2, 0.5, 0.8}[s], uint64(0)
			for n := uint64(1); n <= length; n++ {
				if dice.Float64() < p {
					k++
				}
				if c.with(evidence(k, n, p)) >= -math.Log(alpha) {
					reached++
					continue walk
				}
			}
			c = c.end(evidence(k, length, p))
		}
	}
	if share := float64(reached) / walks; share > alpha || share == 0 {
		t.Errorf("%v of the walks reach what %v may", share, alpha)
	}
}

func TestCapitalKeepsWhatAStretchHasShown(t *testing.T) {
	var c capital
	c = c.end(6)
	if got := c.with(4); got < 9 {
		t.Errorf("6 and 4 make %v, want about 10 less what is kept for others", got)
	}
	// And one that speaks for the canary does not silence those to come.
	c = capital{}.end(-1000)
	if got := c.with(10); got < 8 {
		t.Errorf("10 after -1000 make %v, want about 10 less what is kept for others", got)
	}
}
