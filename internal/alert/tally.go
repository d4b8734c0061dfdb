package alert

import "time"

// tally counts a service's requests until a moment.
type tally struct{ requests, failed uint64 }

// since is what came after an earlier tally. A counter that began anew, as after
// a restart, counts from then on.
func (t tally) since(earlier tally) tally {
	if t.requests < earlier.requests || t.failed < earlier.failed {
		return t
	}
	return tally{t.requests - earlier.requests, t.failed - earlier.failed}
}

const (
	tallyEvery = 5 * time.Second
	tallySlots = 120 // ten minutes
)

// tallies remember the last minutes, so that what an alert cost can be counted
// from when its fault began.
type tallies struct {
	last  map[string]tally
	slots []tallySlot // a ring
	next  int
}

type tallySlot struct {
	at  time.Time
	all map[string]tally
}

// take notes the totals of now.
func (t *tallies) take(totals []Total, now time.Time) {
	t.last = make(map[string]tally, len(totals))
	for _, total := range totals {
		t.last[total.Service] = tally{total.Requests, total.Failed}
	}
	newest := tallySlot{}
	if len(t.slots) > 0 {
		newest = t.slots[(t.next+len(t.slots)-1)%len(t.slots)]
	}
	switch {
	case now.Sub(newest.at) < tallyEvery:
	case len(t.slots) < tallySlots:
		t.slots = append(t.slots, tallySlot{now, t.last})
		t.next = len(t.slots) % tallySlots
	default:
		t.slots[t.next] = tallySlot{now, t.last}
		t.next = (t.next + 1) % tallySlots
	}
}

func (t *tallies) now(service string) tally { return t.last[service] }

// at is a service's tally at a moment, or the nearest known one before it; the
// oldest known where the moment lies further back.
func (t *tallies) at(service string, when time.Time) tally {
	found := t.last[service]
	for n := range t.slots {
		slot := t.slots[(t.next+len(t.slots)-1-n)%len(t.slots)]
		found = slot.all[service]
		if !slot.at.After(when) {
			return found
		}
	}
	return found
}
