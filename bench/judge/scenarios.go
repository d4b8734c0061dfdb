package main

import (
	"math"
	"time"
)

// well is a version that nothing is wrong with.
var well = version{errors: 0.001, median: 20 * time.Millisecond}

// steps are the shares of an ordinary release.
var steps = []float64{0.05, 0.25, 0.5}

// scenarios are all that is shown.
func scenarios() []scenario {
	return append(append(alike(), broken()...), slower()...)
}

// alike are releases of a version that is no worse. Blame is false.
func alike() []scenario {
	half := version{errors: 0.01, median: 20 * time.Millisecond}
	poor := version{errors: 0.03, median: 20 * time.Millisecond}
	const want = "at most 1 blamed in 1000"
	return []scenario{
		{name: "identical versions, 0.1% errors, 5, 25, 50%", want: want, weights: steps, requests: 50_000, baseline: well, canary: well, holds: rarelyBlamed},
		{name: "identical, 1% errors, as the objective allows", want: want, weights: steps, requests: 50_000, baseline: half, canary: half, holds: rarelyBlamed},
		{name: "identical, 3% errors, which breaks the objective", want: want, weights: steps, requests: 50_000, baseline: poor, canary: poor, holds: rarelyBlamed},
		{name: "identical, one weight of 50%", want: want, weights: []float64{0.5}, requests: 50_000, baseline: well, canary: well, holds: rarelyBlamed},
		{name: "identical, latency and errors change with a peak", want: want, weights: steps, requests: 50_000, baseline: well, canary: well, varies: peak, holds: rarelyBlamed},
		{name: "identical, an outage of both for 10 s", want: want, weights: steps, requests: 50_000, baseline: well, canary: well, varies: outage, holds: rarelyBlamed},
		{name: "identical, replica by replica of 20, errors come near the end", want: want, weights: replicas(20), requests: 50_000, baseline: well, canary: well, varies: late, holds: rarelyBlamed},
	}
}

// replicas are the shares of a rolling release of n replicas.
func replicas(n int) (shares []float64) {
	for i := range n - 1 {
		shares = append(shares, float64(i+1)/float64(n))
	}
	return shares
}

// broken are releases whose requests fail.
func broken() []scenario {
	bad := func(share float64) version { return version{errors: share, median: well.median} }
	return []scenario{
		{name: "50% errors at a weight of 5%", want: "all fail, p99 at most 12 errors", weights: []float64{0.05}, requests: 50_000, baseline: well, canary: bad(0.5), holds: within(12)},
		{name: "10% errors at a weight of 10%", want: "all fail, p99 at most 20 errors", weights: []float64{0.1}, requests: 50_000, baseline: well, canary: bad(0.1), holds: within(20)},
		{name: "all fail, at a weight of 50%", want: "all fail, p99 at most 12 errors", weights: []float64{0.5}, requests: 50_000, baseline: well, canary: bad(1), holds: within(12)},
		{name: "2% errors against 1%, at a weight of 50%", want: "most fail", weights: []float64{0.5}, requests: 50_000, baseline: version{errors: 0.01, median: well.median}, canary: bad(0.02), holds: func(o outcome) bool { return 2*o.failed > o.releases }},
		{name: "2% errors against 1%, at a weight of 5%", want: "the limit of what counts can show", weights: []float64{0.05}, requests: 50_000, baseline: version{errors: 0.01, median: well.median}, canary: bad(0.02), holds: func(outcome) bool { return true }},
	}
}

// slower are releases whose requests take longer, and some with next to no
// traffic.
func slower() []scenario {
	took := func(times float64) version {
		return version{errors: well.errors, median: time.Duration(times * float64(well.median))}
	}
	tail := well
	tail.tail = 2
	all := func(o outcome) bool { return o.failed == o.releases }
	return []scenario{
		{name: "twice the latency, at a weight of 5%", want: "all fail", weights: []float64{0.05}, requests: 50_000, baseline: well, canary: took(2), holds: all},
		{name: "1.5 times the latency, at a weight of 10%", want: "all fail", weights: []float64{0.1}, requests: 50_000, baseline: well, canary: took(1.5), holds: all},
		{name: "the slowest tenth takes twice as long, weight of 10%", want: "all fail", weights: []float64{0.1}, requests: 50_000, baseline: well, canary: tail, holds: all},
		{name: "1.1 times the latency, which is tolerated", want: "at most 1 blamed in 1000", weights: steps, requests: 50_000, baseline: well, canary: took(1.1), holds: rarelyBlamed},
		{name: "5 requests a minute for 10 minutes, half to the canary", want: "all inconclusive", weights: []float64{0.5}, requests: 50, lookEvery: 1, baseline: well, canary: well, holds: allOpen},
		{name: "5 a minute for 10 minutes, the canary fails always", want: "all fail, p99 at most 12 errors", weights: []float64{0.5}, requests: 50, lookEvery: 1, baseline: well, canary: version{errors: 1}, holds: within(12)},
		{name: "no traffic", want: "all inconclusive", weights: []float64{0.5}, baseline: well, canary: well, holds: allOpen},
	}
}

// peak is a rush hour: three times the errors and twice the latency.
func peak(v version, progress float64) version {
	rise := math.Sin(math.Pi * progress)
	v.errors *= 1 + 2*rise
	v.median = time.Duration(float64(v.median) * (1 + rise))
	return v
}

// outage is 2000 requests of 50,000 of which 60% fail, whatever the version.
func outage(v version, progress float64) version {
	if progress > 0.5 && progress < 0.54 {
		v.errors = 0.6
	}
	return v
}

// late is trouble of both versions in the last fifth.
func late(v version, progress float64) version {
	if progress > 0.8 {
		v.errors = 0.02
	}
	return v
}

// rarelyBlamed is the promise for versions that are no worse.
func rarelyBlamed(o outcome) bool { return float64(o.failed) <= math.Max(1, float64(o.releases)/1000) }

func within(errors uint64) func(outcome) bool {
	return func(o outcome) bool { return o.failed == o.releases && quantile(o.errors, .99) <= errors }
}

func allOpen(o outcome) bool { return o.inconclusive == o.releases }
