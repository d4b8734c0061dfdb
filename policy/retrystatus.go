package policy

import (
	"fmt"
	"slices"
)

// stop is a reason not to repeat a call, with its word in a status.
type stop struct {
	err  error
	word string
}

var stops = [...]stop{
	{ErrAttempts, "attempts"}, {ErrBudget, "budget"}, {ErrDeadline, "deadline"},
	{ErrTimeMax, "timeMax"}, {ErrRetryAfter, "retryAfter"},
}

// begin makes the retry's events its own.
func (r *Retry) begin(c RetryConfig) {
	r.events.begin("retry", c.Name, c.Observer)
	r.repeated.begin(&r.events, EventRetry, nil, func(e Event) string {
		return fmt.Sprintf("try %d failed: %s; the next begins in %v", e.Attempt-1, reasonOf(e.Err), e.Wait)
	})
	for i := range stops {
		r.stopped[i].begin(&r.events, EventStopped, stops[i].err, func(e Event) string {
			return fmt.Sprintf("try %d failed, and %v", e.Attempt, e.Err)
		})
	}
}

// stoppedFor is the digest of a reason.
func (r *Retry) stoppedFor(why error) *digest {
	return &r.stopped[slices.IndexFunc(stops[:], func(s stop) bool { return s.err == why })]
}

// RetryStatus is a Retry's state at one moment, for people.
type RetryStatus struct {
	// Calls were made so far, and tries Repeated.
	Calls, Repeated uint64
	// Stopped is how many calls failed and were not repeated, by the reason:
	// attempts, budget, deadline, timeMax or retryAfter.
	Stopped map[string]uint64
	// Budget is what is left for repeats.
	Budget BudgetStatus
}

// Status reports the retry's state. It changes nothing.
func (r *Retry) Status() RetryStatus {
	s := RetryStatus{Calls: uint64(r.budget.calls.Load()), Repeated: r.repeated.total.Load(),
		Stopped: make(map[string]uint64, len(stops)), Budget: r.budget.status(&r.config.Load().Budget)}
	for i := range stops {
		s.Stopped[stops[i].word] = r.stopped[i].total.Load()
	}
	return s
}
