package alert

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/rules"
)

// figures are the metrics of alerts.
type figures struct {
	sent, failed         *prometheus.CounterVec // by receiver
	open, rules, waiting *prometheus.Desc
}

func newFigures() *figures {
	by := []string{"receiver", "integration"}
	return &figures{
		sent:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "afloat_notices_total", Help: "Notices that a receiver took."}, by),
		failed:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "afloat_notices_failed_total", Help: "Tries to tell a receiver that failed."}, by),
		open:    prometheus.NewDesc("afloat_alerts", "Alerts that are open.", []string{"tier"}, nil),
		rules:   prometheus.NewDesc("afloat_rules_failing", "Rules whose last evaluation failed.", nil, nil),
		waiting: prometheus.NewDesc("afloat_journal_unwritten", "Entries of the journal that are in memory alone, since they could not be written.", nil, nil),
	}
}

// begin makes the counters of a receiver, so that an increase is seen from the
// first notice on.
func (f *figures) begin(receiver, integration string) {
	f.sent.WithLabelValues(receiver, integration)
	f.failed.WithLabelValues(receiver, integration)
}

// notice counts a notice, or that there was none.
func (f *figures) notice(receiver, integration string, err error) {
	counter := f.sent
	if err != nil {
		counter = f.failed
	}
	counter.WithLabelValues(receiver, integration).Inc()
}

// Describe is part of [prometheus.Collector].
func (m *Manager) Describe(to chan<- *prometheus.Desc) {
	m.figures.sent.Describe(to)
	m.figures.failed.Describe(to)
	to <- m.figures.open
	to <- m.figures.rules
	to <- m.figures.waiting
}

// Collect is part of [prometheus.Collector].
func (m *Manager) Collect(to chan<- prometheus.Metric) {
	f := m.figures
	f.sent.Collect(to)
	f.failed.Collect(to)
	open := map[Tier]int{}
	m.mu.Lock()
	for _, a := range m.book.open {
		open[a.Tier]++
	}
	m.mu.Unlock()
	for _, t := range tiers {
		to <- prometheus.MustNewConstMetric(f.open, prometheus.GaugeValue, float64(open[t]), string(t))
	}
	failing := 0
	if r := m.ruling.Load(); r != nil {
		for _, g := range r.manager.RuleGroups() {
			for _, rule := range g.Rules() {
				if rule.Health() == rules.HealthBad {
					failing++
				}
			}
		}
	}
	to <- prometheus.MustNewConstMetric(f.rules, prometheus.GaugeValue, float64(failing))
	to <- prometheus.MustNewConstMetric(f.waiting, prometheus.GaugeValue, float64(m.options.Journal.Unwritten()))
}
