package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
)

// result is what outages of a kind came to.
type result struct {
	told, over []float64 // seconds
	outages    int
	notices    int
}

func (r *result) kept() bool {
	return r.notices == 2*r.outages && rig.Median(slices.Clone(r.told)) <= promise.Seconds() && rig.Median(slices.Clone(r.over)) <= promise.Seconds()
}

func (r *result) line(name string, rate float64) string {
	kept := "yes"
	if !r.kept() {
		kept = "**no**"
	}
	return fmt.Sprintf("| %s | %g | %s | %s | %s | %s | %d of %d | %s |\n", name, rate, seconds(rig.Median(slices.Clone(r.told))), seconds(slices.Max(r.told)),
		seconds(rig.Median(slices.Clone(r.over))), seconds(slices.Max(r.over)), r.notices, 2*r.outages, kept)
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Millisecond).String()
}
