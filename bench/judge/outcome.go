package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/afloat-dev/afloat/internal/control/judge"
)

// outcome is what many releases of a scenario came to.
type outcome struct {
	releases             int
	failed, inconclusive int
	errors               []uint64 // of the canary, in those that failed, ascending
	requests             []int    // until they failed, ascending
	why                  string   // of one that failed
}

// simulate runs a scenario's releases, with seeds from 1 on.
func (s scenario) simulate(releases int) outcome {
	o := outcome{releases: releases}
	var mu sync.Mutex
	var workers sync.WaitGroup
	seeds := make(chan uint64)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := range seeds {
				r := s.run(seed)
				mu.Lock()
				o.add(r)
				mu.Unlock()
			}
		})
	}
	for seed := range releases {
		seeds <- uint64(seed) + 1
	}
	close(seeds)
	workers.Wait()
	slices.Sort(o.errors)
	slices.Sort(o.requests)
	return o
}

func (o *outcome) add(r release) {
	switch r.decision {
	case judge.Fail:
		o.failed++
		o.errors = append(o.errors, r.errors)
		o.requests = append(o.requests, r.requests)
		o.why = r.verdict.Why
	case judge.Inconclusive:
		o.inconclusive++
	}
}

// quantile returns the value that the share q of sorted ones does not exceed.
func quantile[T any](sorted []T, q float64) (at T) {
	if len(sorted) == 0 {
		return at
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// row is the outcome's line of the table.
func (o outcome) row(s scenario) string {
	errors, after := "-", "-"
	if o.failed > 0 {
		errors = fmt.Sprintf("%d / %d", quantile(o.errors, .5), quantile(o.errors, .99))
		after = fmt.Sprintf("%d / %d", quantile(o.requests, .5), quantile(o.requests, .99))
	}
	verdict := "yes"
	if !s.holds(o) {
		verdict = "**no**"
	}
	return fmt.Sprintf("| %s | %d of %d | %d | %s | %s | %s | %s |\n", s.name, o.failed, o.releases, o.inconclusive, errors, after, s.want, verdict)
}
