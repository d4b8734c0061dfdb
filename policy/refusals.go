package policy

import (
	"fmt"
	"sync/atomic"
	"time"
)

// refusals counts the calls that a policy refused, and tells its observer of
// them at most once a second: a flood of calls must not become one of events.
type refusals struct {
	policy, name string
	events       events

	total atomic.Uint64
	told  atomic.Uint64 // of total
	next  atomic.Int64  // when the observer may be told again
}

// refusalsEvery is how often the observer is told.
const refusalsEvery = time.Second

// add counts one refusal. Why is asked only when the observer is told.
func (r *refusals) add(t time.Duration, why func() string) {
	total := r.total.Add(1)
	if r.events.observer == nil {
		return
	}
	next := r.next.Load()
	if int64(t) < next || !r.next.CompareAndSwap(next, int64(t+refusalsEvery)) {
		return
	}
	n := total - r.told.Swap(total)
	r.events.put(Event{Policy: r.policy, Name: r.name, Kind: "rejected",
		Why: fmt.Sprintf("%d calls since the last event; %s", n, why())})
	r.events.flush()
}
