package signal

import (
	"fmt"
	"strings"
)

const (
	// frameWidthMin and frameHeightMin are what a frame is made for; a smaller
	// terminal shows a part of it.
	frameWidthMin, frameHeightMin = 60, 16
	// frameEvents bounds the events that a frame shows.
	frameEvents = 10
)

// Frame draws a View for a terminal: at most height lines of at most width
// columns, coloured by SGR sequences. What does not fit is left out from the
// least important on: older events, endpoints that are up, curves.
func Frame(v View, width, height int) []string {
	width, height = max(width, 1), max(height, 1)
	lines := header(v, width)
	section := sectionLines(v, width, (height-len(lines))/2)
	free := height - len(lines) - len(section)

	// Two events stay in sight however many services there are.
	eventsMin := min(len(v.Events), 2) + 1
	if len(v.Events) == 0 || free < 8 {
		eventsMin = 0
	}
	services := serviceLines(v, width, free-eventsMin)
	lines = append(lines, services...)
	lines = append(lines, eventLines(v, width, free-len(services))...)
	lines = append(lines, section...)
	return lines[:min(len(lines), height)]
}

// header is the name and where it listens, the sum of several services, and
// an empty line.
func header(v View, width int) []string {
	r := newRow(width)
	r.put(title, " afloat")
	if v.Name != "" {
		r.put(bold, "  "+v.Name)
	}
	var listeners []string
	connections, draining := 0, ""
	for _, l := range v.Listeners {
		listeners = append(listeners, l.Address)
		connections += l.Connections
		if l.Draining {
			draining = "draining · "
		}
	}
	where := strings.Join(listeners, " ")
	if len(listeners) > 2 {
		where = fmt.Sprintf("%s and %d more", listeners[0], len(listeners)-1)
	}
	if where == "" {
		return []string{r.right(dim, "not listening ").String(), ""}
	}
	full := fmt.Sprintf("%s%s · %s · up %s ", draining, where, plural(connections, "connection"), ageFigure(v.UptimeSeconds))
	if r.used+2+columns(full) > width {
		full = draining + where + " "
	}
	r.right(dim, full)
	lines := []string{r.String()}
	if len(v.Services) > 1 {
		lines = append(lines, sum(v.All, width))
	}
	return append(lines, "")
}

// sum is the golden signals of all services in a line.
func sum(g ServiceSignals, width int) string {
	r := newRow(width)
	r.put(dim, " all     ").put(bold, rateFigure(g.Rate)+" /s")
	r.put(dim, "  failed ").put(failedStyle(g.FailedShare), shareFigure(g.FailedShare))
	r.put(dim, "  p50 · p99 ").put(bold, latencyFigure(g.P50Seconds)+" · "+latencyFigure(g.P99Seconds))
	return r.whole(dim, "  in flight "+grouped(int64(g.InFlight))).String()
}

// sectionLines are the caller's, after an empty line.
func sectionLines(v View, width, most int) []string {
	if v.Section == nil || most < 2 {
		return nil
	}
	given := v.Section(width)
	if len(given) == 0 {
		return nil
	}
	lines := []string{""}
	for _, line := range given[:min(len(given), most-1)] {
		lines = append(lines, clip(line, width))
	}
	return lines
}

// eventLines are a rule and the last events that fit, oldest first.
func eventLines(v View, width, most int) []string {
	n := min(len(v.Events), most-1, frameEvents)
	if n <= 0 {
		return nil
	}
	lines := []string{rule(width, "events")}
	for _, e := range v.Events[len(v.Events)-n:] {
		r := newRow(width)
		r.put(dim, " "+e.Time.In(v.Time.Location()).Format("15:04:05"))
		r.put(levelStyle(e.Level), "  ● ")
		r.put(normal, e.What)
		r.to(13 + eventColumns)
		if e.Who != "" {
			r.put(bold, e.Who).put(normal, "  ")
		}
		r.put(dim, e.Why)
		lines = append(lines, r.String())
	}
	return lines
}

// eventColumns is the room for what happened.
const eventColumns = 18

func levelStyle(l Level) style {
	switch l {
	case LevelGood:
		return good
	case LevelBad:
		return bad
	}
	return dim
}

// rule is a line across with a word in it.
func rule(width int, word string) string {
	r := newRow(width)
	r.put(dim, " "+word+" "+strings.Repeat("─", max(width-columns(word)-3, 0)))
	return r.String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(int64(n)) + " " + noun + "s"
}
