package policy

import (
	"fmt"
	"time"
)

// probe is a place for one call through a half-open breaker.
type probe struct {
	expires time.Duration
	taken   uint32 // counts the calls that had the place; odd while one has it
}

// probe hands out a place of a half-open era, if one is free. A place whose
// call has outstayed its lease counts as a failed probe and is free again.
func (b *Breaker) probe(e *era, t time.Duration) (BreakerPermit, error) {
	c := b.config.Load()
	soonest := c.ProbeTimeout
	running := 0
	for i := range e.probes {
		if p := &e.probes[i]; p.taken&1 == 1 {
			if t >= p.expires {
				p.taken++
				e.failed++
				if b.judge(e, t); b.era.Load() != e {
					return BreakerPermit{}, b.reject(b.era.Load().ends-t, false)
				}
				continue
			}
			soonest = min(soonest, p.expires-t)
			running++
		}
	}
	if running+e.succeeded+e.failed >= len(e.probes) {
		return BreakerPermit{}, b.reject(soonest, false)
	}
	for i := range e.probes {
		if p := &e.probes[i]; p.taken&1 == 0 {
			p.taken++
			p.expires = t + c.ProbeTimeout
			return BreakerPermit{b, e, t, i, p.taken}, nil
		}
	}
	return BreakerPermit{}, b.reject(soonest, false)
}

// probed counts the result of a half-open era's probe.
func (b *Breaker) probed(p *BreakerPermit, class Class) {
	defer b.events.flush()
	b.mu.Lock()
	defer b.mu.Unlock()
	e := p.era
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
		b.reopens++
		b.openGuarded(t, fmt.Sprintf("%d of %d probes failed", e.failed, e.failed+e.succeeded))
	case float64(len(e.probes)-e.succeeded) < tooMany:
		b.reopens = 0
		why := fmt.Sprintf("%d of %d probes succeeded", e.succeeded, e.failed+e.succeeded)
		next := &era{state: BreakerClosed, began: t, window: newWindow(c.Window)}
		if c.RampUp > 0 {
			next.state, next.ends = BreakerRampingUp, t+c.RampUp
		}
		b.enter(next, why)
	}
}
