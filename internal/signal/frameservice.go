package signal

import (
	"fmt"
	"strings"
)

// serviceLines draws the services with as much detail as fits. Left out are
// first the endpoints that are up, then the curves, the other endpoints, and
// at last services, those that are well first.
func serviceLines(v View, width, most int) []string {
	if len(v.Services) == 0 {
		return []string{newRow(width).put(dim, " no service yet").String(), ""}[:min(max(most, 0), 2)]
	}
	all := make([]serviceMembers, len(v.Services))
	longest, troubled := 0, 1
	for i, s := range v.Services {
		all[i] = serviceMembers{s, members(s, v.Time)}
		longest = max(longest, len(all[i].members))
		troubled = max(troubled, all[i].troubled())
	}
	for shown := longest; shown >= min(troubled, longest); shown-- {
		if n := lineCount(all, shown, blockLines); n <= most {
			return drawBlocks(all, width, shown)
		}
	}
	for shown := longest; shown >= 0; shown-- {
		if n := lineCount(all, shown, rowLines); n+1 <= most {
			return drawRows(all, width, shown, 0)
		}
	}
	if most < 3 {
		return nil
	}
	// A line for the rule, and one for the number of services left out.
	return drawRows(worst(all, most-2), width, 0, len(all)-(most-2))
}

// serviceMembers is a service with its endpoints and replicas.
type serviceMembers struct {
	ServiceView
	members []member
}

// troubled is how many of the members should be up and are not.
func (s serviceMembers) troubled() (n int) {
	for _, m := range s.members {
		if !m.up && !m.gone {
			n++
		}
	}
	return n
}

// worst returns at most n services in their order, those that are well being
// left out first.
func worst(all []serviceMembers, n int) []serviceMembers {
	var kept []serviceMembers
	bad := 0
	ill := func(s serviceMembers) bool { return s.troubled() > 0 || s.Signals.Failed > 0 }
	for _, s := range all {
		if ill(s) {
			bad++
		}
	}
	wellMax, illMax := max(n-bad, 0), n
	for _, s := range all {
		switch {
		case ill(s) && illMax > 0:
			illMax--
			kept = append(kept, s)
		case !ill(s) && wellMax > 0:
			wellMax--
			kept = append(kept, s)
		}
	}
	return kept
}

// How many lines a service takes without its members.
const (
	blockLines = 5 // with the empty one after it
	rowLines   = 1
)

func lineCount(all []serviceMembers, shown, each int) (n int) {
	for _, s := range all {
		n += each
		if shown == 0 {
			continue
		}
		if s.Rollout != "" {
			n++
		}
		n += min(shown, len(s.members))
		if len(s.members) > shown {
			n++
		}
	}
	return n
}

func drawBlocks(all []serviceMembers, width, shown int) (lines []string) {
	for _, s := range all {
		lines = append(lines, serviceBlock(s, width)...)
		lines = append(lines, s.memberLines(width, shown)...)
		lines = append(lines, "")
	}
	return lines
}

func drawRows(all []serviceMembers, width, shown, left int) []string {
	lines := []string{rule(width, "services")}
	for _, s := range all {
		lines = append(lines, serviceRow(s, width))
		lines = append(lines, s.memberLines(width, shown)...)
	}
	if left > 0 {
		lines = append(lines, newRow(width).put(dim, " … and "+plural(left, "service")+" more").String())
	}
	return lines
}

// A block's columns share what is left of a width beyond the least.
var blockColumns = [...]int{12, 10, 17, 12}

// serviceBlock is a service in four lines: its name, and the four golden
// signals with their names, figures and curves.
func serviceBlock(s serviceMembers, width int) []string {
	head := newRow(width)
	head.put(bold, " "+s.Signals.Service+" ")
	standing, standingStyle := standing(s.members)
	head.put(dim, strings.Repeat("─", max(width-head.used-columns(standing)-3, 0)))
	head.right(standingStyle, standing+" ")

	g := s.Signals
	names, figures, curves := newRow(width), newRow(width), newRow(width)
	each := max(width-frameWidthMin, 0) / len(blockColumns)
	at := 3
	column := func(i int, name string, s style, figure string) (room int) {
		room = blockColumns[i] + each
		names.to(at).field(dim, name, room)
		figures.to(at).field(s, figure, room)
		curves.to(at)
		at += room + 2
		return room
	}
	end := s.History.End
	room := column(0, "traffic", bold, rateFigure(g.Rate)+" /s")
	curves.spark(cyan, s.History.Rate, end, min(room, 60), 0)
	room = column(1, "errors", failedStyle(g.FailedShare), shareFigure(g.FailedShare))
	curves.spark(bad, s.History.FailedShare, end, min(room, 60), 0.1)
	room = column(2, "latency p50 · p99", bold, latencyFigure(g.P50Seconds)+" · "+latencyFigure(g.P99Seconds))
	curves.spark(blue, s.History.P99Seconds, end, min(room, 60), 0)
	room = column(3, "saturation", bold, load(g))
	if g.Limit > 0 {
		share := float64(g.InFlight) / float64(g.Limit)
		curves.bar(loadStyle(share), share, min(room, width-curves.used-1, 60))
	}
	return []string{head.String(), names.String(), figures.String(), curves.String()}
}

// serviceRow is a service in one line.
func serviceRow(s serviceMembers, width int) string {
	g := s.Signals
	r := newRow(width)
	standing, standingStyle := standing(s.members)
	room := max(width-frameWidthMin, 0)
	name := 10 + min(room/3, 20)
	r.put(standingStyle, " ● ").field(bold, g.Service, name)
	r.to(3+name+1).put(normal, rateFigure(g.Rate)+" /s")
	at := 3 + name + 10
	if extra := min(room/2, 60); extra >= 10 {
		r.to(at)
		r.spark(cyan, s.History.Rate, s.History.End, extra, 0)
		at += extra + 2
	}
	r.to(at).put(failedStyle(g.FailedShare), shareFigure(g.FailedShare))
	r.to(at+8).put(normal, latencyFigure(g.P50Seconds)+" · "+latencyFigure(g.P99Seconds))
	r.to(at+26).put(standingStyle, standing)
	return r.String()
}

// load is a service's saturation in figures.
func load(g ServiceSignals) string {
	text := fmt.Sprintf("%d in flight", g.InFlight)
	if g.Limit > 0 {
		text = fmt.Sprintf("%d of %d", g.InFlight, g.Limit)
	}
	if g.Queued > 0 {
		text += fmt.Sprintf(" + %d", g.Queued)
	}
	return text
}

func failedStyle(share float64) style {
	switch {
	case share <= 0:
		return good
	case share < 0.01:
		return warn
	}
	return bad
}

func loadStyle(share float64) style {
	switch {
	case share < 0.7:
		return good
	case share < 0.95:
		return warn
	}
	return bad
}
