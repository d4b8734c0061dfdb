package gateway

import (
	"maps"
	"slices"
)

// Status is the gateway at one moment, for people and for their programs.
type Status struct {
	Listeners []ListenerStatus `json:"listeners"`
	Services  []ServiceStatus  `json:"services"`
	Routes    []RouteStatus    `json:"routes"`
}

// ListenerStatus is an address that takes requests.
type ListenerStatus struct {
	Address     string `json:"address"`
	Connections int    `json:"connections"`
	Draining    bool   `json:"draining,omitempty"`
}

// RouteStatus is a route and what limits it.
type RouteStatus struct {
	Name     string              `json:"name"`
	To       []DestinationStatus `json:"to"`
	Requests uint64              `json:"requests"`
	Limited  uint64              `json:"limited"`
}

// DestinationStatus is a route's share for a service.
type DestinationStatus struct {
	Service string `json:"service"`
	// Share is between 0 and 1.
	Share float64 `json:"share"`
}

// ServiceStatus is a service and its policies' states.
type ServiceStatus struct {
	Name string `json:"name"`
	// InFlight is how many requests are under way, and Limit how many the
	// adaptive concurrency allows now; 0 where it is disabled.
	InFlight int `json:"inFlight"`
	Limit    int `json:"limit"`
	Queued   int `json:"queued"`
	// LimitWhy says what led to the limit.
	LimitWhy string `json:"limitWhy,omitempty"`
	// Shed is how many requests the limit has refused.
	Shed      uint64           `json:"shed"`
	Endpoints []EndpointStatus `json:"endpoints"`
}

// EndpointStatus is an endpoint and whether it gets requests.
type EndpointStatus struct {
	Address string `json:"address"`
	// State is "up", "down", "ejected", "probing" or "draining".
	State string `json:"state"`
	// Why says what led to the state; empty when up.
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
}

// Status reports what the gateway does now.
func (g *Gateway) Status() Status {
	st := Status{Listeners: []ListenerStatus{}, Services: []ServiceStatus{}, Routes: []RouteStatus{}}
	g.mu.Lock()
	for _, address := range slices.Sorted(maps.Keys(g.listeners)) {
		l := g.listeners[address]
		st.Listeners = append(st.Listeners, ListenerStatus{
			Address: l.tcp.Addr().String(), Connections: l.count(), Draining: g.draining.Load()})
	}
	g.mu.Unlock()
	t := g.table.Load()
	for _, name := range slices.Sorted(maps.Keys(t.services)) {
		st.Services = append(st.Services, t.services[name].status())
	}
	for _, r := range t.routes {
		rs := RouteStatus{Name: r.name, Requests: r.counts.requests.Load(), Limited: r.counts.limited.Load()}
		for _, d := range r.to {
			rs.To = append(rs.To, DestinationStatus{d.service.name, float64(d.weight) / float64(r.weights)})
		}
		st.Routes = append(st.Routes, rs)
	}
	return st
}
