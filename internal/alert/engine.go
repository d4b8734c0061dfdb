package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/common/model"
)

// engine is what a Config makes of Alertmanager: it is built anew for each.
type engine struct {
	dispatcher *dispatch.Dispatcher
	inhibitor  *inhibit.Inhibitor
}

func (e *engine) stop() {
	if e != nil {
		e.inhibitor.Stop()
		e.dispatcher.Stop()
	}
}

// Apply puts a Config in force, or returns an error and leaves the old one.
func (m *Manager) Apply(c Config) error {
	m.applying.Lock()
	defer m.applying.Unlock()
	if err := errors.Join(c.Validate(), ValidateObjectives(c.Objectives)); err != nil {
		return err
	}
	c = c.WithDefaults()
	m.mu.Lock()
	same := m.engine != nil && c.Alertmanager == "" && reflect.DeepEqual(c, m.config)
	m.mu.Unlock()
	if same {
		return nil // groups keep their time
	}
	if c.Disabled {
		m.rules.stop()
		m.rules = nil
		m.ruling.Store(nil)
		m.swap(c, nil)
		return nil
	}
	routing, err := c.routing()
	if err != nil {
		return err
	}
	tmpl, integrations, err := m.integrations(&c, routing)
	if err != nil {
		return err
	}
	if m.rules, err = m.rules.apply(m, &c); err != nil {
		return err
	}
	m.ruling.Store(m.rules)
	m.swap(c, func() *engine { return m.start(routing, tmpl, integrations) })
	return nil
}

// swap stops what is in force, since two dispatchers would notify twice, and
// starts the next.
func (m *Manager) swap(c Config, start func() *engine) {
	m.mu.Lock()
	old := m.engine
	m.config, m.engine = c, nil
	m.news, m.swapped = map[string]*news{}, time.Now()
	m.mu.Unlock()
	old.stop()
	if start == nil {
		return
	}
	m.restore()
	next := start()
	m.mu.Lock()
	m.engine = next
	m.mu.Unlock()
}

// integrations builds the receivers that a route leads to.
func (m *Manager) integrations(c *Config, routing *amconfig.Config) (*template.Template, map[string][]notify.Integration, error) {
	tmpl, err := template.FromGlobs(routing.Templates)
	if err != nil {
		return nil, nil, fmt.Errorf("templates: %w", err)
	}
	if err := tmpl.Parse(strings.NewReader(templates)); err != nil {
		return nil, nil, fmt.Errorf("templates: %w", err)
	}
	tmpl.ExternalURL = m.externalURL(c)
	used := receiverNames(routing)
	all := map[string][]notify.Integration{}
	for _, r := range routing.Receivers {
		if !used[r.Name] {
			continue
		}
		built, err := receiver.BuildReceiverIntegrations(r, tmpl, m.quiet("notify"))
		if err != nil {
			return nil, nil, fmt.Errorf("receiver %s: %w", r.Name, err)
		}
		redactor := newRedactor(&r)
		for i := range built {
			inner := built[i]
			m.figures.begin(r.Name, inner.Name())
			built[i] = notify.NewIntegration(&noticer{manager: m, inner: &inner, receiver: r.Name, redactor: redactor}, &inner, inner.Name(), inner.Index(), r.Name)
		}
		all[r.Name] = built
	}
	return tmpl, all, nil
}

// start builds the pipeline and begins to dispatch.
func (m *Manager) start(routing *amconfig.Config, tmpl *template.Template, integrations map[string][]notify.Integration) *engine {
	intervals := map[string][]timeinterval.TimeInterval{}
	for _, t := range routing.MuteTimeIntervals {
		intervals[t.Name] = t.TimeIntervals
	}
	for _, t := range routing.TimeIntervals {
		intervals[t.Name] = t.TimeIntervals
	}
	e := &engine{inhibitor: inhibit.NewInhibitor(m.provider, routing.InhibitRules, m.quiet("inhibitor"), eventrecorder.Recorder{})}
	sent := lastingLog{m.sent, m.sentFile}
	stages := m.pipelines.New(integrations, func() time.Duration { return 0 }, e.inhibitor, m.silencer, timeinterval.NewIntervener(intervals), m.groups, sent, nil)
	for name, stage := range stages {
		stages[name] = notify.MultiStage{notify.StageFunc(m.aftermath), notify.StageFunc(m.hold), stage}
	}
	m.api.Update(routing, func(ctx context.Context, labels model.LabelSet) {
		e.inhibitor.Mutes(ctx, labels)
		m.silencer.Mutes(ctx, labels)
	})
	timeout := func(d time.Duration) time.Duration { return max(d, notify.MinTimeout) }
	e.dispatcher = dispatch.NewDispatcher(m.provider, dispatch.NewRoute(routing.Route, nil), stages, m.groups, timeout,
		30*time.Second, groupLimit{}, m.quiet("dispatcher"), eventrecorder.Recorder{}, m.dispatching, tmpl)
	// The inhibitor must know the alerts that there are before anybody is told of
	// one that they silence.
	go e.inhibitor.Run()
	e.inhibitor.WaitForLoading()
	go e.dispatcher.Run(time.Now())
	e.dispatcher.WaitForLoading()
	return e
}

type groupLimit struct{}

func (groupLimit) MaxNumberOfAggregationGroups() int { return groupsMax }

// lastingLog is the notification log, which lasts.
type lastingLog struct {
	notify.NotificationLog
	file *snapshot
}

// Log saves what has been sent before anything else is.
func (l lastingLog) Log(r *nflogpb.Receiver, group string, firing, resolved []uint64, store *nflog.Store, expiry time.Duration) error {
	if err := l.NotificationLog.Log(r, group, firing, resolved, store, expiry); err != nil {
		return err
	}
	if err := l.file.save(); err != nil {
		return fmt.Errorf("note that a notice was sent: %w", err)
	}
	return nil
}

// aftermathFor is how long less urgent alerts of a service are held back after a
// total outage of it: their rules look at the last minutes, in which it was.
// Those of objectives look further back.
const (
	aftermathFor          = 90 * time.Second
	aftermathOfObjectives = 6 * time.Minute
)

// aftermath leaves out the alerts that only echo an outage that is over. They
// come when they are still there after a while.
func (m *Manager) aftermath(ctx context.Context, _ *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := alerts[:0:0]
	for _, a := range alerts {
		if !a.Resolved() && m.book.echoes(a.Labels, now) {
			continue
		}
		kept = append(kept, a)
	}
	return ctx, kept, nil
}

// echoes reports whether alerts with these labels are less urgent and come right
// after a total outage of the same service, or during it.
func (b *book) echoes(labels model.LabelSet, now time.Time) bool {
	service := string(labels[labelService])
	i := b.latest[service]
	if Tier(labels[labelTier]) == P0 || service == "" || i == nil || i.Tier != P0 {
		return false
	}
	held := aftermathFor
	if labels["slo"] != "" {
		held = aftermathOfObjectives
	}
	return slices.ContainsFunc(i.alerts, func(a *Alert) bool { return a.Tier == P0 && (a.Open() || now.Sub(a.ResolvedAt) < held) })
}
