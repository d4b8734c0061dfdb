// Package policyprometheus exports what policies do to Prometheus.
//
// A [Collector] reads the policies' own counts and states when it is scraped,
// so it costs their calls nothing. [Durations] is a policy that measures how
// long calls take, in a histogram.
package policyprometheus

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/figure"
	"github.com/afloat-dev/afloat/policy"
)

// prefix begins the name of every metric.
const prefix = "afloat_policy_"

// Collector is a [prometheus.Collector] of policies. It is safe for concurrent
// use.
//
// Each metric has the labels policy, which is the kind, and name. There are as
// many series as policies: those that go by keys have figures of all keys
// together, so that callers cannot make series.
type Collector struct {
	set   figure.Set
	descs map[*figure.Desc]*prometheus.Desc
}

// NewCollector returns a Collector without policies. Register it once and add
// the policies as they are made.
func NewCollector() *Collector {
	c := &Collector{descs: make(map[*figure.Desc]*prometheus.Desc)}
	for _, d := range figure.Descs() {
		labels := []string{"policy", "name"}
		if d.Label != "" {
			labels = append(labels, d.Label)
		}
		c.descs[d] = prometheus.NewDesc(nameOf(d), d.Help, labels, nil)
	}
	return c
}

// Add has the collector report policies, and those that pipelines among them
// consist of, under a name such as the callee's. A policy's own name follows
// it: cart/try. Those that had the name before are replaced. A policy that was
// added several times is reported once.
func (c *Collector) Add(name string, policies ...policy.Policy) { c.set.Add(name, policies...) }

// Remove ends the report of what was added under a name.
func (c *Collector) Remove(name string) { c.set.Remove(name) }

// Describe is part of [prometheus.Collector].
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range figure.Descs() {
		ch <- c.descs[d]
	}
}

// Collect is part of [prometheus.Collector].
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.set.Read(func(kind, name string, f figure.Figure) {
		value, labels := prometheus.GaugeValue, []string{kind, name}
		if f.Counter {
			value = prometheus.CounterValue
		}
		if f.Label != "" {
			labels = append(labels, f.Of)
		}
		m, err := prometheus.NewConstMetric(c.descs[f.Desc], value, f.Value, labels...)
		if err != nil { // a name that is no UTF-8
			m = prometheus.NewInvalidMetric(c.descs[f.Desc], err)
		}
		ch <- m
	})
}

// nameOf is a figure's name by Prometheus's conventions.
func nameOf(d *figure.Desc) string {
	name := prefix + d.Name
	switch d.Unit {
	case "s":
		name += "_seconds"
	case "By":
		name += "_bytes"
	case "1":
		name += "_ratio"
	}
	if strings.HasSuffix(d.Unit, "/s") {
		name += "_per_second"
	}
	if d.Counter {
		name += "_total"
	}
	return name
}
