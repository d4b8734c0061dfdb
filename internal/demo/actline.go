package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/capacity"
)

// phases are the act's figures so far.
func (a *act) phases() (with, without capacity.Stats) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.with.Stats(), a.without.Stats()
}

// strikes returns what befalls the unprotected replicas now, and which one: 0
// for none of them in particular.
func (a *act) strikes() (id int, title string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stage != striking {
		return 0, ""
	}
	return a.victim, a.title
}

// actsHead is the heading of the acts' lines.
func actsHead(p paint, width int) string {
	head := fmt.Sprintf(" %-19s%12s%10s%11s%13s ", "faults", "failed with", "without", "detected", "well again")
	return p.dim(head + strings.Repeat("─", max(width-len(head)-1, 0)))
}

// line is the act in a line of the live view.
func (a *act) line(p paint) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stage == waiting {
		return p.dim("   " + a.title)
	}
	with, without := failedShare(a.with.Stats()), failedShare(a.without.Stats())
	mark, title, now := p.good(" ✓ "), fmt.Sprintf("%-17s", a.title), ""
	switch a.stage {
	case striking:
		mark, title = p.warn(" ▶ "), p.bold(title)
		now = p.warn(fmt.Sprintf("on for %.0f s", time.Since(a.began).Seconds()))
	case settling:
		mark, title = p.warn(" ▷ "), p.bold(title)
		now = p.dim("taken away")
	}
	detected, healed := "", ""
	if a.found != nil {
		detected = figure(a.found.After)
	}
	if a.healed != nil && a.name != calmName {
		healed = figure(*a.healed)
	}
	return mark + title + failedPaint(p, with)(pad(percent(with), 12)) +
		failedPaint(p, without)(pad(percent(without), 10)) +
		pad(detected, 11) + p.good(pad(healed, 13)) + "   " + now
}
