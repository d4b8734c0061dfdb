package main

import (
	"math"

	"github.com/afloat-dev/afloat/internal/chart"
)

// picture draws how the judge's mind was made up in one release of some kinds.
func picture() string {
	const until, most = 4000., 8.
	c := chart.Chart{Title: "How unlikely the canary's errors are if it is no worse", X: "requests of both versions", Y: "chance",
		XMost: until, XTick: 500, YMost: most, YTick: 1, Label: chart.Chance}
	below := 0.
	for _, kind := range []scenario{
		{name: "50% errors at 5%", weights: []float64{0.05}, baseline: well, canary: version{errors: 0.5, median: well.median}},
		{name: "10% errors at 10%", weights: []float64{0.1}, baseline: well, canary: version{errors: 0.1, median: well.median}},
		{name: "5% errors at 10%", weights: []float64{0.1}, baseline: well, canary: version{errors: 0.05, median: well.median}},
		{name: "identical, 1% errors", weights: []float64{0.1}, baseline: version{errors: 0.01, median: well.median}, canary: version{errors: 0.01, median: well.median}},
	} {
		kind.requests = until
		verdict := kind.run(2).verdict
		l := chart.Line{Name: kind.name, Points: []chart.Point{{}}}
		for _, p := range verdict.Course {
			l.Points = append(l.Points, chart.Point{X: float64(p.Canary.Requests + p.Baseline.Requests), Y: min(-math.Log10(p.P), most)})
		}
		c.Lines = append(c.Lines, l)
		for _, check := range verdict.Checks {
			below = max(below, check.Below)
		}
	}
	bound := -math.Log10(below)
	c.Lines = append(c.Lines, chart.Line{Name: "where it fails", Points: []chart.Point{{X: 0, Y: bound}, {X: until, Y: bound}}})
	return chart.SVG("The chance of the canary's errors if it is no worse, over the requests. With half of its requests failing it falls below the bound within a few errors; that of an identical version stays near one.", c)
}
