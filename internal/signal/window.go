package signal

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

const (
	// windowSlots is how many seconds a Window remembers.
	windowSlots = 300
	// windowServices bounds the services that a Window keeps apart; those
	// beyond are "other" together, but for their totals.
	windowServices = 500
	// windowShards bounds the copies of a service's counters.
	windowShards = 8
)

// Window remembers the golden signals of the last five minutes, second by
// second, for people who look now. It is a [gateway.Observer].
//
// A request costs an atomic addition to counters that only grow; once a
// second Serve reads them and keeps the difference. So no request ever finds
// a slot that has to be cleared first.
type Window struct {
	status func() gateway.Status
	mask   uint16 // of shards

	mu       sync.Mutex // guards what follows
	services map[string]*serviceWindow
	none     *serviceWindow    // of requests without a service; nil: nobody counts any
	rest     *serviceWindow    // of services beyond windowServices; nil: likewise
	crowd    map[string]*tally // of each of these
	slots    [windowSlots]slot
	ticks    int    // slots written so far
	cells    []cell // room for signalsOf
}

// slot is when a second of all services ended, and how long it really was.
type slot struct {
	end  time.Time
	took time.Duration
}

// serviceWindow is what a Window keeps of one service.
type serviceWindow struct {
	name   string
	shards []windowShard
	before reading // at the last tick, summed over the shards
	failed uint32  // likewise
	past   [windowSlots]second
	ever   ServiceTotal
	last   [3]uint32 // what the counters were when ever was brought up to them
	idle   int       // ticks in a row without a request and without a place in the status
	course course
}

// windowShard counts the requests of a part of the clients, so that cores do
// not take turns at one counter. Its size keeps shards on cache lines apart.
type windowShard struct {
	latencies latencies
	failed    atomic.Uint32
	harmed    atomic.Uint32 // of them, those that are not the client's own doing
	_         [56]byte
}

// second is what happened in one second.
type second struct {
	cells                   []cell
	failed                  uint32
	inFlight, limit, queued int
}

// NewWindow returns an empty Window. It asks status once a second for the
// services' saturation; nil leaves that at zero.
func NewWindow(status func() gateway.Status) *Window {
	shards := 1
	for shards < runtime.GOMAXPROCS(0) && shards < windowShards {
		shards *= 2
	}
	return &Window{status: status, mask: uint16(shards - 1), services: map[string]*serviceWindow{}, crowd: map[string]*tally{}}
}

// Serve closes a slot each second until the context ends, and then returns
// nil. Without it, a Window shows nothing.
func (w *Window) Serve(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			now := time.Now()
			w.tick(now, now.Sub(last))
			last = now
		}
	}
}

// Route returns what counts the requests to a service.
func (w *Window) Route(_, service string) gateway.RequestObserver {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.service(service)
	requests := windowRequests{s.shards, w.mask}
	if s == w.rest {
		if t := w.tally(service); t != nil {
			return &crowdRequests{requests, t.shards}
		}
	}
	return &requests
}

// Endpoint returns what ignores tries: a Window is about what users got.
func (w *Window) Endpoint(string, string) gateway.TryObserver { return ignoredTries{} }

// Event does nothing.
func (w *Window) Event(gateway.Event) {}

// service returns what is kept of a service. Its caller holds mu.
func (w *Window) service(name string) *serviceWindow {
	s := w.services[name]
	switch {
	case s != nil:
	case name == "":
		return w.shared(&w.none, "")
	case len(w.services) >= windowServices:
		return w.shared(&w.rest, other)
	default:
		s = w.newService(name)
		w.services[name] = s
	}
	s.idle = 0
	return s
}

// shared returns what is of no one service, and is never forgotten: it is in use
// for as long as the gateway is.
func (w *Window) shared(s **serviceWindow, name string) *serviceWindow {
	if *s == nil {
		*s = w.newService(name)
	}
	return *s
}

func (w *Window) newService(name string) *serviceWindow {
	return &serviceWindow{name: name, shards: make([]windowShard, w.mask+1)}
}

// windowRequests counts the requests of one route and service.
type windowRequests struct {
	shards []windowShard
	mask   uint16
}

// Request counts a request that has ended.
func (w *windowRequests) Request(r *gateway.Record) {
	shard := &w.shards[r.Client.Port()&w.mask]
	shard.latencies.observe(r.Duration)
	if r.Failed() {
		shard.failed.Add(1)
		if !r.Reason.OfClient() {
			shard.harmed.Add(1)
		}
	}
}

type ignoredTries struct{}

func (ignoredTries) Try(policy.Class, time.Duration) {}

// tick closes the slot that began took before now.
func (w *Window) tick(now time.Time, took time.Duration) {
	var status gateway.Status
	if w.status != nil {
		status = w.status()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.ticks % windowSlots
	w.slots[at] = slot{now, took}
	w.ticks++
	for _, s := range status.Services {
		if w.crowd[s.Name] == nil { // else its requests count with the rest until it is asked for again
			w.service(s.Name)
		}
	}
	for _, s := range w.sorted() {
		s.tick(at)
		s.idle++
	}
	for _, s := range slices.Concat(status.Services, status.Originals) {
		if t := w.crowd[s.Name]; t != nil {
			t.idle = 0
		}
		if kept := w.services[s.Name]; kept != nil {
			kept.idle = 0
			second := &kept.past[at]
			second.inFlight, second.limit, second.queued = s.InFlight, s.Limit, s.Queued
		}
	}
	slots := w.recent(courseSpan)
	for _, s := range w.sorted() {
		signals := w.signalsOf(s, slots)
		s.course.step(now, &signals)
	}
	if w.status != nil {
		w.forget()
	}
}

// forget lets go of services that are configured no more. The caller holds mu.
func (w *Window) forget() {
	for name, s := range w.services {
		if s.idle > windowSlots {
			delete(w.services, name)
		}
	}
	for name, t := range w.crowd {
		if t.idle++; t.idle > windowSlots {
			delete(w.crowd, name)
		}
	}
}

// tick keeps in a slot what the counters have grown by.
func (s *serviceWindow) tick(at int) {
	var now reading
	var failed uint32
	for i := range s.shards {
		now.add(&s.shards[i].latencies)
		failed += s.shards[i].failed.Load()
	}
	second := &s.past[at]
	*second = second.reused()
	second.cells = now.since(&s.before, second.cells)
	second.failed = failed - s.failed
	s.before, s.failed = now, failed
	if len(second.cells) > 0 {
		s.idle = 0
	}
}

// reused is an empty second that keeps the memory for its cells.
func (s *second) reused() second { return second{cells: s.cells[:0]} }

// sorted returns the services by name. The caller holds mu.
func (w *Window) sorted() []*serviceWindow {
	services := slices.Collect(maps.Values(w.services))
	for _, s := range []*serviceWindow{w.none, w.rest} {
		if s != nil {
			services = append(services, s)
		}
	}
	slices.SortFunc(services, func(a, b *serviceWindow) int { return strings.Compare(a.name, b.name) })
	return services
}
