package alert

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/common/model"

	"github.com/afloat-dev/afloat/internal/journal"
)

// The annotations that Afloat adds. Notices show them.
const (
	noteSummary = "summary"
	noteConsole = "console_url"
	noteRunbook = "runbook_url"
	noteNumbers = "numbers"  // how the service fares now
	noteStands  = "standout" // which endpoint differs
	noteChanges = "changes"  // what changed lately
	noteLasted  = "lasted"   // of an alert that is over
	noteCost    = "cost"
	noteActions = "actions"
	noteFlaps   = "flapping"
)

// incoming is an alert as a rule, the outage detector or a client tells it.
type incoming struct {
	*alert.Alert
	since time.Time // when its condition began to hold; zero: when it starts
}

// watched is what is known of an open alert beyond what the book says.
type watched struct {
	alert *alert.Alert // as it was told last
	begun tally        // the service's requests when the fault began
	held  time.Time    // since when it would be over, did it not flap
	again time.Time    // until when it is left alone, since its end or its escalation failed
}

// gate is the way of alerts from clients: past the Manager.
type gate struct {
	*mem.Alerts
	manager *Manager
}

// Put takes alerts of clients.
func (g gate) Put(ctx context.Context, alerts ...*alert.Alert) error {
	all := make([]incoming, len(alerts))
	for i, a := range alerts {
		all[i].Alert = a
	}
	return g.manager.put(ctx, all...)
}

// openMax bounds the alerts that are open at a time.
const openMax = 20_000

// put takes alerts that are told, again and again while they hold and once when
// they are over. What it passes on has been written into the journal.
func (m *Manager) put(ctx context.Context, all ...incoming) error {
	now := time.Now()
	var pass []*alert.Alert
	var failed error
	for _, in := range all {
		a, urged, err := m.take(in, now)
		if err != nil {
			failed = err
			continue
		}
		pass = append(pass, a)
		if urged {
			pass = append(pass, urge(a))
		}
	}
	if len(pass) > 0 {
		if err := m.provider.Put(ctx, pass...); err != nil {
			failed = err
		}
	}
	return failed
}

// take notes an alert and returns it as it is passed on, and whether it was
// escalated.
func (m *Manager) take(in incoming, now time.Time) (a *alert.Alert, urged bool, err error) {
	m.mu.Lock()
	a = m.complete(in.Alert)
	fingerprint := a.Fingerprint().String()
	if open := m.book.open[fingerprint]; open != nil {
		urged = !open.EscalatedAt.IsZero()
	}
	m.mu.Unlock()
	switch {
	case a.ResolvedAt(now):
		a, err = m.takeEnd(a, fingerprint, now)
	case !m.renew(a, fingerprint):
		err = m.takeBegin(a, fingerprint, in.since, now)
	}
	return a, urged, err
}

// renew notes that an open alert still holds, and reports whether it is open.
func (m *Manager) renew(a *alert.Alert, fingerprint string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	w, open := m.watch[fingerprint], m.book.open[fingerprint]
	if w == nil || open == nil {
		return false
	}
	w.alert, w.held = a, time.Time{}
	a.StartsAt = open.FiredAt
	return true
}

func (m *Manager) takeBegin(a *alert.Alert, fingerprint string, since, now time.Time) error {
	m.mu.Lock()
	full := len(m.watch) >= openMax
	m.mu.Unlock()
	if full {
		return fmt.Errorf("more than %d alerts are open; %s is left out", openMax, a.Name())
	}
	if since.IsZero() {
		since = a.StartsAt
	}
	a.StartsAt = now
	service := string(a.Labels[labelService])
	tier := string(a.Labels[labelTier])
	_, err := m.write(journal.Entry{
		Time: now, Kind: journal.KindAlertFired, Level: journal.LevelBad, Who: "alerts", Subject: service,
		What: strings.TrimSpace(tier + " " + a.Name()), Why: summaryOf(a),
		Detail: journal.Detail(firedDetail{fingerprint, plain(a.Labels), plain(a.Annotations), since.UTC()}),
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.watch[fingerprint] = &watched{alert: a, begun: m.tallies.at(service, since)}
	m.mu.Unlock()
	return nil
}

// takeEnd notes that an alert is over, or holds it where it comes and goes.
func (m *Manager) takeEnd(a *alert.Alert, fingerprint string, now time.Time) (*alert.Alert, error) {
	m.mu.Lock()
	w := m.watch[fingerprint]
	hold := w != nil && w.held.IsZero() && m.book.flaps(fingerprint, now, m.config.Flap)
	if hold {
		w.held = now
	}
	held := w != nil && !w.held.IsZero()
	quiet := m.config.Flap.Quiet
	m.mu.Unlock()
	switch {
	case w == nil:
		return a, nil // nobody was told that it began
	case held:
		a.StartsAt, a.EndsAt = w.alert.StartsAt, now.Add(quiet+time.Minute)
		a.Annotations = a.Annotations.Clone()
		a.Annotations[noteFlaps] = model.LabelValue(fmt.Sprintf("it comes and goes; it is over once it has not come back for %v", quiet))
		return a, nil
	}
	return a, m.end(a, fingerprint, now)
}

// end writes that an alert is over.
func (m *Manager) end(a *alert.Alert, fingerprint string, now time.Time) error {
	service := string(a.Labels[labelService])
	m.mu.Lock()
	w := m.watch[fingerprint]
	open := m.book.open[fingerprint]
	if w == nil || open == nil {
		delete(m.watch, fingerprint)
		m.mu.Unlock()
		return nil
	}
	fired := open.FiredAt
	cost := m.tallies.now(service).since(w.begun)
	m.mu.Unlock()
	a.StartsAt = fired
	_, err := m.write(journal.Entry{
		Time: now, Kind: journal.KindAlertResolved, Level: journal.LevelGood, Who: "alerts", Subject: service,
		What: strings.TrimSpace(string(a.Labels[labelTier]) + " " + a.Name() + " is over"), Why: "it lasted " + spell(now.Sub(fired)),
		Detail: journal.Detail(resolvedDetail{fingerprint, cost.requests, cost.failed}),
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	delete(m.watch, fingerprint)
	m.mu.Unlock()
	return nil
}

// write adds an entry about alerts to the journal and takes it over. Nobody else
// writes such entries. People are told even of what the disk has no room for: the
// journal says so itself, once.
func (m *Manager) write(e journal.Entry) (journal.Entry, error) {
	e, err := m.options.Journal.Append(e)
	if err != nil && !errors.Is(err, journal.ErrUnwritten) {
		return e, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.book.apply(&e)
	return e, nil
}

// complete gives an alert what it lacks: a tier, and links. The caller holds mu.
func (m *Manager) complete(a *alert.Alert) *alert.Alert {
	c := *a
	c.Labels, c.Annotations = a.Labels.Clone(), a.Annotations.Clone()
	if c.Annotations == nil {
		c.Annotations = model.LabelSet{}
	}
	if c.Labels[labelTier] == "" {
		c.Labels[labelTier] = model.LabelValue(tierOf(string(c.Labels["severity"])))
	}
	c.UpdatedAt = time.Now()
	if c.Annotations[noteConsole] == "" {
		link := m.externalURL(&m.config).JoinPath("/").String()
		if service := c.Labels[labelService]; service != "" {
			link += "#/service/" + url.PathEscape(string(service))
		} else {
			link += "#/alerts"
		}
		c.Annotations[noteConsole] = model.LabelValue(link)
	}
	if m.config.Runbooks != "" && c.Annotations[noteRunbook] == "" {
		c.Annotations[noteRunbook] = model.LabelValue(m.config.Runbooks + url.PathEscape(c.Name()))
	}
	return &c
}

// tierOf is the tier of an alert whose rule only says how severe it is.
func tierOf(severity string) Tier {
	switch strings.ToLower(severity) {
	case "p0":
		return P0
	case "p1", "page", "critical", "emergency":
		return P1
	}
	return P2
}

// summaryOf is an alert in a sentence.
func summaryOf(a *alert.Alert) string {
	for _, name := range []model.LabelName{noteSummary, "description", "message"} {
		if text := a.Annotations[name]; text != "" {
			return string(text)
		}
	}
	return a.Name()
}

func plain(set model.LabelSet) map[string]string {
	all := make(map[string]string, len(set))
	for name, value := range set {
		all[string(name)] = string(value)
	}
	return all
}

func labelSet(all map[string]string) model.LabelSet {
	set := make(model.LabelSet, len(all))
	for name, value := range all {
		set[model.LabelName(name)] = model.LabelValue(value)
	}
	return set
}

// spell writes a time as people say it.
func spell(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func join(list []string) string { return strings.Join(list, ", ") }
