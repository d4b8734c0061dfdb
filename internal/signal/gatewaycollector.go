package signal

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// gatewayCollector reports the gateway's states and saturation as they are at
// the moment of a scrape.
type gatewayCollector struct {
	connections, draining                 *prometheus.Desc
	routeLimited, routeDenied, routeShare *prometheus.Desc
	mirrored, unmirrored                  *prometheus.Desc
	hedges, hedgesWon                     *prometheus.Desc
	inFlight, limit, queued, shed         *prometheus.Desc
	up, state, breaker, tryInFlight, idle *prometheus.Desc
	share                                 *prometheus.Desc
	notBefore, notAfter                   *prometheus.Desc
}

var (
	endpointStates = []string{"up", "down", "ejected", "isolated", "probing", "draining"}
	breakerStates  = []string{
		policy.BreakerClosed.String(), policy.BreakerOpen.String(),
		policy.BreakerHalfOpen.String(), policy.BreakerRampingUp.String(),
	}
)

func newGatewayCollector() *gatewayCollector {
	endpoint := []string{"service", "endpoint"}
	return &gatewayCollector{
		connections:  desc("afloat_listener_connections", "Open connections of clients.", "listener"),
		draining:     desc("afloat_listener_draining", "Whether the listener takes no new connections.", "listener"),
		routeDenied:  desc("afloat_route_denied_total", "Requests that the route's access rules refused.", "route"),
		routeLimited: desc("afloat_route_limited_total", "Requests that the route's rate limit refused.", "route"),
		routeShare:   desc("afloat_route_share_ratio", "Share of the route's requests that goes to the service.", "route", "service"),
		mirrored:     desc("afloat_route_mirrored_total", "Copies of the route's requests that went to the service.", "route", "service"),
		unmirrored:   desc("afloat_route_mirror_dropped_total", "Copies that were not made: too many were under way, or the body was streamed.", "route", "service"),
		notBefore:    desc("afloat_certificate_not_before_seconds", "From when on the certificate holds, in seconds since 1970.", "listener", "certificate"),
		notAfter:     desc("afloat_certificate_not_after_seconds", "Until when the certificate holds, in seconds since 1970.", "listener", "certificate"),
		inFlight:     desc("afloat_service_in_flight", "Requests under way.", "service"),
		limit:        desc("afloat_service_limit", "Requests under way that are allowed now; 0 is no limit.", "service"),
		queued:       desc("afloat_service_queued", "Requests that wait for one under way to end.", "service"),
		hedges:       desc("afloat_service_hedges_total", "Requests that were sent to a second endpoint because they were slow.", "service"),
		hedgesWon:    desc("afloat_service_hedges_won_total", "Requests that the second endpoint answered first.", "service"),
		shed:         desc("afloat_service_shed_total", "Requests that the limit refused.", "service"),
		up:           desc("afloat_endpoint_up", "Whether the endpoint gets requests.", endpoint...),
		state:        desc("afloat_endpoint_state", "The endpoint's state: 1 for the one that holds.", "service", "endpoint", "state"),
		breaker:      desc("afloat_endpoint_breaker_state", "The state of the endpoint's breaker: 1 for the one that holds.", "service", "endpoint", "state"),
		share:        desc("afloat_endpoint_share_ratio", "Share of the service's requests that is meant for the endpoint now.", endpoint...),
		tryInFlight:  desc("afloat_endpoint_in_flight", "Tries under way at the endpoint.", endpoint...),
		idle:         desc("afloat_endpoint_idle_connections", "Connections kept for the next try.", endpoint...),
	}
}

func (c *gatewayCollector) describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.connections, c.draining, c.routeLimited, c.routeDenied, c.routeShare, c.mirrored, c.unmirrored, c.hedges, c.hedgesWon, c.inFlight, c.limit, c.queued, c.shed,
		c.up, c.state, c.breaker, c.share, c.tryInFlight, c.idle, c.notBefore, c.notAfter,
	} {
		ch <- d
	}
}

func (c *gatewayCollector) collect(ch chan<- prometheus.Metric, s *gateway.Status) {
	for _, l := range s.Listeners {
		ch <- gauge(c.connections, float64(l.Connections), l.Address)
		ch <- gauge(c.draining, truth(l.Draining), l.Address)
		for i, k := range l.Certificates {
			if slices.ContainsFunc(l.Certificates[:i], func(other gateway.CertificateStatus) bool { return other.Name == k.Name }) {
				continue // one of two kinds of keys for a name
			}
			ch <- gauge(c.notBefore, float64(k.NotBefore.Unix()), l.Address, k.Name)
			ch <- gauge(c.notAfter, float64(k.NotAfter.Unix()), l.Address, k.Name)
		}
	}
	for _, r := range s.Routes {
		ch <- count(c.routeLimited, float64(r.Limited), r.Name)
		ch <- count(c.routeDenied, float64(r.Denied), r.Name)
		shares := map[string]float64{} // destinations may be parts of one service
		for _, to := range r.To {
			shares[to.Service] += to.Share
		}
		for service, share := range shares {
			ch <- gauge(c.routeShare, share, r.Name, service)
		}
		for _, m := range r.Mirrors {
			ch <- count(c.mirrored, float64(m.Sent), r.Name, m.Service)
			ch <- count(c.unmirrored, float64(m.Dropped), r.Name, m.Service)
		}
	}
	for _, service := range s.Services {
		ch <- gauge(c.inFlight, float64(service.InFlight), service.Name)
		if h := service.Hedge; h != nil {
			ch <- count(c.hedges, float64(h.Started), service.Name)
			ch <- count(c.hedgesWon, float64(h.Won), service.Name)
		}
		ch <- gauge(c.limit, float64(service.Limit), service.Name)
		ch <- gauge(c.queued, float64(service.Queued), service.Name)
		ch <- count(c.shed, float64(service.Shed), service.Name)
		for _, e := range service.Endpoints {
			c.endpoint(ch, service.Name, e)
		}
	}
}

func (c *gatewayCollector) endpoint(ch chan<- prometheus.Metric, service string, e gateway.EndpointStatus) {
	ch <- gauge(c.up, truth(e.State == "up"), service, e.Address)
	for _, state := range endpointStates {
		ch <- gauge(c.state, truth(e.State == state), service, e.Address, state)
	}
	for _, state := range breakerStates {
		ch <- gauge(c.breaker, truth(e.Breaker == state), service, e.Address, state)
	}
	ch <- gauge(c.share, e.Share, service, e.Address)
	ch <- gauge(c.tryInFlight, float64(e.InFlight), service, e.Address)
	ch <- gauge(c.idle, float64(e.Idle), service, e.Address)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return constant(d, prometheus.GaugeValue, v, labels)
}

func count(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return constant(d, prometheus.CounterValue, v, labels)
}

// constant fails the scrape, and says why, rather than the process when a name
// is not fit for a label.
func constant(d *prometheus.Desc, t prometheus.ValueType, v float64, labels []string) prometheus.Metric {
	m, err := prometheus.NewConstMetric(d, t, v, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(d, err)
	}
	return m
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
