package policy

import (
	"fmt"
	"slices"
	"time"
)

// probe is a place for one call through a half-open breaker.
type probe struct {
	expires time.Duration
	taken   uint32 // counts the calls that had the place; odd while one has it
}

func (p *probe) running() bool { return p.taken&1 == 1 }

// expire ends the leases of a half-open era that are over. A call that has
// outstayed its lease counts as a failed probe. It returns the present era,
// which is another one if that decided.
func (b *Breaker) expire(e *era, t time.Duration) *era {
	for i := range e.probes {
		if p := &e.probes[i]; p.running() && t >= p.expires {
			p.taken++
			e.failed++
			if b.judge(e, t); b.era.Load() != e {
				break
			}
		}
	}
	return b.era.Load()
}

// probe hands out a place of a half-open era, if one is free.
func (b *Breaker) probe(e *era, t time.Duration) (BreakerPermit, error) {
	if !e.hasPlace() {
		return BreakerPermit{}, b.rejectOpen(e, 0)
	}
	place := slices.IndexFunc(e.probes, func(p probe) bool { return !p.running() })
	p := &e.probes[place]
	p.taken++
	p.expires = t + b.config.Load().ProbeTimeout
	return BreakerPermit{e, t, uint32(place), p.taken}, nil
}

// hasPlace reports whether one more probe may start: those that are over and
// those under way together never exceed the places.
func (e *era) hasPlace() bool {
	free := len(e.probes) - e.succeeded - e.failed
	for i := range e.probes {
		if e.probes[i].running() {
			free--
		}
	}
	return free > 0
}

// probed counts the result of a half-open era's probe.
func (b *Breaker) probed(e *era, p *BreakerPermit, class Class) {
	defer b.events.flush()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.era.Load() != e || e.probes[p.place].taken != p.taken {
		return // the era is over, or the lease was
	}
	e.probes[p.place].taken++
	t := now()
	slow := b.config.Load().SlowCallDuration
	switch {
	case class == Failure || class == Success && slow > 0 && t-p.start >= slow:
		e.failed++
	case class == Success:
		e.succeeded++
	default:
		return // the place is free again: another call may take it
	}
	b.judge(e, t)
}

// judge closes or reopens a half-open breaker as soon as the probes left to
// come could not change the verdict.
func (b *Breaker) judge(e *era, t time.Duration) {
	c := b.config.Load()
	rate := float64(c.FailureRate)
	if rate <= 0 {
		rate = 1 / float64(len(e.probes)) // by consecutive failures alone: one is too many
	}
	tooMany := max(1, rate*float64(len(e.probes)))
	switch {
	case float64(e.failed) >= tooMany:
		b.openGuarded(t, fmt.Sprintf("%d of %d probes failed", e.failed, e.failed+e.succeeded))
	case float64(len(e.probes)-e.succeeded) < tooMany:
		b.closeGuarded(t, fmt.Sprintf("%d of %d probes succeeded", e.succeeded, e.failed+e.succeeded))
	}
}

// closeGuarded lets calls through again, at first few of them if the breaker
// ramps up.
func (b *Breaker) closeGuarded(t time.Duration, why string) {
	c := b.config.Load()
	next := &era{state: BreakerClosed, began: t, calm: t + b.period}
	if c.RampUp > 0 {
		next.state, next.ends = BreakerRampingUp, t+c.RampUp
	}
	b.enter(next.counting(c.outcomes()), why)
}
