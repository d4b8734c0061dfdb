package signal

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// requestVectors are the series of all routes.
type requestVectors struct {
	total, failed, calls, retries, fallbacks, received, sent *prometheus.CounterVec
	duration                                                 *durationsVec
	traced                                                   func(*gateway.Record) bool
}

func newRequestVectors(traced func(*gateway.Record) bool) requestVectors {
	if traced == nil {
		traced = sampled
	}
	return requestVectors{
		traced: traced,
		total: counterVec("afloat_requests_total",
			"Requests that ended, by the status that the client got; 499 when it went away before.",
			"route", "service", "code"),
		failed: counterVec("afloat_requests_failed_total",
			"Requests that failed their user, by reason; \"service_error\" is the service's own 5xx.",
			"route", "service", "reason"),
		calls: counterVec("afloat_grpc_calls_total",
			"Calls of gRPC that ended, by their status.", "route", "service", "status"),
		retries: counterVec("afloat_retries_total",
			"Tries after a request's first.", "route", "service"),
		fallbacks: counterVec("afloat_fallbacks_total",
			"Failures that were answered by the route's fallback.", "route", "service"),
		received: counterVec("afloat_request_bytes_total",
			"Bytes of request bodies.", "route", "service"),
		sent: counterVec("afloat_response_bytes_total",
			"Bytes of response bodies.", "route", "service"),
		duration: newDurationsVec("afloat_request_duration_seconds",
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
	return []prometheus.Collector{v.total, v.failed, v.calls, v.retries, v.fallbacks, v.received, v.sent, v.duration}
}

// resolve looks all names up once, so that a request needs no look-up.
func (v requestVectors) resolve(route, service string) *requestMetrics {
	m := &requestMetrics{
		vectors: v, route: route, service: service,
		duration: v.duration.with(route, service),
		retries:  v.retries.WithLabelValues(route, service),
		received: v.received.WithLabelValues(route, service),
		sent:     v.sent.WithLabelValues(route, service),
	}
	m.code(http.StatusOK)
	m.failure("")
	return m
}

// remove deletes what resolve has made.
func (v requestVectors) remove(route, service string) {
	v.duration.remove(route, service)
	for _, c := range []*prometheus.CounterVec{v.retries, v.received, v.sent} {
		c.DeleteLabelValues(route, service)
	}
}

// requestMetrics are the series of one route and service.
type requestMetrics struct {
	vectors                 requestVectors
	route, service          string
	wanted                  bool // by the configuration in force, or the next; guarded by the Metrics' mu
	duration                *durationSeries
	retries, received, sent prometheus.Counter

	fallbacks lazyCounter
	codes     [codesMax]lazyCounter
	failures  [reasonsMax]lazyCounter
	calls     [callsMax]lazyCounter

	mu      sync.Mutex // guards what follows, and the making of series
	removed bool
}

// Request counts a request that has ended.
func (m *requestMetrics) Request(r *gateway.Record) {
	m.code(r.Status).Inc()
	m.duration.observe(r.Duration)
	m.duration.exemplars.offer(r, m.vectors.traced)
	if r.RequestBytes > 0 {
		m.received.Add(float64(r.RequestBytes))
	}
	if r.ResponseBytes > 0 {
		m.sent.Add(float64(r.ResponseBytes))
	}
	if r.Tries > 1 {
		m.retries.Add(float64(r.Tries - 1))
	}
	if r.GRPC != "" {
		m.call(r.GRPC).Inc()
	}
	if r.Failed() {
		m.failure(r.Reason).Inc()
	}
	if r.Reason == gateway.ReasonFallback {
		m.fallback().Inc()
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
	return m.make(&m.codes[i], m.vectors.total, name)
}

func (m *requestMetrics) failure(reason gateway.Reason) *counter {
	i := reasonIndex(reason)
	if c := m.failures[i].Load(); c != nil {
		return c
	}
	return m.make(&m.failures[i], m.vectors.failed, reasonName(reason))
}

// call returns the counter of a status of gRPC, of which the gateway knows all.
func (m *requestMetrics) call(status string) *counter {
	i := callIndex[status]
	if c := m.calls[i].Load(); c != nil {
		return c
	}
	if i == 0 {
		status = other
	}
	return m.make(&m.calls[i], m.vectors.calls, status)
}

func (m *requestMetrics) fallback() *counter {
	if c := m.fallbacks.Load(); c != nil {
		return c
	}
	return m.make(&m.fallbacks, m.vectors.fallbacks)
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

// callsMax bounds the statuses of gRPC that have a series; callIndex gives each
// its place, and 0 to what is none.
const callsMax = 18

var callIndex = func() map[string]int {
	index := map[string]int{}
	for i, name := range gateway.GRPCStatuses() {
		index[name] = i + 1
	}
	if len(index) >= callsMax {
		panic("signal: callsMax is too small")
	}
	return index
}()

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}
