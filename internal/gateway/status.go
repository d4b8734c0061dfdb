package gateway

import (
	"maps"
	"slices"
	"time"
)

// Status is the gateway at one moment, for people and for their programs.
type Status struct {
	Listeners []ListenerStatus `json:"listeners"`
	Services  []ServiceStatus  `json:"services"`
	Routes    []RouteStatus    `json:"routes"`
	// Originals are the destinations of redirected connections that no route
	// took, as a service for each transparent listener.
	Originals []ServiceStatus `json:"originals,omitempty"`
	// Faults are those that are injected on purpose.
	Faults []FaultStatus `json:"faults,omitempty"`
	Memory MemoryStatus  `json:"memory"`
	// LagSeconds is how long Afloat's own work waited for a processor lately.
	LagSeconds float64 `json:"lagSeconds"`
}

// ListenerStatus is an address that takes requests.
type ListenerStatus struct {
	Address     string `json:"address"`
	Connections int    `json:"connections"`
	Draining    bool   `json:"draining,omitempty"`
	// Passed is how many connections of a transparent listener were passed on
	// as they were, because they did not speak HTTP.
	Passed uint64 `json:"passed,omitempty"`
	// TCP are the services that it passes connections on to, in place of requests
	// to routes.
	TCP []string `json:"tcp,omitempty"`
	// Certificates are those in use, with TLS.
	Certificates []CertificateStatus `json:"certificates,omitempty"`
}

// CertificateStatus is a certificate that a listener shows.
type CertificateStatus struct {
	Name      string    `json:"name"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
}

func (k *keys) status() (all []CertificateStatus) {
	if k == nil {
		return nil
	}
	for _, c := range k.leaves {
		all = append(all, CertificateStatus{certificateName(c), c.NotBefore, c.NotAfter})
	}
	return all
}

// RouteStatus is a route and what limits it.
type RouteStatus struct {
	Name     string              `json:"name"`
	To       []DestinationStatus `json:"to"`
	Requests uint64              `json:"requests"`
	Limited  uint64              `json:"limited"`
	// Cache is nil without one.
	Cache *CacheStatus `json:"cache,omitempty"`
	// Denied is how many requests the route's access rules refused.
	Denied uint64 `json:"denied,omitempty"`
	// Limits are those by key.
	Limits []LimitStatus `json:"limits,omitempty"`
	// Mirrors are where copies of the requests go.
	Mirrors []MirrorStatus `json:"mirrors,omitempty"`
	// Fallback is what answers in place of a failure; nil without one.
	Fallback *FallbackStatus `json:"fallback,omitempty"`
}

// DestinationStatus is a route's share for a service.
type DestinationStatus struct {
	Service string            `json:"service"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Share is between 0 and 1.
	Share float64 `json:"share"`
	// Retry is that of the route alone, where it has one of its own.
	Retry *RetryStatus `json:"retry,omitempty"`
}

// ServiceStatus is a service and its policies' states.
type ServiceStatus struct {
	Name string `json:"name"`
	// InFlight is how many requests are under way, and Limit how many the
	// adaptive concurrency allows now; 0 where it is disabled.
	InFlight int `json:"inFlight"`
	Limit    int `json:"limit"`
	Queued   int `json:"queued"`
	// Streams is how many requests are under way that take no place of it, since
	// they stream or wait for their clients.
	Streams int `json:"streams,omitempty"`
	// Held is how many requests and connections wait now for an endpoint to come back.
	Held int `json:"held,omitempty"`
	// Retry is nil where nothing is repeated.
	Retry *RetryStatus `json:"retry,omitempty"`
	// LimitWhy says what led to the limit.
	LimitWhy string `json:"limitWhy,omitempty"`
	// Shed is how many requests the limit has refused.
	Shed uint64 `json:"shed"`
	// Brownout is "none", "sheddable_refused" or "low_refused", and Browned how
	// many requests were refused for it.
	Brownout string `json:"brownout"`
	Browned  uint64 `json:"browned"`
	// Hedge is nil where nothing was hedged.
	Hedge *HedgeStatus `json:"hedge,omitempty"`
	// Versions are those that share the requests, while one is released.
	Versions  []VersionStatus  `json:"versions,omitempty"`
	Endpoints []EndpointStatus `json:"endpoints"`
}

// EndpointStatus is an endpoint and whether it gets requests.
type EndpointStatus struct {
	Address string `json:"address"`
	// State is "up", "down", "ejected", "isolated", "probing" or "draining".
	State string `json:"state"`
	// Why says what led to the state, or for one that is up why it gets less than
	// its weight says; empty when it does not.
	Why string `json:"why,omitempty"`
	// SinceSeconds is how long the state has lasted.
	SinceSeconds float64 `json:"sinceSeconds"`
	Breaker      string  `json:"breaker"`
	// RetryAfterSeconds is when an open breaker tries again.
	RetryAfterSeconds float64 `json:"retryAfterSeconds,omitempty"`
	InFlight          int     `json:"inFlight"`
	Idle              int     `json:"idleConnections"`
	Requests          uint64  `json:"requests"`
	Failures          uint64  `json:"failures"`
	// LatencySeconds is the recent mean time until a response began.
	LatencySeconds float64 `json:"latencySeconds"`
	LastError      string  `json:"lastError,omitempty"`
	// Levers are what operators have done to it by hand.
	Levers []Lever `json:"levers,omitempty"`
	// Weight, Zone and Priority are as configured, but for a lever's weight.
	Weight   int    `json:"weight,omitempty"`
	Zone     string `json:"zone,omitempty"`
	Priority int    `json:"priority,omitempty"`
	// Version is its label of that name.
	Version string `json:"version,omitempty"`
	// Share is how much of the service's requests is meant for the endpoint now,
	// from 0 to 1; what is under way and keys may shift it.
	Share float64 `json:"share"`
}

// Status reports what the gateway does now.
func (g *Gateway) Status() Status {
	st := Status{Listeners: []ListenerStatus{}, Services: []ServiceStatus{}, Routes: []RouteStatus{}}
	t := g.table.Load()
	g.mu.Lock()
	for _, address := range slices.Sorted(maps.Keys(g.listeners)) {
		l := g.listeners[address]
		st.Listeners = append(st.Listeners, ListenerStatus{
			Address: l.tcp.Addr().String(), Connections: l.count(), Draining: g.draining.Load(),
			Passed: l.passed(), TCP: t.tcp[address].status(), Certificates: l.keys.Load().status()})
		if l.passthrough != nil {
			st.Originals = append(st.Originals, l.passthrough.status())
		}
	}
	g.mu.Unlock()
	st.Faults = g.Faults()
	st.Memory, st.LagSeconds = g.memory.status(), g.lag.current().Seconds()
	for _, name := range slices.Sorted(maps.Keys(t.services)) {
		st.Services = append(st.Services, t.services[name].status())
	}
	for _, r := range t.routes {
		rs := RouteStatus{Name: r.name, Requests: r.counts.requests.Load(), Limited: r.counts.limited.Load(), Denied: r.counts.denied.Load(),
			Limits: r.limits.status(), Cache: r.cache.status(), Fallback: r.fallbackStatus()}
		for _, d := range r.to {
			ds := DestinationStatus{Service: d.service.name, Labels: d.subset.labels, Share: float64(d.weight) / float64(r.weights)}
			if d.retry != d.service.retry && d.repeats {
				ds.Retry = retryStatus(d.retry)
			}
			rs.To = append(rs.To, ds)
		}
		for _, m := range r.mirrors {
			rs.Mirrors = append(rs.Mirrors, m.status())
		}
		st.Routes = append(st.Routes, rs)
	}
	return st
}
