package policy

import (
	"sync/atomic"
	"time"
)

// lastRejected gives out the same Rejected again while it still holds. A flood
// of refused calls allocates next to nothing then, and nobody is told to come
// back before it may help.
type lastRejected struct{ last atomic.Pointer[givenRejected] }

// givenRejected is one that was given out, and where it was counted.
type givenRejected struct {
	Rejected
	by *digest
}

// lateMost bounds by how much longer than need be a RetryAfter may be: by this
// much, and by less than a hundredth.
const lateMost = time.Millisecond

// refuse counts a refusal and returns it. It leaves the flush of the events to
// its caller, who may hold the policy's lock.
func (l *lastRejected) refuse(d *digest, after time.Duration, key, why string) *Rejected {
	if !d.unobserved() {
		d.note(1, Event{Wait: after, Key: key, Why: why, Class: Shed})
	}
	if r := l.last.Load(); r != nil && r.by == d {
		if late := r.RetryAfter - after; late == 0 || late > 0 && late <= min(r.RetryAfter>>7, lateMost) {
			return &r.Rejected
		}
	}
	r := &givenRejected{Rejected{Policy: d.events.policy, Name: d.events.name, Reason: d.reason, RetryAfter: after}, d}
	l.last.Store(r)
	return &r.Rejected
}
