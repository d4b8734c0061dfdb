package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/capacity"
)

// result is what one trial brought.
type result struct {
	Storm   string `json:"storm"`
	Gateway string `json:"gateway"`
	Round   int    `json:"round"`
	// Void says why the trial does not count; empty when it does.
	Void string `json:"void,omitempty"`
	// Requests are all that users began from the fault's begin until the end of
	// the time after it, or where nobody can be served in the fault, only after.
	Requests uint64 `json:"requests"`
	// Failed are those that were not answered well: refused, answered with an
	// error, not answered within a second, or cut off.
	Failed   uint64 `json:"failed"`
	Refused  uint64 `json:"refused"`
	Errors   uint64 `json:"errors"`
	Timeouts uint64 `json:"timeouts"`
	Broken   uint64 `json:"broken"`
	// Writes are those of Requests that a gateway may not send again once a
	// replica could have them.
	Writes       uint64 `json:"writes"`
	WritesFailed uint64 `json:"writesFailed"`
	// Critical are those of Requests that come first.
	Critical       uint64 `json:"critical,omitempty"`
	CriticalFailed uint64 `json:"criticalFailed,omitempty"`
	// P50 and P99 are of the good answers to reads, from the moment that a
	// request was due, in milliseconds.
	P50 float64 `json:"p50Milliseconds"`
	P99 float64 `json:"p99Milliseconds"`
	// Goodput is the good answers in a second.
	Goodput float64 `json:"goodputPerSecond"`
	// Detected is after which time, in seconds, users noticed nothing any more
	// while the fault lasted; nil for never.
	Detected *float64 `json:"detectedSeconds"`
	// Healed is the same from the fault's end on.
	Healed *float64 `json:"healedSeconds"`
	// TakenOut is after which time, in seconds, the gateway says that it took the
	// replica out, and Mistaken how many others it took out during the fault; nil
	// where it does not tell.
	TakenOut *float64 `json:"takenOutSeconds,omitempty"`
	Mistaken *int     `json:"mistaken,omitempty"`
	// Others is the share of all processors that other programs used.
	Others float64 `json:"othersShare"`
	// Lag is how late the load was, in milliseconds, for one request of a
	// hundred and at most.
	Lag    float64 `json:"lagP99Milliseconds"`
	LagMax float64 `json:"lagMaxMilliseconds"`
}

func newResult(f *figures) result {
	lag, lagMost := f.lag()
	r := result{
		Requests: f.requests(),
		Failed:   f.failed(),
		Refused:  f.sum(func(s capacity.Stats) uint64 { return s.Shed }),
		Errors:   f.sum(func(s capacity.Stats) uint64 { return s.Status5xx + s.Status4xx }),
		Timeouts: f.sum(func(s capacity.Stats) uint64 { return s.Timeouts }),
		Broken:   f.sum(func(s capacity.Stats) uint64 { return s.Broken }),

		Writes:         f[writes].Requests,
		WritesFailed:   failed(f[writes]),
		Critical:       f[critical].Requests,
		CriticalFailed: failed(f[critical]),

		P50:    milliseconds(f[reads].LatencyOK.P50),
		P99:    milliseconds(f[reads].LatencyOK.P99),
		Lag:    milliseconds(lag),
		LagMax: milliseconds(lagMost),
	}
	for _, s := range f {
		r.Goodput += s.Goodput()
	}
	return r
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// share is of failed requests, 0 to 1.
func (r result) share() float64 { return ratio(r.Failed, r.Requests) }

// criticalShare is of critical requests that failed, 0 to 1.
func (r result) criticalShare() float64 { return ratio(r.CriticalFailed, r.Critical) }

func ratio(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// lagMax is the greatest lag of a single request that a trial may have: a tenth
// of what users put up with. A generator that stood still for longer is a
// machine that did, and so did the gateway.
const lagMax = patience / 10

// void says why a trial does not count: the load was not sent when it was due,
// which is this machine's fault and no gateway's, or all was not well before
// the fault.
func void(calm, counted *figures) string {
	lag, lagMost := counted.lag()
	overrun := counted.sum(func(s capacity.Stats) uint64 { return s.Overrun })
	switch {
	case counted.requests() == 0:
		return "no request was due"
	case overrun > 0:
		return fmt.Sprintf("%d requests could not be sent", overrun)
	case lag > capacity.LagMax:
		return fmt.Sprintf("the load was late: one request in a hundred by %v", lag.Round(time.Millisecond))
	case lagMost > lagMax:
		return fmt.Sprintf("the load was late: one request by %v", lagMost.Round(time.Millisecond))
	case calm.failed() > calm.requests()/100:
		return fmt.Sprintf("%d of %d requests failed before the fault", calm.failed(), calm.requests())
	}
	return ""
}

func (r result) String() string {
	if r.Void != "" {
		return "void: " + r.Void
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d failed (%d writes), p99 %.0f ms", r.Failed, r.Requests, r.WritesFailed, r.P99)
	if r.Critical > 0 {
		fmt.Fprintf(&b, ", critical served %.1f%%", 100*(1-r.criticalShare()))
	}
	fmt.Fprintf(&b, ", well after %s, healed after %s, others used %.0f%%",
		secondsOf(r.Detected), secondsOf(r.Healed), 100*r.Others)
	return b.String()
}

// secondsOf writes a time that may not have been seen.
func secondsOf(s *float64) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f s", *s)
}
