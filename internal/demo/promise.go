package demo

import (
	"fmt"
	"time"
)

// Promise is something that Afloat promises its users, and whether the run
// bears it out.
type Promise struct {
	Text string `json:"text"`
	Kept bool   `json:"kept"`
	// Figures are those that decided.
	Figures string `json:"figures"`
}

// What is promised. A machine with two busy cores keeps it with room to spare.
const (
	failedMax    = 0.005 // of the requests, while one replica is faulty
	betterTimes  = 10    // as many fail without
	detectedMax  = 3 * time.Second
	healedMax    = 3 * time.Second
	goodputMin   = 0.8 // of what the service bears
	recoveredMax = 2 * time.Second
)

// promises judges each promise by the figures that belong to it.
func (m measurement) promises() []Promise {
	var all []Promise
	for _, f := range faults {
		s := m.stretch(f.name)
		all = append(all, s.survived())
	}
	return append(all, m.foundAndHealed(), m.served(), m.recovered())
}

func (m measurement) stretch(name string) stretch {
	for _, s := range m.stretches {
		if s.name == name {
			return s
		}
	}
	return stretch{name: name}
}

// survived: users hardly notice a faulty replica, while others do.
func (s stretch) survived() Promise {
	with, without := failedShare(s.with), failedShare(s.without)
	return Promise{
		Text: fmt.Sprintf("%s: at most %s of the requests fail, a tenth of those without", s.title, percent(failedMax)),
		Kept: s.with.Requests > 0 && with <= failedMax && without > 0 && without >= betterTimes*with,
		Figures: fmt.Sprintf("%d of %d failed, %d of %d without",
			failed(s.with), s.with.Requests, failed(s.without), s.without.Requests),
	}
}

// foundAndHealed: every faulty replica is found, and users are well again,
// before the fault is taken away.
func (m measurement) foundAndHealed() Promise {
	kept, detected, healed := true, time.Duration(0), time.Duration(0)
	missed := ""
	for _, f := range faults {
		s := m.stretch(f.name)
		if s.found == nil || s.healedWith == nil {
			kept, missed = false, ", "+f.title+" was not"
			continue
		}
		detected, healed = max(detected, s.found.After), max(healed, *s.healedWith)
	}
	return Promise{
		Text: fmt.Sprintf("each faulty replica is found within %s, and users are well within %s",
			figure(detectedMax), figure(healedMax)),
		Kept:    kept && detected <= detectedMax && healed <= healedMax,
		Figures: fmt.Sprintf("%s and %s at most%s", figure(detected), figure(healed), missed),
	}
}

// served: an overloaded service goes on serving as much as it bears, and more
// than one that tries to serve everybody.
func (m measurement) served() Promise {
	s := m.stretch(overloadName)
	with, without := s.with.Goodput(), s.without.Goodput()
	return Promise{
		Text:    fmt.Sprintf("overload: at least %s of what the service bears is served", percent(goodputMin)),
		Kept:    with >= goodputMin*m.capacity && with > without && m.capacity > 0,
		Figures: fmt.Sprintf("%.0f requests a second of %.0f, and %.0f without", with, m.capacity, without),
	}
}

// recovered: after an overload, users are well at once.
func (m measurement) recovered() Promise {
	s := m.stretch(overloadName)
	p := Promise{Text: fmt.Sprintf("overload: users are well within %s of its end", figure(recoveredMax))}
	p.Figures = fmt.Sprintf("%s, %s without", healedFigure(s.healedWith, s.watched), healedFigure(s.healedWithout, s.watched))
	p.Kept = s.healedWith != nil && *s.healedWith <= recoveredMax
	return p
}
