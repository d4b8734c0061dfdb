package demo

import (
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/capacity"
)

// act is one stretch of the story: the calm, or a fault, and what users on
// either side had of it.
type act struct {
	name, title string
	victim      int // ID of the replica that it befalls; 0: all

	mu            sync.Mutex // guards what follows
	stage         stage
	began, ended  time.Time // the fault's
	closed        time.Time // when nothing was watched any more
	with, without *capacity.Phase
	found         *detection
	// healed is when users with Afloat were well again, as far as is known
	// while the story goes on.
	healed *time.Duration
}

// stage is how far an act is.
type stage int

const (
	waiting  stage = iota
	striking       // the fault is on
	settling       // it was taken away
	over
)

// begin begins to count users.
func (a *act) begin(with, without *side) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.with, a.without = with.recorder.Phase(a.name), without.recorder.Phase(a.name)
	a.stage, a.began, a.ended = striking, time.Now(), time.Time{}
	a.found, a.healed = nil, nil
}

// strike marks the moment of the fault.
func (a *act) strike() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.began = time.Now()
	return a.began
}

// lift marks the moment at which the fault is taken away.
func (a *act) lift() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.with.End()
	a.without.End()
	a.stage, a.ended = settling, time.Now()
	return a.ended
}

func (a *act) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage, a.closed = over, time.Now()
}

// since is how long the fault has been on.
func (a *act) since() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.began)
}

// detected takes over what the detector found, and returns it if it is news.
func (a *act) detected(found *detection) *detection {
	a.mu.Lock()
	defer a.mu.Unlock()
	if found == nil || a.found != nil {
		return nil
	}
	a.found = found
	return found
}

// follow looks whether users with Afloat are well again, and returns after
// which time if that is news.
func (a *act) follow(with *side) *time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.healed != nil || a.origin().IsZero() {
		return nil
	}
	after, known := with.healed(a.origin())
	if !known {
		return nil
	}
	a.healed = &after
	return a.healed
}

// origin is from when on healing is counted: from the fault's begin, but from
// an overload's end, since nobody can serve what is too much.
func (a *act) origin() time.Time {
	if a.name == overloadName {
		return a.ended
	}
	return a.began
}

// behind reports whether the load was not sent in time, so that the act shows
// this machine's trouble and not the service's.
func (a *act) behind() bool {
	with, without := a.phases()
	return with.Behind() || without.Behind()
}

// record takes the act's figures. They are final when every request has ended.
func (a *act) record(with, without *side) stretch {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := stretch{
		name: a.name, title: a.title,
		lasted: a.ended.Sub(a.began), watched: a.closed.Sub(a.origin()),
		with: a.with.Stats(), without: a.without.Stats(), found: a.found,
	}
	s.healedWith = within(s.watched)(with.healed(a.origin()))
	s.healedWithout = within(s.watched)(without.healed(a.origin()))
	return s
}

// within drops a time that is not known or that lies in the next act.
func within(watched time.Duration) func(time.Duration, bool) *time.Duration {
	return func(after time.Duration, known bool) *time.Duration {
		if !known || after > watched {
			return nil
		}
		return &after
	}
}
