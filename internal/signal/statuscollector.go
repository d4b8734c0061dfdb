package signal

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// statusCollector reports what the gateway is like at the moment of a scrape,
// for which it asks once.
type statusCollector struct {
	status func() gateway.Status
	parts  []statusPart
}

// statusPart makes some of the metrics.
type statusPart interface {
	describe(chan<- *prometheus.Desc)
	collect(chan<- prometheus.Metric, *gateway.Status)
}

func newStatusCollector(status func() gateway.Status) *statusCollector {
	return &statusCollector{status, []statusPart{newGatewayCollector(), newPolicyCollector(), newStateCollector()}}
}

// Describe is part of [prometheus.Collector].
func (c *statusCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, p := range c.parts {
		p.describe(ch)
	}
}

// Collect is part of [prometheus.Collector].
func (c *statusCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.status()
	for _, p := range c.parts {
		p.collect(ch, &s)
	}
}
