package alert

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/journal"
)

// ErrNoIncident is returned for an incident that nobody knows of.
var ErrNoIncident = errors.New("no such incident is known")

// Report is an incident with all that the journal has about it.
type Report struct {
	Incident
	// Timeline is what happened to the service, and to all of Afloat, from a while
	// before the fault until a while after its end, oldest first.
	Timeline []journal.Entry `json:"timeline"`
}

const (
	reportBefore = 15 * time.Minute
	reportAfter  = 5 * time.Minute
	timelineMax  = 2000 // of all that happened, and of what matters
)

// reportKinds are what a timeline never lacks.
var reportKinds = slices.Concat(changeKinds, []journal.Kind{"alert", "notice"})

// Incident returns an incident with its timeline.
func (m *Manager) Incident(id uint64) (*Report, error) {
	m.mu.Lock()
	found := m.book.incident(id)
	if found == nil {
		m.mu.Unlock()
		return nil, fmt.Errorf("%w: %d", ErrNoIncident, id)
	}
	r := &Report{Incident: m.shown(found)}
	m.mu.Unlock()
	query := journal.Query{Since: r.FaultAt.Add(-reportBefore), Subject: r.Service, Own: true, Limit: timelineMax}
	if !r.Open() {
		query.Until = r.ResolvedAt.Add(reportAfter)
	}
	if r.Service != "" {
		var err error
		if r.Timeline, err = m.options.Journal.Read(query); err != nil {
			return nil, err
		}
	}
	// What parts of the service do may be so much that it hides what matters.
	query.Kinds = reportKinds
	matters, err := m.options.Journal.Read(query)
	if err != nil {
		return nil, err
	}
	for _, e := range matters {
		if r.Service != "" || e.ID == id || e.Kind.Within("config") {
			r.Timeline = append(r.Timeline, e)
		}
	}
	slices.SortFunc(r.Timeline, func(x, y journal.Entry) int { return cmp.Compare(x.ID, y.ID) })
	r.Timeline = slices.CompactFunc(r.Timeline, func(x, y journal.Entry) bool { return x.ID == y.ID })
	return r, nil
}

// Duration is how long the incident lasted, or has lasted by now.
func (i *Incident) Duration(now time.Time) time.Duration {
	if !i.Open() {
		now = i.ResolvedAt
	}
	return now.Sub(i.FaultAt)
}

// WritePostMortem writes the report in Markdown, with room for what only people
// know.
func (r *Report) WritePostMortem(w io.Writer) error {
	b := &strings.Builder{}
	say := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	say("# Incident %d: %s\n", r.ID, line(r.Title))
	say("| | |\n|---|---|")
	say("| Tier | %s |", r.Tier)
	if r.Service != "" {
		say("| Service | %s |", line(r.Service))
	}
	say("| Fault began | %s |", stamp(r.FaultAt))
	say("| Detected | %s, %s later |", stamp(r.DetectedAt), spell(r.DetectedAt.Sub(r.FaultAt)))
	switch {
	case !r.AcknowledgedAt.IsZero():
		say("| Acknowledged | %s by %s, %s later |", stamp(r.AcknowledgedAt), line(r.AcknowledgedBy), spell(r.AcknowledgedAt.Sub(r.DetectedAt)))
	default:
		say("| Acknowledged | by nobody |")
	}
	if r.Open() {
		say("| Resolved | not yet |")
	} else {
		say("| Resolved | %s |", stamp(r.ResolvedAt))
	}
	say("| Lasted | %s |", spell(r.Duration(time.Now())))
	say("| Cost | %d failed requests |", r.Failed)
	say("\n## What was noticed\n")
	for _, a := range r.Alerts {
		say("- %s **%s %s**: %s", a.FiredAt.UTC().Format("15:04:05"), a.Tier, line(a.Name), line(a.Summary))
	}
	r.section(say, "What had changed before", func(e *journal.Entry) bool {
		return !e.Time.After(r.DetectedAt) && among(e.Kind, changeKinds)
	})
	r.section(say, "What was done meanwhile", func(e *journal.Entry) bool {
		return e.Time.After(r.DetectedAt) && (among(e.Kind, actionKinds) || among(e.Kind, changeKinds)) && (r.Open() || !e.Time.After(r.ResolvedAt))
	})
	r.section(say, "Timeline", func(*journal.Entry) bool { return true })
	say("\n## Root cause\n\n_To be written._\n\n## What went well, and what did not\n\n_To be written._\n\n## What will be done\n\n- [ ] _To be written._")
	_, err := io.WriteString(w, b.String())
	return err
}

// section lists the entries of the timeline that are wanted.
func (r *Report) section(say func(string, ...any), title string, wanted func(*journal.Entry) bool) {
	say("\n## %s\n", title)
	none := true
	for i := range r.Timeline {
		e := &r.Timeline[i]
		if !wanted(e) {
			continue
		}
		none = false
		text := e.What
		if e.Subject != "" && e.Subject != r.Service {
			text = e.Subject + ": " + text
		}
		if e.Why != "" {
			text += ": " + e.Why
		}
		if e.Who != "" && !slices.Contains([]string{"gateway", "supervisor", "alerts", "afloat"}, e.Who) {
			text += " (" + e.Who + ")"
		}
		say("- %s %s", e.Time.UTC().Format("15:04:05"), line(text))
	}
	if none {
		say("Nothing that Afloat knows of.")
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// line makes text fit for a line of Markdown.
var lineBreaks = strings.NewReplacer("\n", " ", "\r", " ", "|", `\|`, "<", "&lt;", "`", "'")

func line(text string) string { return lineBreaks.Replace(text) }
