package policy

import (
	"fmt"
	"time"
)

// begin makes the timeout's events its own.
func (t *Timeout) begin(c TimeoutConfig) {
	t.stragglers.begin("timeout", c.Name, c.Observer)
	events := &t.stragglers.events
	t.expired.begin(events, EventTimeout, nil, func(e Event) string { return e.Err.Error() })
	t.abandoned.begin(events, EventAbandoned, nil, t.whyAbandoned)
	t.refused.begin(events, EventRejected, ErrAbandoned, t.whyAbandoned)
	t.crowded.begin(events, EventRejected, ErrRunning, func(Event) string {
		return fmt.Sprintf("%d detached calls run, at most %d may", t.running.Load(), t.setting.Load().RunningMax)
	})
}

func (t *Timeout) whyAbandoned(Event) string {
	return fmt.Sprintf("%d calls outlive their timeout, at most %d may", t.stragglers.count.Load(), t.setting.Load().AbandonedMax)
}

// TimeoutStatus is a Timeout's state at one moment, for people.
type TimeoutStatus struct {
	// Timeout is how long a call may take.
	Timeout time.Duration
	// Expired calls took longer so far, of which Abandoned were left running.
	// A call whose caller had less time is not among them.
	Expired, Abandoned uint64
	// Stragglers are functions that still run without a caller, and
	// StragglersMax how many may.
	Stragglers, StragglersMax int
	// Running detached functions have a caller or none, and RunningMax may.
	Running, RunningMax int
	// Rejected is how many calls were refused because of either, and Crowded how
	// many of them because of RunningMax.
	Rejected, Crowded uint64
}

// Status reports the timeout's state. It changes nothing.
func (t *Timeout) Status() TimeoutStatus {
	s := t.setting.Load()
	return TimeoutStatus{
		Timeout: s.Timeout, Expired: t.expired.total.Load(), Abandoned: t.abandoned.total.Load(),
		Stragglers: int(t.stragglers.count.Load()), StragglersMax: s.AbandonedMax,
		Running: int(t.running.Load()), RunningMax: s.RunningMax, Rejected: t.refused.total.Load() + t.crowded.total.Load(), Crowded: t.crowded.total.Load(),
	}
}
