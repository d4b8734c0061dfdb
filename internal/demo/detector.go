package demo

import (
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

// detector notes the first event by which Afloat names a fault. It knows which
// replica to wait for, but not when: an event about another one counts for
// nothing. It is a [gateway.Observer].
type detector struct {
	mu    sync.Mutex // guards what follows
	armed bool
	since time.Time
	about replica // zero: about all of them
	found *detection
}

// detection is how a fault was found out.
type detection struct {
	After time.Duration
	By    string // in words
}

// arm begins to wait for events about a replica, or of overload.
func (d *detector) arm(since time.Time, about replica) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed, d.since, d.about, d.found = true, since, about, nil
}

// disarm ends that, and returns what was found, or nil.
func (d *detector) disarm() *detection {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed = false
	return d.found
}

// detection is what was found so far, or nil.
func (d *detector) detection() *detection {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.found
}

func (d *detector) note(at time.Time, about func(replica) bool, by string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.armed || d.found != nil || !about(d.about) {
		return
	}
	d.found = &detection{After: max(at.Sub(d.since), 0), By: by}
}

// Event takes a change of the gateway's state.
func (d *detector) Event(e gateway.Event) {
	var what string
	switch {
	case e.Kind == gateway.EventDown:
		what = "taken out"
	case e.Kind == gateway.EventEjected:
		what = "ejected"
	case e.Kind == gateway.EventBreaker && e.To == policy.BreakerOpen.String():
		what = "breaker opened"
	default:
		return
	}
	d.note(e.Time, func(r replica) bool { return e.Endpoint != "" && r.Addr == e.Endpoint }, "gateway: "+what+": "+e.Why)
}

// Supervised takes a change of a supervised process.
func (d *detector) Supervised(e supervise.Event) {
	if e.Service != shop {
		return
	}
	switch e.Kind {
	case supervise.EventExited, supervise.EventUnready, supervise.EventStopping:
		d.note(e.Time, func(r replica) bool { return e.Replica != 0 && r.ID == e.Replica }, "supervisor: "+string(e.Kind)+": "+e.Why)
	}
}

// Route returns what looks for requests that were shed.
func (d *detector) Route(string, string) gateway.RequestObserver { return shedObserver{d} }

// Endpoint returns what ignores tries.
func (d *detector) Endpoint(string, string) gateway.TryObserver { return ignoredTries{} }

type shedObserver struct{ detector *detector }

// Request looks at a request that has ended.
func (o shedObserver) Request(r *gateway.Record) {
	if r.Reason != gateway.ReasonOverloaded {
		return
	}
	o.detector.note(r.Start.Add(r.Duration), func(r replica) bool { return r == replica{} },
		"gateway: the adaptive limit sheds load")
}

type ignoredTries struct{}

func (ignoredTries) Try(policy.Class, time.Duration) {}
