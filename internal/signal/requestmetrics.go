package signal

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// requestVectors are the series of all routes.
type requestVectors struct {
	total, failed, retries, fallbacks, received, sent *prometheus.CounterVec
	duration                                          *prometheus.HistogramVec
}

func newRequestVectors() requestVectors {
	return requestVectors{
		total: counterVec("afloat_requests_total",
			"Requests that ended, by the status that the client got; 499 when it went away before.",
			"route", "service", "code"),
		failed: counterVec("afloat_requests_failed_total",
			"Requests that failed their user, by reason; \"service_error\" is the service's own 5xx.",
			"route", "service", "reason"),
		retries: counterVec("afloat_retries_total",
			"Tries after a request's first.", "route", "service"),
		fallbacks: counterVec("afloat_fallbacks_total",
			"Failures that were answered by the route's fallback.", "route", "service"),
		received: counterVec("afloat_request_bytes_total",
			"Bytes of request bodies.", "route", "service"),
		sent: counterVec("afloat_response_bytes_total",
			"Bytes of response bodies.", "route", "service"),
		duration: histogramVec("afloat_request_duration_seconds",
			"Time from a request's head until the last byte of its response.", "route", "service"),
	}
}

// Describe is part of [prometheus.Collector].
func (v requestVectors) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range v.collectors() {
		c.Describe(ch)
	}
}

// Collect is part of [prometheus.Collector].
func (v requestVectors) Collect(ch chan<- prometheus.Metric) {
	for _, c := range v.collectors() {
		c.Collect(ch)
	}
}

func (v requestVectors) collectors() []prometheus.Collector {
	return []prometheus.Collector{v.total, v.failed, v.retries, v.fallbacks, v.received, v.sent, v.duration}
}

// resolve looks all names up once, so that a request needs no look-up.
func (v requestVectors) resolve(route, service string) *requestMetrics {
	m := &requestMetrics{
		vectors: v, route: route, service: service,
		duration: v.duration.WithLabelValues(route, service),
		retries:  v.retries.WithLabelValues(route, service),
		received: v.received.WithLabelValues(route, service),
		sent:     v.sent.WithLabelValues(route, service),
	}
	m.code(http.StatusOK)
	m.failure("")
	return m
}

// requestMetrics are the series of one route and service.
type requestMetrics struct {
	vectors                 requestVectors
	route, service          string
	duration                prometheus.Observer
	retries, received, sent prometheus.Counter
	codes                   [codesMax]atomic.Pointer[counter]
	failures                [reasonsMax]atomic.Pointer[counter]
}

// counter is a pointer's worth of a [prometheus.Counter].
type counter struct{ prometheus.Counter }

// Request counts a request that has ended.
func (m *requestMetrics) Request(r *gateway.Record) {
	m.code(r.Status).Inc()
	m.duration.Observe(r.Duration.Seconds())
	if r.RequestBytes > 0 {
		m.received.Add(float64(r.RequestBytes))
	}
	if r.ResponseBytes > 0 {
		m.sent.Add(float64(r.ResponseBytes))
	}
	if r.Tries > 1 {
		m.retries.Add(float64(r.Tries - 1))
	}
	if r.Failed() {
		m.failure(r.Reason).Inc()
	}
	if r.Reason == gateway.ReasonFallback {
		m.vectors.fallbacks.WithLabelValues(m.route, m.service).Inc()
	}
}

// code returns the counter of a status, which is made when it is first seen:
// a route has a few of the 60 series that it could have.
func (m *requestMetrics) code(status int) *counter {
	i := 0
	if status >= 0 && status < len(codeIndex) {
		i = int(codeIndex[status])
	}
	if c := m.codes[i].Load(); c != nil {
		return c
	}
	name := other
	if i > 0 {
		name = strconv.Itoa(status)
	}
	c := &counter{m.vectors.total.WithLabelValues(m.route, m.service, name)}
	m.codes[i].Store(c)
	return c
}

func (m *requestMetrics) failure(reason gateway.Reason) *counter {
	i := reasonIndex(reason)
	if c := m.failures[i].Load(); c != nil {
		return c
	}
	c := &counter{m.vectors.failed.WithLabelValues(m.route, m.service, reasonName(reason))}
	m.failures[i].Store(c)
	return c
}

// codesMax bounds the statuses that have a series; codeIndex gives each known
// one its place, and 0 to the others, which services may invent.
const codesMax = 72

var codeIndex = func() (index [600]uint8) {
	next := uint8(1)
	for status := range index {
		if http.StatusText(status) != "" || status == 499 {
			index[status] = next
			next++
		}
	}
	if next > codesMax {
		panic("signal: codesMax is too small")
	}
	return index
}()

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}
