package policy

import (
	"sync"
	"time"
)

// An Event is something that a policy did or noticed.
type Event struct {
	// Policy is the kind of policy, such as "breaker"; Name is the one given
	// in its Config.
	Policy, Name string
	// Kind says what happened, such as "state" or "rejected".
	Kind string
	// From and To are the states of a change, such as "closed" and "open".
	From, To string
	// Why explains the event in words, with the figures that decided.
	Why string
	// At is when it happened.
	At time.Time
}

// An Observer is told of events, never under a policy's lock, in the order in
// which they happened. A panic in it is contained.
type Observer func(Event)

// events delivers a policy's events in order and outside its lock: they are
// put under the lock and flushed after it. The zero value drops everything.
type events struct {
	observer Observer

	mu      sync.Mutex
	queue   []Event
	flushes bool // somebody is delivering
}

// queueMax bounds the events that wait for a slow observer; the oldest go.
const queueMax = 256

func (e *events) put(ev Event) {
	if e.observer == nil {
		return
	}
	ev.At = time.Now()
	e.mu.Lock()
	if len(e.queue) == queueMax {
		e.queue = e.queue[1:]
	}
	e.queue = append(e.queue, ev)
	e.mu.Unlock()
}

// flush delivers what is queued. A caller that finds a delivery under way
// leaves its events to it, so an observer that calls the policy cannot recurse.
func (e *events) flush() {
	if e.observer == nil {
		return
	}
	e.mu.Lock()
	for !e.flushes && len(e.queue) > 0 {
		ev := e.queue[0]
		e.queue = e.queue[1:]
		e.flushes = true
		e.mu.Unlock()
		e.deliver(ev)
		e.mu.Lock()
	}
	e.mu.Unlock()
}

// deliver tells the observer. Neither a panic in it nor runtime.Goexit may
// stop later deliveries, and a panic must not fail the call.
func (e *events) deliver(ev Event) {
	defer func() {
		_ = recover()
		e.mu.Lock()
		e.flushes = false
		e.mu.Unlock()
	}()
	e.observer(ev)
}
