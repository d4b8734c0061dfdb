package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/capacity"
)

// measurement is what a story brought, before anybody judged it.
type measurement struct {
	capacity  float64
	lasted    time.Duration
	stretches []stretch // calm, the faults, overload
}

// stretch is what an act brought.
type stretch struct {
	name, title   string
	lasted        time.Duration // of the fault
	watched       time.Duration // for healing
	with, without capacity.Stats
	found         *detection
	// healedWith and healedWithout are nil where users were not well again
	// while they were watched.
	healedWith, healedWithout *time.Duration
}

// Verdict is the outcome of a demo. Every figure in it was measured.
type Verdict struct {
	// CapacityPerSecond is how many requests the three replicas bear, asked
	// directly before the story begins.
	CapacityPerSecond float64 `json:"capacityPerSecond"`
	// Seconds is how long the demo took.
	Seconds float64 `json:"seconds"`
	// Void says why the figures are not to be trusted; empty when they are.
	Void string `json:"void,omitempty"`
	// Faults are in the order of the story; the first is none.
	Faults   []FaultVerdict `json:"faults"`
	Promises []Promise      `json:"promises"`
	// Kept reports whether the run is not void and every promise was kept.
	Kept bool `json:"kept"`
}

// FaultVerdict is what users had of one fault.
type FaultVerdict struct {
	Name    string  `json:"name"`
	Title   string  `json:"title"`
	Seconds float64 `json:"seconds"`
	// DetectedSeconds is how long after the fault's begin Afloat named the
	// faulty replica, or shed the first request of an overload; nil for never.
	DetectedSeconds *float64     `json:"detectedSeconds"`
	DetectedBy      string       `json:"detectedBy,omitempty"`
	With            UsersVerdict `json:"with"`
	Without         UsersVerdict `json:"without"`
}

// UsersVerdict is what the users of one side had of a fault, by the requests
// that they began while it lasted.
type UsersVerdict struct {
	Requests uint64 `json:"requests"`
	// Failed requests got an error, no answer within 2 s, or no connection.
	Failed uint64 `json:"failed"`
	// Refused requests were turned away at once, with 503 or 429.
	Refused uint64 `json:"refused"`
	// FailedShare, 0 to 1, is of the failed and the refused.
	FailedShare float64 `json:"failedShare"`
	// P50Seconds and P99Seconds are of all requests that were not refused.
	P50Seconds float64 `json:"p50Seconds"`
	P99Seconds float64 `json:"p99Seconds"`
	// GoodputPerSecond is how many were answered well.
	GoodputPerSecond float64 `json:"goodputPerSecond"`
	// HealedSeconds is how long after the fault's begin, or an overload's end,
	// users were well for 2 s; nil where that was not seen.
	HealedSeconds *float64 `json:"healedSeconds"`
	// WatchedSeconds is for how long that was watched.
	WatchedSeconds float64 `json:"watchedSeconds"`
	// LagP99Seconds is how late requests were begun. Late says that it was too
	// much to blame the latency on the service; far more makes the run void.
	LagP99Seconds float64 `json:"lagP99Seconds"`
	Late          bool    `json:"late,omitempty"`
}

// verdict judges the measurement.
func (m measurement) verdict() Verdict {
	v := Verdict{CapacityPerSecond: m.capacity, Seconds: m.lasted.Seconds(), Void: m.void()}
	for _, s := range m.stretches {
		v.Faults = append(v.Faults, s.verdict())
	}
	v.Promises = m.promises()
	v.Kept = v.Void == ""
	for _, p := range v.Promises {
		v.Kept = v.Kept && p.Kept
	}
	return v
}

// lagMax is from when on late requests say nothing any more about who failed:
// a twentieth of what users put up with. A lesser lag makes only the latencies
// look worse than they were, and no promise easier to keep.
const lagMax = patience / 20

// void is why the figures would be about this machine and not about Afloat.
func (m measurement) void() string {
	var late []string
	for _, s := range m.stretches {
		if max(s.with.Lag.P99, s.without.Lag.P99) > lagMax {
			late = append(late, s.title)
		}
	}
	if len(late) == 0 {
		return ""
	}
	return fmt.Sprintf("this machine was too busy to send the load in time (during: %s)", strings.Join(late, ", "))
}

func (s stretch) verdict() FaultVerdict {
	f := FaultVerdict{
		Name: s.name, Title: s.title, Seconds: s.lasted.Seconds(),
		With:    usersVerdict(s.with, s.healedWith, s.watched),
		Without: usersVerdict(s.without, s.healedWithout, s.watched),
	}
	if s.found != nil {
		f.DetectedSeconds, f.DetectedBy = seconds(&s.found.After), s.found.By
	}
	return f
}

func usersVerdict(s capacity.Stats, healed *time.Duration, watched time.Duration) UsersVerdict {
	return UsersVerdict{
		Requests:         s.Requests,
		Failed:           s.Failed + s.Overrun,
		Refused:          s.Shed,
		FailedShare:      failedShare(s),
		P50Seconds:       s.Latency.P50.Seconds(),
		P99Seconds:       s.Latency.P99.Seconds(),
		GoodputPerSecond: s.Goodput(),
		HealedSeconds:    seconds(healed),
		WatchedSeconds:   watched.Seconds(),
		LagP99Seconds:    s.Lag.P99.Seconds(),
		Late:             s.Behind(),
	}
}

// failed is how many users did not get what they came for, whether they were
// failed or refused.
func failed(s capacity.Stats) uint64 { return s.Failed + s.Overrun + s.Shed }

// failedShare is their share, 0 to 1, out of those whose end is known.
func failedShare(s capacity.Stats) float64 { return s.FailureShare() + s.ShedShare() }

func seconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	s := d.Seconds()
	return &s
}
