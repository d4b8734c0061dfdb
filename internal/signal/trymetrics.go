package signal

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/policy"
)

// tryVectors are the series of all endpoints.
type tryVectors struct {
	total    *prometheus.CounterVec
	duration *durationsVec
}

// classes are the ways for a try to end, by their number.
var classes = [...]policy.Class{policy.Success, policy.Failure, policy.Ignored, policy.Shed}

func newTryVectors() tryVectors {
	return tryVectors{
		total: counterVec("afloat_upstream_tries_total",
			"Tries at an endpoint that ended, by class.", "service", "endpoint", "class"),
		duration: newDurationsVec("afloat_upstream_try_duration_seconds",
			"Time until a try's response began, or the try failed.", "service", "endpoint"),
	}
}

// Describe is part of [prometheus.Collector].
func (v tryVectors) Describe(ch chan<- *prometheus.Desc) {
	v.total.Describe(ch)
	v.duration.Describe(ch)
}

// Collect is part of [prometheus.Collector].
func (v tryVectors) Collect(ch chan<- prometheus.Metric) {
	v.total.Collect(ch)
	v.duration.Collect(ch)
}

func (v tryVectors) resolve(service, endpoint string) *tryMetrics {
	m := &tryMetrics{duration: v.duration.with(service, endpoint)}
	for i, class := range classes {
		m.total[i] = v.total.WithLabelValues(service, endpoint, class.String())
	}
	return m
}

func (v tryVectors) remove(service, endpoint string) {
	v.duration.remove(service, endpoint)
	for _, class := range classes {
		v.total.DeleteLabelValues(service, endpoint, class.String())
	}
}

// tryMetrics are the series of one endpoint.
type tryMetrics struct {
	total    [len(classes)]prometheus.Counter
	duration *durationSeries
}

// Try counts a try that has ended.
func (m *tryMetrics) Try(class policy.Class, took time.Duration) {
	if int(class) < len(m.total) {
		m.total[class].Inc()
	}
	m.duration.observe(took)
}
