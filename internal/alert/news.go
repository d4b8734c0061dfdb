package alert

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
)

// news is what a receiver was last told of a group that was new.
type news struct {
	at    time.Time
	known map[string]bool // the alerts that hold and were passed on, by fingerprint
}

// hold leaves out alerts that are new in a group of which others were told a
// short time ago. They come together once that time is over.
func (m *Manager) hold(ctx context.Context, _ *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
	group, _ := notify.GroupKey(ctx)
	receiver, _ := notify.ReceiverName(ctx)
	key := receiver + "\x00" + group
	now := time.Now()
	var kept []*alert.Alert
	alerts = slices.DeleteFunc(slices.Clone(alerts), func(a *alert.Alert) bool {
		muted := m.muted(ctx, a.Labels)
		if muted { // it is nobody's news
			kept = append(kept, a)
		}
		return muted
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(alerts) == 0 || m.config.Alertmanager != "" { // whose file says when
		return ctx, append(kept, alerts...), nil
	}
	last := m.news[key]
	if last == nil {
		if len(m.news) >= groupsMax {
			return ctx, append(kept, alerts...), nil
		}
		last = &news{known: map[string]bool{}}
		m.news[key] = last
	}
	interval := m.config.tier(Tier(alerts[0].Labels[labelTier])).NewsInterval
	passed, known := last.pass(alerts, now.Sub(last.at) < interval)
	for _, a := range passed {
		if !a.Resolved() && !last.known[a.Fingerprint().String()] && a.StartsAt.After(m.swapped) {
			last.at = now
		}
	}
	last.known = known
	return ctx, append(kept, passed...), nil
}

// pass lists the alerts that are passed on, without those that are new where
// news is held, and which of them hold.
func (n *news) pass(alerts []*alert.Alert, held bool) (kept []*alert.Alert, known map[string]bool) {
	known = make(map[string]bool, len(alerts))
	for _, a := range alerts {
		fingerprint := a.Fingerprint().String()
		if !a.Resolved() {
			if held && !n.known[fingerprint] {
				continue
			}
			known[fingerprint] = true
		}
		kept = append(kept, a)
	}
	return kept, known
}

// forgetNews drops the groups of which nothing holds and nothing is held. The
// caller holds mu.
func (m *Manager) forgetNews(now time.Time) {
	for key, n := range m.news {
		if len(n.known) == 0 && now.Sub(n.at) > housekeeping {
			delete(m.news, key)
		}
	}
}
