package alert

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"

	"github.com/afloat-dev/afloat/internal/journal"
)

const (
	changesShown = 5
	actionsShown = 6
	// changesWithin is how long before an alert a change may have been to be
	// shown with it.
	changesWithin = 30 * time.Minute
)

// noticer notifies by what Alertmanager brings: it adds what a person wants to
// know first, and writes into the journal who was told.
type noticer struct {
	manager  *Manager
	inner    *notify.Integration
	receiver string
	redactor *redactor
}

// Notify is part of [notify.Notifier].
func (n *noticer) Notify(ctx context.Context, alerts ...*alert.Alert) (bool, error) {
	reason, _ := notify.NotificationReason(ctx)
	if reason == notify.ReasonRepeatIntervalElapsed && n.manager.acknowledged(alerts) {
		return false, nil // somebody looks after it: nobody needs to hear it again
	}
	alerts, note := n.heard(ctx, alerts)
	if len(alerts) == 0 {
		note()
		return false, nil
	}
	now := time.Now()
	told := make([]*alert.Alert, len(alerts))
	for i, a := range alerts {
		told[i] = n.manager.explain(a, now)
	}
	again, err := n.tell(ctx, told)
	err = n.redactor.err(err)
	n.manager.figures.notice(n.receiver, n.inner.Name(), err)
	if err == nil {
		note()
	}
	if ctx.Err() == nil || err == nil {
		group, _ := notify.GroupKey(ctx)
		n.manager.noticed(n, group, reason, told, err)
	}
	return again, err
}

// tell notifies. A receiver's answer that its integration does not expect must
// not end the gateway, which is in the same process.
func (n *noticer) tell(ctx context.Context, alerts []*alert.Alert) (again bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			again, err = true, fmt.Errorf("%s failed by itself: %v", n.inner.Name(), r)
		}
	}()
	return n.inner.Notify(ctx, alerts...)
}

// acknowledged reports whether somebody looks after each alert that still holds.
func (m *Manager) acknowledged(alerts []*alert.Alert) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	any := false
	for _, a := range alerts {
		if a.Resolved() {
			continue
		}
		open := m.book.open[original(a)]
		if open == nil || open.AcknowledgedAt.IsZero() {
			return false
		}
		any = true
	}
	return any
}

// original is the fingerprint of an alert, or of the one that it was escalated
// from.
func original(a *alert.Alert) string {
	if a.Labels[labelEscalation] == "" {
		return a.Fingerprint().String()
	}
	labels := a.Labels.Clone()
	delete(labels, labelEscalation)
	return labels.Fingerprint().String()
}

// noticed writes into the journal that somebody was told, or could not be; the
// latter once until it works again.
func (m *Manager) noticed(n *noticer, group string, reason notify.NotifyReason, alerts []*alert.Alert, err error) {
	key := n.receiver + "\x00" + n.inner.String() + "\x00" + group
	m.mu.Lock()
	failing := m.failing[key]
	if err != nil && len(m.failing) < groupsMax {
		m.failing[key] = true
	} else {
		delete(m.failing, key)
	}
	m.mu.Unlock()
	if err != nil && failing {
		return
	}
	firing, services := 0, map[string]bool{}
	var names []string
	for _, a := range alerts {
		services[string(a.Labels[labelService])] = true
		if !a.Resolved() {
			firing++
		}
		names = append(names, string(a.Annotations[noteSummary]))
	}
	status := "firing"
	if firing == 0 {
		status = "over"
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > changesShown {
		names = append(names[:changesShown], fmt.Sprintf("and %d more", len(names)-changesShown))
	}
	entry := journal.Entry{
		Kind: journal.KindNoticeSent, Who: "alerts", What: fmt.Sprintf("%s told by %s that it is %s", n.receiver, n.inner.Name(), status),
		Why:    strings.Join(names, "; "),
		Detail: journal.Detail(object{"receiver": n.receiver, "integration": n.inner.String(), "status": status, "alerts": len(alerts), "reason": reason.String()}),
	}
	if len(services) == 1 {
		for service := range services {
			entry.Subject = service
		}
	}
	if err != nil {
		entry.Kind, entry.Level = journal.KindNoticeFailed, journal.LevelBad
		entry.What, entry.Why = fmt.Sprintf("%s could not be told by %s; it is tried again", n.receiver, n.inner.Name()), err.Error()
	}
	m.options.Journal.Post(entry)
}

// explain adds to an alert what a person wants to know with it.
func (m *Manager) explain(a *alert.Alert, now time.Time) *alert.Alert {
	told := *a
	told.Annotations = a.Annotations.Clone()
	if told.Annotations == nil {
		told.Annotations = model.LabelSet{}
	}
	add := func(name model.LabelName, text string) {
		if text != "" {
			told.Annotations[name] = model.LabelValue(text)
		}
	}
	service := string(a.Labels[labelService])
	if a.Resolved() {
		ended := a.EndsAt
		m.mu.Lock()
		defer m.mu.Unlock()
		add(noteLasted, spell(ended.Sub(a.StartsAt)))
		add(noteCost, m.book.cost(original(a)))
		add(noteActions, m.actions(service, a.StartsAt, ended))
		return &told
	}
	if service != "" && m.options.Situation != nil {
		s := m.options.Situation(service)
		add(noteNumbers, s.Numbers)
		add(noteStands, s.StandsOut)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	add(noteChanges, m.changes(service, a.StartsAt, now))
	return &told
}

// cost says how many requests failed during the alert that ended last.
func (b *book) cost(fingerprint string) string {
	for _, i := range slices.Backward(b.incidents) {
		for _, a := range slices.Backward(i.alerts) {
			if a.Fingerprint == fingerprint && !a.Open() {
				if a.Service == "" || a.Requests == 0 {
					return ""
				}
				return fmt.Sprintf("%d failed requests of %d", a.Failed, a.Requests)
			}
		}
	}
	return ""
}

// concerns reports whether an entry is about a service or about all of Afloat.
func concerns(e *journal.Entry, service string) bool {
	return e.Subject == "" || service == "" || e.Subject == service || strings.HasPrefix(e.Subject, service+"/")
}

// changes lists what changed before an alert, the latest first. The caller holds
// mu.
func (m *Manager) changes(service string, fired, now time.Time) string {
	var list []string
	for _, e := range slices.Backward(m.changed) {
		if e.Time.Before(fired.Add(-changesWithin)) || len(list) == changesShown {
			break
		}
		if e.Time.After(fired.Add(time.Second)) || !concerns(&e, service) {
			continue
		}
		text := e.What
		if e.Why != "" {
			text += " (" + shorten(e.Why, 160) + ")"
		}
		list = append(list, spell(now.Sub(e.Time).Truncate(time.Second))+" ago: "+text)
	}
	return strings.Join(list, "; ")
}

// actions sums up what happened to a service's parts in a time, most often first.
// The caller holds mu.
func (m *Manager) actions(service string, from, to time.Time) string {
	if service == "" {
		return ""
	}
	counts := map[string]int{}
	for i := range m.done {
		e := &m.done[i]
		if e.Subject != "" && concerns(e, service) && !e.Time.Before(from.Add(-5*time.Second)) && !e.Time.After(to.Add(time.Second)) {
			counts[e.What]++
		}
	}
	var names []string
	for what := range counts {
		names = append(names, what)
	}
	slices.SortFunc(names, func(x, y string) int {
		if counts[x] != counts[y] {
			return counts[y] - counts[x]
		}
		return strings.Compare(x, y)
	})
	var list []string
	for _, what := range names[:min(len(names), actionsShown)] {
		if counts[what] > 1 {
			what = fmt.Sprintf("%d times %s", counts[what], what)
		}
		list = append(list, what)
	}
	return strings.Join(list, ", ")
}

// shorten cuts a text after so many bytes.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
