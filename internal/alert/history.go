package alert

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/journal"
)

// OpenAlert is an alert that holds, and whether anybody is told of it.
type OpenAlert struct {
	Alert
	// State is firing, flapping, silenced, or inhibited: by a more urgent alert of
	// the same service.
	State string `json:"state"`
}

// countUp gives an open alert what it has cost so far. The caller holds mu.
func (m *Manager) countUp(a *Alert) {
	if w := m.watch[a.Fingerprint]; w != nil && a.Open() {
		cost := m.tallies.now(a.Service).since(w.begun)
		a.Requests, a.Failed = cost.requests, cost.failed
	}
}

// shown is an incident as it stands, for others to read. The caller holds mu.
func (m *Manager) shown(i *record) Incident {
	c := i.clone()
	stretch := i.stretch
	for n := range c.Alerts {
		if a := &c.Alerts[n]; a.Open() {
			m.countUp(a)
			stretch = max(stretch, a.Failed)
		}
	}
	c.Failed = i.before + stretch
	return c
}

// Alerts lists the alerts that are open, the most urgent first.
func (m *Manager) Alerts() []OpenAlert {
	m.mu.Lock()
	all := make([]OpenAlert, 0, len(m.book.open))
	for fingerprint, a := range m.book.open {
		state := "firing"
		if w := m.watch[fingerprint]; w != nil && !w.held.IsZero() {
			state = "flapping"
		}
		shown := *a
		m.countUp(&shown)
		all = append(all, OpenAlert{shown, state})
	}
	e := m.engine
	m.mu.Unlock()
	ctx := context.Background()
	for i := range all {
		labels := labelSet(all[i].Labels)
		switch {
		case m.silencer.Mutes(ctx, labels):
			all[i].State = "silenced"
		case e != nil && e.inhibitor.Mutes(ctx, labels):
			all[i].State = "inhibited"
		}
	}
	slices.SortFunc(all, func(x, y OpenAlert) int {
		if x.Tier != y.Tier {
			return strings.Compare(string(x.Tier), string(y.Tier))
		}
		return y.FiredAt.Compare(x.FiredAt)
	})
	return all
}

// Changes lists what people, releases and the configuration have changed since a
// time, the oldest first; at most the last n.
func (m *Manager) Changes(since time.Time, n int) []journal.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []journal.Entry{}
	for _, e := range slices.Backward(m.changed) {
		if len(all) == n || e.Time.Before(since) {
			break
		}
		all = append(all, e)
	}
	slices.Reverse(all)
	return all
}

// Incidents lists the last incidents, the newest first, at most n.
func (m *Manager) Incidents(n int) []Incident {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []Incident{}
	for _, i := range slices.Backward(m.book.incidents) {
		if len(all) == n {
			break
		}
		all = append(all, m.shown(i))
	}
	return all
}
