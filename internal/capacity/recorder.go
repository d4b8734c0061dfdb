package capacity

import (
	"slices"
	"sync"
	"time"
)

const (
	// Tick is the finest resolution of a [Recorder]'s timeline.
	Tick = 50 * time.Millisecond
	// TicksMax bounds the timeline: five minutes. What is older is forgotten
	// there, though never in the phases and the total.
	TicksMax = 6000
	// PhasesMax bounds the phases that a Recorder remembers; the oldest go
	// first. A caller's own [Phase] goes on working.
	PhasesMax = 256
)

// A Recorder gathers what became of requests: in total, for every phase, and
// along a timeline. A request always counts where its start was due, even if
// its end comes later, so that a stretch of time answers for the requests of
// its own users. A Recorder is safe for concurrent use and may serve several
// generators.
type Recorder struct {
	start time.Time

	mu     sync.Mutex
	total  tally
	phases []*Phase // ascending; the last may be running
	ticks  timeline
}

// A Phase is a named stretch of a [Recorder]'s time.
type Phase struct {
	Name string

	rec   *Recorder
	start time.Time
	end   time.Time // zero while it runs
	tally tally
}

// NewRecorder returns a Recorder whose time starts now.
func NewRecorder() *Recorder {
	return &Recorder{start: time.Now()}
}

// Phase ends the phase that runs, if any, and starts one that counts the
// requests from now on. Requests that are in flight stay with the phase in
// which they started: begin a phase a moment before the fault that it is about,
// and the requests that the fault catches in flight count in it.
func (r *Recorder) Phase(name string) *Phase {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if running := r.running(); running != nil {
		running.end = now
	}
	p := &Phase{Name: name, rec: r, start: now}
	if len(r.phases) == PhasesMax {
		r.phases = slices.Delete(r.phases, 0, 1)
	}
	r.phases = append(r.phases, p)
	return p
}

// Phases returns the phases in the order of their start.
func (r *Recorder) Phases() []*Phase {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.phases)
}

// Total returns the figures since the Recorder was made.
func (r *Recorder) Total() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total.stats(r.start, time.Since(r.start))
}

// End ends the phase, if it still runs; what starts until the next phase counts
// in the total and the timeline alone.
func (p *Phase) End() {
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	if p.end.IsZero() {
		p.end = time.Now()
	}
}

// Stats returns the phase's figures so far. They are final when the phase has
// ended and nothing is Pending.
func (p *Phase) Stats() Stats {
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	end := p.end
	if end.IsZero() {
		end = time.Now()
	}
	return p.tally.stats(p.start, end.Sub(p.start))
}

// An entry is one request under way, as the Recorder knows it.
type entry struct {
	due   time.Time
	tick  int
	phase *Phase // nil outside of phases
}

// begin counts a request that was due then and that the generator got to now.
func (r *Recorder) begin(due, now time.Time) entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	lag := max(now.Sub(due), 0)
	e := entry{due: due, tick: r.tickOf(due), phase: r.running()}
	r.total.begin(lag)
	if e.phase != nil {
		e.phase.tally.begin(lag)
	}
	if t := r.ticks.reach(e.tick); t != nil {
		t.begin(lag)
	}
	return e
}

// end counts how a request ended.
func (r *Recorder) end(e entry, o outcome, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	latency := max(now.Sub(e.due), 0)
	r.total.end(o, latency)
	if e.phase != nil {
		e.phase.tally.end(o, latency)
	}
	if t := r.ticks.at(e.tick); t != nil {
		t.end(o, latency)
	}
}

func (r *Recorder) running() *Phase {
	if len(r.phases) == 0 {
		return nil
	}
	if last := r.phases[len(r.phases)-1]; last.end.IsZero() {
		return last
	}
	return nil
}

func (r *Recorder) tickOf(t time.Time) int {
	return int(max(t.Sub(r.start), 0) / Tick)
}
