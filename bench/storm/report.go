package main

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
)

// report is what a run brought.
type report struct {
	Date     time.Time         `json:"date"`
	Cores    int               `json:"cores"`
	Platform string            `json:"platform"`
	Go       string            `json:"go"`
	Versions map[string]string `json:"versions"`
	Skipped  map[string]string `json:"skipped,omitempty"`
	Rounds   int               `json:"rounds"`
	Quick    bool              `json:"quick"`
	Results  []result          `json:"results"`
	Rows     []row             `json:"rows"`
	// Losses say where more requests failed through Afloat than through another
	// gateway, beyond noise.
	Losses []string `json:"losses"`
	// Unjudged are storms of which too many trials were void to compare.
	Unjudged []string `json:"unjudged,omitempty"`

	storms   []*storm
	gateways []gateway
}

// row is one gateway in one storm: medians of the rounds that count.
type row struct {
	Storm   string `json:"storm"`
	Gateway string `json:"gateway"`
	Rounds  int    `json:"rounds"`
	Void    int    `json:"void"`
	// Requests and Failed are sums.
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`
	Share    spread `json:"failedShare"`
	// Critical is the share of critical requests that failed, where there were
	// any.
	Critical *spread  `json:"criticalFailedShare,omitempty"`
	P50      float64  `json:"p50Milliseconds"`
	P99      float64  `json:"p99Milliseconds"`
	Goodput  float64  `json:"goodputPerSecond"`
	Detected *float64 `json:"detectedSeconds"`
	Healed   *float64 `json:"healedSeconds"`
	TakenOut *float64 `json:"takenOutSeconds,omitempty"`
	Mistaken *int     `json:"mistaken,omitempty"` // the sum
	Others   float64  `json:"othersShare"`
}

// spread is a figure over rounds.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func newSpread(all []float64) spread {
	return spread{Median: rig.Median(all), Min: slices.Min(all), Max: slices.Max(all)}
}

func newReport(b *bench) *report {
	return &report{
		Date:     time.Now().UTC().Truncate(time.Second),
		Cores:    runtime.NumCPU(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Go:       runtime.Version(),
		Versions: b.versions,
		Skipped:  b.skipped,
		Rounds:   b.options.rounds,
		Quick:    b.options.quick,
		storms:   b.storms,
		gateways: b.gateways,
	}
}

// summarize makes the rows out of the results, and compares them.
func (r *report) summarize() {
	r.Losses = []string{} // none is an empty list to programs
	for _, s := range r.storms {
		for _, g := range r.gateways {
			r.Rows = append(r.Rows, r.newRow(s.name, g.name()))
		}
		r.compare(s)
	}
}

func (r *report) newRow(storm, gateway string) row {
	one := row{Storm: storm, Gateway: gateway}
	var good []result
	for _, t := range r.Results {
		switch {
		case t.Storm != storm || t.Gateway != gateway:
		case t.Void != "":
			one.Void++
		default:
			good = append(good, t)
			one.Requests += t.Requests
			one.Failed += t.Failed
		}
	}
	if one.Rounds = len(good); one.Rounds == 0 {
		return one
	}
	of := func(figure func(result) float64) []float64 {
		all := make([]float64, len(good))
		for i := range good {
			all[i] = figure(good[i])
		}
		return all
	}
	one.Share = newSpread(of(result.share))
	if good[0].Critical > 0 {
		c := newSpread(of(result.criticalShare))
		one.Critical = &c
	}
	one.P50 = rig.Median(of(func(t result) float64 { return t.P50 }))
	one.P99 = rig.Median(of(func(t result) float64 { return t.P99 }))
	one.Goodput = rig.Median(of(func(t result) float64 { return t.Goodput }))
	one.Others = rig.Median(of(func(t result) float64 { return t.Others }))
	one.Detected = seen(of(func(t result) float64 { return orNever(t.Detected) }))
	if good[0].Mistaken != nil {
		one.TakenOut = seen(of(func(t result) float64 { return orNever(t.TakenOut) }))
		one.Mistaken = new(int)
		for _, t := range good {
			*one.Mistaken += *t.Mistaken
		}
	}
	one.Healed = seen(of(func(t result) float64 { return orNever(t.Healed) }))
	return one
}

func orNever(seconds *float64) float64 {
	if seconds == nil {
		return math.Inf(1)
	}
	return *seconds
}

// seen is the median of times, some of which may be never; nil for never.
func seen(all []float64) *float64 {
	m := rig.Median(all)
	if math.IsInf(m, 0) {
		return nil
	}
	return &m
}

func (r *report) find(storm, gateway string) *row {
	for i := range r.Rows {
		if one := &r.Rows[i]; one.Storm == storm && one.Gateway == gateway {
			return one
		}
	}
	return nil
}

// compare finds where Afloat lost.
func (r *report) compare(s *storm) {
	own := r.find(s.name, ours)
	if own == nil {
		return
	}
	if own.Rounds == 0 {
		r.Unjudged = append(r.Unjudged, fmt.Sprintf("%s: every trial of Afloat is void", s.name))
		return
	}
	if s.failedMax > 0 && own.Share.Median > s.failedMax {
		r.Losses = append(r.Losses, fmt.Sprintf("%s: %.2f%% failed through Afloat, which promises %.2f%%", s.name, 100*own.Share.Median, 100*s.failedMax))
	}
	r.testimony(s, own)
	for _, g := range r.gateways {
		peer := r.find(s.name, g.name())
		switch {
		case g.name() == ours:
		case peer.Rounds == 0:
			r.Unjudged = append(r.Unjudged, fmt.Sprintf("%s: every trial of %s is void", s.name, g.title()))
		default:
			r.weigh(s, g, "requests", own.Share, peer.Share, own.Rounds+peer.Rounds)
			if own.Critical != nil && peer.Critical != nil {
				r.weigh(s, g, "critical requests", *own.Critical, *peer.Critical, own.Rounds+peer.Rounds)
			}
		}
	}
}

// testimony holds what Afloat says of itself against what it promises. One round
// says too little.
func (r *report) testimony(s *storm, own *row) {
	if own.Mistaken == nil || own.Rounds < 2 {
		return
	}
	if *own.Mistaken > 0 {
		r.Losses = append(r.Losses, fmt.Sprintf("%s: Afloat took out %d replicas that had no fault", s.name, *own.Mistaken))
	}
	switch most := s.takenOutMax.Seconds(); {
	case most == 0:
	case own.TakenOut == nil:
		r.Losses = append(r.Losses, fmt.Sprintf("%s: Afloat did not take the replica out", s.name))
	case *own.TakenOut > most:
		r.Losses = append(r.Losses, fmt.Sprintf("%s: Afloat took the replica out after %.0f ms, and promises %.0f ms", s.name, 1000**own.TakenOut, 1000*most))
	}
}

func (r *report) weigh(s *storm, g gateway, what string, own, peer spread, rounds int) {
	if beyondNoise(own, peer, rounds) {
		r.Losses = append(r.Losses, fmt.Sprintf("%s: %.2f%% of %s failed through Afloat, and %.2f%% through %s",
			s.name, 100*own.Median, what, 100*peer.Median, g.title()))
	}
}

const (
	// floor is the difference of shares that is always noise.
	floor = 0.003
	// floorOnce is the same where there is but one round each: they show no
	// noise of their own.
	floorOnce = 0.05
)

// beyondNoise reports whether one figure is greater than another by more than
// both spread.
func beyondNoise(own, peer spread, rounds int) bool {
	noise := floorOnce
	if rounds > 2 {
		noise = max(floor, (own.Max-own.Min+peer.Max-peer.Min)/2)
	}
	return own.Median-peer.Median > noise
}

// judged reports whether there is a storm in which Afloat could be compared with
// another gateway.
func (r *report) judged() bool {
	for _, s := range r.storms {
		if own := r.find(s.name, ours); own != nil && own.Rounds > 0 {
			for _, g := range r.gateways {
				if g.name() != ours && r.find(s.name, g.name()).Rounds > 0 {
					return true
				}
			}
		}
	}
	return false
}

// verdict is an error where Afloat lost, or where nothing tells whether it did.
func (r *report) verdict() error {
	for _, one := range r.Unjudged {
		progress("not judged: %s", one)
	}
	if len(r.Losses) > 0 {
		return errors.New("Afloat lost:\n  " + strings.Join(r.Losses, "\n  "))
	}
	if !r.judged() {
		return errors.New("nothing could be compared: the machine was too busy, or there is no other gateway")
	}
	return nil
}
