package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"

	"github.com/afloat-dev/afloat/internal/journal"
)

const (
	// tickEvery is how often outages are looked for and times that are over.
	tickEvery = 250 * time.Millisecond
	// recentMax bounds the changes, and the actions, that are remembered for
	// notices.
	recentMax = 2000
	// restoredFor is how long an alert that was open before a restart holds
	// without being told again.
	restoredFor = 45 * time.Second
	// recalledFor is how long ago an alert may have ended whose end may still
	// have to be told after a restart.
	recalledFor = time.Hour
)

// changeKinds are the entries that notices show as what changed lately, and
// actionKinds those that they show as what was done meanwhile.
var (
	changeKinds = []journal.Kind{"config", "release", "fault", "lever", "scale", "chaos", journal.KindStarted}
	actionKinds = []journal.Kind{"endpoint", "service", "process", "release", "lever", "scale"}
)

func among(kind journal.Kind, areas []journal.Kind) bool {
	for _, area := range areas {
		if kind.Within(area) {
			return true
		}
	}
	return false
}

// rememberAtOnce is how many entries about alerts are read at a time.
const rememberAtOnce = 10_000

// remember reads into the book all that the journal has about alerts, and of what
// changed as much as notices may show.
func (m *Manager) remember() error {
	m.heard = m.options.Journal.Last()
	query := journal.Query{Kinds: []journal.Kind{"alert"}, Oldest: true, Limit: rememberAtOnce}
	for more := true; more; {
		entries, err := m.options.Journal.Read(query)
		if err != nil {
			return err
		}
		for i := range entries {
			m.book.apply(&entries[i])
			query.After = entries[i].ID
		}
		more = len(entries) == rememberAtOnce
	}
	since := time.Now()
	for _, open := range m.book.open {
		if open.FiredAt.Before(since) {
			since = open.FiredAt
		}
	}
	later := func(e journal.Entry) bool { return e.ID > m.heard } // it will be heard
	var err error
	query = journal.Query{Since: since.Add(-changesWithin), Kinds: changeKinds, Limit: recentMax}
	if m.changed, err = m.options.Journal.Read(query); err != nil {
		return err
	}
	query.Kinds = actionKinds
	m.done, err = m.options.Journal.Read(query)
	m.changed, m.done = slices.DeleteFunc(m.changed, later), slices.DeleteFunc(m.done, later)
	return err
}

// notice remembers what notices may show.
func (m *Manager) notice(e *journal.Entry) {
	m.heard = max(m.heard, e.ID)
	if among(e.Kind, changeKinds) {
		m.changed = recall(m.changed, e)
	}
	if among(e.Kind, actionKinds) {
		m.done = recall(m.done, e)
	}
}

// recall adds an entry to the last ones.
func recall(last []journal.Entry, e *journal.Entry) []journal.Entry {
	if len(last) >= recentMax {
		last = append(last[:0], last[len(last)-recentMax+1:]...)
	}
	return append(last, *e)
}

// listen takes what others write into the journal, until ctx ends.
func (m *Manager) listen(ctx context.Context) {
	for ctx.Err() == nil {
		heard := m.options.Journal.Subscribe(ctx)
		m.mu.Lock()
		after := m.heard
		m.mu.Unlock()
		for more := true; more; {
			missed, err := m.options.Journal.Read(journal.Query{After: after, Oldest: true, Limit: recentMax})
			m.hear(missed...)
			if more = err == nil && len(missed) == recentMax; more {
				after = missed[len(missed)-1].ID
			}
		}
		for e := range heard {
			m.hear(e)
		}
		select { // the channel closes when it lags, and at the end
		case <-ctx.Done():
		case <-time.After(tickEvery):
		}
	}
}

// hear remembers entries once, in their order.
func (m *Manager) hear(entries ...journal.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range entries {
		if entries[i].ID > m.heard {
			m.notice(&entries[i])
		}
	}
}

// restore tells the dispatcher anew of the alerts that were open when the
// process ended, and of those that had ended just before.
func (m *Manager) restore() {
	now := time.Now()
	m.mu.Lock()
	var again []*alert.Alert
	for fingerprint, open := range m.book.open {
		if m.watch[fingerprint] != nil {
			continue
		}
		a := open.again()
		a.EndsAt = now.Add(restoredFor)
		m.watch[fingerprint] = &watched{alert: a, begun: m.tallies.now(open.Service)}
		m.outages.recall(open)
		again = append(again, a)
		if !open.EscalatedAt.IsZero() {
			again = append(again, urge(a))
		}
	}
	for _, i := range m.book.incidents {
		for _, ended := range i.alerts {
			if !ended.Open() && now.Sub(ended.ResolvedAt) < recalledFor && m.book.open[ended.Fingerprint] == nil {
				a := ended.again()
				a.EndsAt = ended.ResolvedAt
				again = append(again, a)
				if !ended.EscalatedAt.IsZero() {
					again = append(again, urge(a))
				}
			}
		}
	}
	m.mu.Unlock()
	if len(again) > 0 {
		_ = m.provider.Put(context.Background(), again...) // it fails only while it is full, and says so itself
	}
}

// again is an alert as it is told.
func (a *Alert) again() *alert.Alert {
	return &alert.Alert{Alert: model.Alert{
		Labels: labelSet(a.Labels), Annotations: labelSet(a.Annotations), StartsAt: a.FiredAt,
	}, UpdatedAt: time.Now()}
}

// tick looks at the services and at the time.
func (m *Manager) tick(ctx context.Context, now time.Time) {
	var totals []Total
	if m.options.Totals != nil {
		totals = m.options.Totals()
	}
	m.mu.Lock()
	if m.engine == nil {
		m.mu.Unlock()
		return
	}
	m.tallies.take(totals, now)
	if !m.config.noticesOutages() {
		totals = nil
	}
	told := m.outages.step(totals, now, m.config.Outage)
	over := m.overdue(now)
	urgent := m.unacknowledged(now)
	m.mu.Unlock()
	if err := m.put(ctx, told...); err != nil {
		m.log.Error("an outage could not be noted", "error", err)
	}
	for _, a := range over {
		m.finish(ctx, a, now)
	}
	for _, a := range urgent {
		m.escalate(ctx, a, now)
	}
}

// overdue lists the open alerts that were not told again in time, and those that
// flapped and were quiet long enough. The caller holds mu.
func (m *Manager) overdue(now time.Time) (over []*alert.Alert) {
	for _, w := range m.watch {
		switch {
		case now.Before(w.again):
		case !w.held.IsZero():
			if now.Sub(w.held) >= m.config.Flap.Quiet {
				over = append(over, w.alert)
			}
		case w.alert.ResolvedAt(now):
			over = append(over, w.alert)
		}
	}
	return over
}

// finish ends an alert of which nobody says any more that it holds.
func (m *Manager) finish(ctx context.Context, a *alert.Alert, now time.Time) {
	fingerprint := a.Fingerprint().String()
	m.mu.Lock()
	open := m.book.open[fingerprint]
	urged := open != nil && !open.EscalatedAt.IsZero()
	m.mu.Unlock()
	ended := *a
	ended.EndsAt, ended.UpdatedAt = now, now
	err := m.end(&ended, fingerprint, now)
	pass := []*alert.Alert{&ended}
	if urged {
		pass = append(pass, urge(&ended))
	}
	if err = errors.Join(err, m.provider.Put(ctx, pass...)); err != nil {
		m.later(fingerprint, now)
		m.log.Error("the end of an alert could not be noted", "alert", a.Name(), "error", err)
	}
}

// laterAfter is when something that failed is tried again.
const laterAfter = 30 * time.Second

// later leaves an open alert alone for a while.
func (m *Manager) later(fingerprint string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.watch[fingerprint]; w != nil {
		w.again = now.Add(laterAfter)
	}
}

// unacknowledged lists the alerts that it is time to escalate. The caller holds
// mu.
func (m *Manager) unacknowledged(now time.Time) (urgent []*alert.Alert) {
	for fingerprint, w := range m.watch {
		open := m.book.open[fingerprint]
		c := m.config.tier(Tier(w.alert.Labels[labelTier]))
		if c.EscalateAfter > 0 && !now.Before(w.again) && open != nil && open.AcknowledgedAt.IsZero() && open.EscalatedAt.IsZero() &&
			now.Sub(open.FiredAt) >= c.EscalateAfter {
			urgent = append(urgent, w.alert)
		}
	}
	return urgent
}

// escalate tells further receivers of an alert, as one of its own that lives as
// long. One that nobody was told of, since it is silenced, is left alone.
func (m *Manager) escalate(ctx context.Context, a *alert.Alert, now time.Time) {
	if m.muted(ctx, a.Labels) {
		return
	}
	m.mu.Lock()
	c := *m.config.tier(Tier(a.Labels[labelTier]))
	m.mu.Unlock()
	_, err := m.write(journal.Entry{
		Time: now, Kind: journal.KindAlertEscalated, Level: journal.LevelBad, Who: "alerts", Subject: string(a.Labels[labelService]),
		What:   fmt.Sprintf("%s %s escalated to %s", a.Labels[labelTier], a.Name(), join(c.EscalateTo)),
		Why:    "nobody acknowledged it for " + spell(c.EscalateAfter),
		Detail: journal.Detail(namedDetail{a.Fingerprint().String(), c.EscalateTo}),
	})
	if err = errors.Join(err, m.provider.Put(ctx, urge(a))); err != nil {
		m.later(a.Fingerprint().String(), now)
		m.log.Error("an alert could not be escalated", "alert", a.Name(), "error", err)
	}
}

// urge is the alert that stands for one that nobody acknowledged.
func urge(a *alert.Alert) *alert.Alert {
	c := *a
	c.Labels = a.Labels.Clone()
	c.Labels[labelEscalation] = escalated
	return &c
}

// muted reports whether nobody is told of alerts with these labels now.
func (m *Manager) muted(ctx context.Context, labels model.LabelSet) bool {
	m.mu.Lock()
	e := m.engine
	echo := m.book.echoes(labels, time.Now())
	m.mu.Unlock()
	return echo || m.silencer.Mutes(ctx, labels) || e != nil && e.inhibitor.Mutes(ctx, labels)
}

// ErrNoAlert is returned for an alert that is not open.
var ErrNoAlert = errors.New("no such alert is open")

// Acknowledge notes that somebody looks after open alerts: that with the
// fingerprint, those of a service, those with a name, or those of an incident by
// its number. They are not told again nor escalated. It returns how many.
func (m *Manager) Acknowledge(which, who, why string) (int, error) {
	m.mu.Lock()
	var found []Alert
	for _, a := range m.book.open {
		if which == a.Fingerprint || which == a.Service && which != "" || strings.EqualFold(which, a.Name) || which == fmt.Sprint(a.Incident) {
			found = append(found, *a)
		}
	}
	m.mu.Unlock()
	if len(found) == 0 {
		return 0, fmt.Errorf("%w: %q", ErrNoAlert, which)
	}
	for _, a := range found {
		_, err := m.write(journal.Entry{
			Kind: journal.KindAlertAcknowledged, Who: who, Subject: a.Service, What: fmt.Sprintf("%s %s acknowledged", a.Tier, a.Name), Why: why,
			Detail: journal.Detail(namedDetail{Fingerprint: a.Fingerprint}),
		})
		if err != nil {
			return 0, err
		}
	}
	return len(found), nil
}
