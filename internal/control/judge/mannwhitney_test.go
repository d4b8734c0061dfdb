package judge

import (
	"math"
	"math/rand/v2"
	"testing"
)

// about returns n values around a mean, always the same ones.
func about(mean, deviation float64, n int) []float64 {
	dice := rand.New(rand.NewPCG(uint64(mean*1000), uint64(n)))
	values := make([]float64, n)
	for i := range values {
		values[i] = mean + deviation*dice.NormFloat64()
	}
	return values
}

// sparse returns n values of which a share is not zero, around one.
func sparse(share, scale float64, n int, seed uint64) []float64 {
	dice := rand.New(rand.NewPCG(seed, 1))
	values := make([]float64, n)
	for i := range values {
		if dice.Float64() < share {
			values[i] = scale * (1 + dice.Float64())
		}
	}
	return values
}

func same(x float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = x
	}
	return values
}

// TestComparisonClassifiesAsKayentaDoes holds a comparison to what the tests of
// Kayenta say of its Mann-Whitney classifier, all 34 of them, on values of the
// same kind.
func TestComparisonClassifiesAsKayentaDoes(t *testing.T) {
	ten, eleven, twenty := about(10, 2, 30), about(10.2, 2.1, 30), about(20.5, 2.2, 30)
	low, high := []float64{1, 2.4, 1.2, 2.6, 3.1}, []float64{20, 23, 21, 26, 31}
	errorsMany, errorsFew := sparse(0.3, 1.5, 190, 1), sparse(0.1, 1.4, 190, 2)
	some, none := []float64{55, 54, 56, 55.5, 58}, same(0, 5)
	rare, rarely := sparse(0.35, 3e-5, 90, 3), sparse(0.3, 3e-5, 90, 4)

	usual := comparison{direction: Either, tolerance: 0.1, confidence: 0.95, measure: MeanRatio,
		decrease: 1, increase: 1, criticalDecrease: 1, criticalIncrease: 1}
	with := func(change func(*comparison)) comparison {
		c := usual
		change(&c)
		return c
	}
	toward := func(d Direction) comparison { return with(func(c *comparison) { c.direction = d }) }
	effect := func(decrease, increase float64) comparison {
		return with(func(c *comparison) { c.decrease, c.increase = decrease, increase })
	}
	critical := func(decrease, increase float64) comparison {
		return with(func(c *comparison) { c.critical, c.criticalDecrease, c.criticalIncrease = true, decrease, increase })
	}
	pairs := with(func(c *comparison) {
		c.measure, c.tolerance, c.confidence, c.decrease, c.increase = Superiority, 0.2, 0.98, 0.2, 0.8
	})

	for _, test := range []struct {
		name             string
		canary, baseline []float64
		comparison       comparison
		want             class
		critical         bool
		ratio            float64 // 0: any
	}{
		{"alike", ten, eleven, usual, classPass, false, 0},
		{"twice as high", twenty, eleven, usual, classHigh, false, 0},
		{"half as high", ten, twenty, usual, classLow, false, 0},
		{"lower where only an increase is bad", ten, twenty, toward(Increase), classPass, false, 0},
		{"higher where only a decrease is bad", twenty, ten, toward(Decrease), classPass, false, 0},
		{"higher where an increase is bad", twenty, ten, toward(Increase), classHigh, false, 0},
		{"lower where a decrease is bad", ten, twenty, toward(Decrease), classLow, false, 0},
		{"more that are not zero, of many zeros", errorsMany, errorsFew, usual, classHigh, false, 0},

		{"higher with an effect that counts", high, low, effect(0.8, 1.2), classHigh, false, 0},
		{"lower with an effect that counts", ten, twenty, with(func(c *comparison) { c.direction, c.decrease, c.increase = Decrease, 0.8, 1.2 }), classLow, false, 0},
		{"lower with one that is too small", []float64{13, 15, 14, 16, 21}, []float64{20, 23, 21, 26, 31}, effect(0.5, 1), classPass, false, 0},
		{"many zeros with an effect that is too small", errorsMany, errorsFew, effect(1, 5), classPass, false, 0},
		{"pairs: about as many are higher as lower", rare, rarely, pairs, classPass, false, 0},
		{"pairs: nearly all are higher", about(0.006, 0.001, 30), about(0.0006, 0.0002, 30), pairs, classHigh, false, 0},
		{"pairs: nearly all are lower", about(21, 1.7, 30), about(25, 2, 30), pairs, classLow, false, 0},

		{"critical and high", high, low, critical(1, 1.2), classHigh, true, 0},
		{"critical and low", []float64{2, 2, 2, 2, 3}, []float64{10, 21, 11, 20, 31}, critical(1.2, 1), classLow, true, 0},
		{"high, not by enough to be critical", high, low, with(func(c *comparison) { c.critical, c.increase, c.criticalIncrease = true, 5, 13 }), classHigh, false, 0},
		{"not even high by the effect wanted", high, low, with(func(c *comparison) { c.critical, c.increase, c.criticalIncrease = true, 13, 15 }), classPass, false, 0},
		{"critical by any effect", high, low, critical(1, 1), classHigh, true, 0},

		{"all values the same in both", same(1, 3), same(1, 2), toward(Decrease), classPass, false, 1},
		{"the same values in another order", []float64{1, 2, 3, 4, 5}, []float64{5, 4, 3, 2, 1}, toward(Decrease), classPass, false, 1},
		{"a zero before values that are the same", []float64{0, 1, 1, 1, 1}, same(1, 5), toward(Decrease), classPass, false, 0},
		{"no values of the canary", nil, []float64{1, 2, 3, 4, 5}, toward(Decrease), classNoData, false, 0},
		{"no values of a critical one", nil, []float64{1, 2, 3, 4, 5}, with(func(c *comparison) { c.critical = true }), classNoData, true, 0},
		{"no values where that means zeros", nil, []float64{1, 2, 3, 4, 5}, with(func(c *comparison) { c.missingAsZero = true }), classPass, false, 0},
		{"no values of either", nil, nil, with(func(c *comparison) { c.critical = true }), classNoData, true, 0},
		{"one that differs among ties", []float64{1, 1, 1, 1, 10}, same(1, 5), usual, classPass, false, 0},
		{"ties, of another value each", same(10, 5), same(1, 5), usual, classHigh, false, 0},
		{"ties, beside zeros", same(10, 5), same(0, 5), usual, classHigh, false, 0},
		{"higher than zeros", some, none, effect(0.8, 1.2), classHigh, false, math.NaN()},
		{"zeros, lower than some", none, some, effect(0.8, 1.2), classLow, false, math.NaN()},
		{"critical, higher than zeros", []float64{0.05, 0.05, 0.017, 0.017, 0.017, 0.05, 0.033, 0.05, 0.05, 0.13}, same(0, 10),
			with(func(c *comparison) {
				c.critical, c.missingAsZero, c.criticalDecrease, c.criticalIncrease = true, true, 0.8, 1.2
			}), classHigh, true, math.NaN()},
		{"zeros beside zeros", none, none, effect(0.8, 1.2), classPass, false, 1},
	} {
		got := test.comparison.classify(test.canary, test.baseline)
		if got.class != test.want || got.critical != test.critical {
			t.Errorf("%s: %s, critical %v; want %s, %v (%+v)", test.name, got.class, got.critical, test.want, test.critical, got.shift)
		}
		if test.ratio != 0 && got.ratio != test.ratio && !(math.IsNaN(got.ratio) && math.IsNaN(test.ratio)) {
			t.Errorf("%s: the ratio is %v, want %v", test.name, got.ratio, test.ratio)
		}
	}
}

// TestMannWhitneyAgreesWithItsTables has values small enough to count by hand: of
// 10 differences in pairs of {1, 2} and {3, 4, 5, 6, 7} none is positive.
func TestMannWhitneyAgreesWithItsTables(t *testing.T) {
	found := mannWhitney([]float64{1, 2}, []float64{3, 4, 5, 6, 7}, 0.95)
	if found.up || found.estimate != -3.5 {
		t.Errorf("got %+v, want an estimate of -3.5, downwards", found)
	}
	// z is (5-0.5) / sqrt(2*5*8/12) = 1.7428, of which p is 0.0814.
	if math.Abs(found.p-0.0814) > 0.0002 {
		t.Errorf("p is %v, want 0.0814", found.p)
	}
}

// TestMannWhitneySeldomBlamesByChance draws both samples from the same values.
func TestMannWhitneySeldomBlamesByChance(t *testing.T) {
	dice, outside := rand.New(rand.NewPCG(1, 1)), 0
	const trials = 2000
	for range trials {
		a, b := make([]float64, 25), make([]float64, 30)
		for i := range a {
			a[i] = math.Exp(dice.NormFloat64())
		}
		for i := range b {
			b[i] = math.Exp(dice.NormFloat64())
		}
		if found := mannWhitney(a, b, 0.9); found.low > 0 || found.high < 0 {
			outside++
		}
	}
	if share := float64(outside) / trials; share < 0.07 || share > 0.13 {
		t.Errorf("an interval of 90%% misses in %v", share)
	}
}
