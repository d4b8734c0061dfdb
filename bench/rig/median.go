package rig

import "slices"

// Median sorts its argument, which must not be empty.
func Median(all []float64) float64 {
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}
