package signal

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// MetricsConfig says what [Metrics] reports beside what it observes.
type MetricsConfig struct {
	// Version and Revision of the program, for afloat_build_info.
	Version, Revision string
	// Status is asked at each scrape for the gateway's saturation and states;
	// nil reports none.
	Status func() gateway.Status
	// Replicas is asked at each scrape for the supervised processes; nil
	// reports none.
	Replicas func() []supervise.ServiceStatus
	// Refused is asked at each scrape whether the configuration in the files was
	// refused; nil reports nothing of it.
	Refused func() bool
	// Traced is asked for each request that is part of a trace whether that is
	// kept, to have it as an example. Nil is where Afloat keeps none: then those
	// that are sampled are.
	Traced func(*gateway.Record) bool
	// RoutesMax bounds a configuration's pairs of route and service that have
	// series of their own; those beyond count under "other". Default 1000.
	RoutesMax int
	// EndpointsMax bounds the endpoints that have series of their own, in the
	// same way. Default 2000.
	EndpointsMax int
}

// Metrics counts what the gateway does, for Prometheus. It is a
// [gateway.Observer]; its methods may be called by many goroutines at once.
type Metrics struct {
	config   MetricsConfig
	registry *prometheus.Registry
	requests requestVectors
	tries    tryVectors
	events   *prometheus.CounterVec

	mu        sync.Mutex // guards what follows, and the deletion of series
	routes    map[pair]*requestMetrics
	wanted    int // of them, those asked for since a configuration was applied
	endpoints map[pair]*tryMetrics
}

// pair is a route and a service, or a service and an endpoint.
type pair struct{ a, b string }

// label makes the names fit for labels, which must be UTF-8.
func label(a, b string) pair {
	return pair{strings.ToValidUTF8(a, "\uFFFD"), strings.ToValidUTF8(b, "\uFFFD")}
}

// other is the label of what exceeds RoutesMax or EndpointsMax.
const other = "other"

// NewMetrics returns Metrics on a registry of their own, so that several can
// live in one process.
func NewMetrics(c MetricsConfig) *Metrics {
	if c.RoutesMax <= 0 {
		c.RoutesMax = 1000
	}
	if c.EndpointsMax <= 0 {
		c.EndpointsMax = 2000
	}
	m := &Metrics{
		config:   c,
		registry: prometheus.NewRegistry(),
		requests: newRequestVectors(c.Traced),
		tries:    newTryVectors(),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "afloat_events_total", Help: "Changes of state, by kind.",
		}, []string{"kind"}),
		routes:    map[pair]*requestMetrics{},
		endpoints: map[pair]*tryMetrics{},
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "afloat_build_info", Help: "The program that runs; always 1.",
		ConstLabels: prometheus.Labels{"version": c.Version, "revision": c.Revision},
	})
	info.Set(1)
	m.registry.MustRegister(m.requests, m.tries, m.events, info,
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsScheduler)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if c.Status != nil {
		m.registry.MustRegister(newStatusCollector(c.Status))
	}
	if c.Refused != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "afloat_config_refused", Help: "Whether the configuration that lies in the files was refused, so that an older one is in force.",
		}, func() float64 { return truth(c.Refused()) }))
	}
	if c.Replicas != nil {
		m.registry.MustRegister(newReplicaCollector(c.Replicas))
	}
	return m
}

// Register adds what another part of Afloat counts, such as an [AccessLog].
func (m *Metrics) Register(c prometheus.Collector) error { return m.registry.Register(c) }

// Handler answers /metrics in the format that the scraper asks for: text,
// OpenMetrics, or protobuf, which alone carries native histograms.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		// A series that cannot be gathered must not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

// Registerer takes what other parts count under names of their own.
func (m *Metrics) Registerer() prometheus.Registerer { return m.registry }

// Gatherer is the registry, for a store of metrics in the same process.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Route returns what counts the requests of a route to a service. What it counts
// after the route's removal is lost.
func (m *Metrics) Route(route, service string) gateway.RequestObserver {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := label(route, service)
	r := m.routes[key]
	if r != nil && r.wanted {
		return r
	}
	if m.wanted >= m.config.RoutesMax {
		key = pair{other, other}
		r = m.routes[key]
	}
	if r == nil {
		r = m.requests.resolve(key.a, key.b)
		m.routes[key] = r
	}
	if !r.wanted {
		r.wanted = true
		m.wanted++
	}
	return r
}

// Endpoint returns what counts the tries at an endpoint. What it counts after
// the endpoint's removal is lost.
func (m *Metrics) Endpoint(service, endpoint string) gateway.TryObserver {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := label(service, endpoint)
	if len(m.endpoints) >= m.config.EndpointsMax && m.endpoints[key] == nil {
		key = pair{other, other}
	}
	e := m.endpoints[key]
	if e == nil {
		e = m.tries.resolve(key.a, key.b)
		m.endpoints[key] = e
	}
	return e
}

// Event counts a change of state. The series of an endpoint that was removed
// are deleted, so that replicas that come and go on new ports do not pile up; so
// are those of routes that a new configuration does not have.
func (m *Metrics) Event(e gateway.Event) {
	m.events.WithLabelValues(string(e.Kind)).Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e.Kind {
	case gateway.EventRemoved:
		key := label(e.Service, e.Endpoint)
		if m.endpoints[key] != nil {
			delete(m.endpoints, key)
			m.tries.remove(key.a, key.b)
		}
	case gateway.EventApplied:
		m.forgetRoutes()
	}
}

// forgetRoutes deletes the series of routes that were not asked for since the
// last time. The caller holds mu.
func (m *Metrics) forgetRoutes() {
	for key, r := range m.routes {
		if !r.wanted {
			delete(m.routes, key)
			r.remove()
		}
		r.wanted = false
	}
	m.wanted = 0
}
