package signal

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// stateCollector reports what policies and operators hold back, give away and
// break at the moment of a scrape.
type stateCollector struct {
	held, streams                      *prometheus.Desc
	budgetLeft, budgetSpent, unretried *prometheus.Desc
	unhedged                           *prometheus.Desc
	version, lever                     *prometheus.Desc
	limitKeys, limitRejected           *prometheus.Desc
	faults                             *prometheus.Desc
}

func newStateCollector() *stateCollector {
	return &stateCollector{
		held:          desc("afloat_service_held", "Requests that wait for an endpoint to come back.", "service"),
		streams:       desc("afloat_service_streams", "Requests under way that take no place of the limit: they stream or wait for their clients.", "service"),
		budgetLeft:    desc("afloat_service_retry_budget_left", "Further tries that the service's retry budget allows now.", "service"),
		budgetSpent:   desc("afloat_service_retry_budget_spent", "Further tries that the service's retry budget has paid of late.", "service"),
		unretried:     desc("afloat_service_retries_refused_total", "Failures that were not tried again for want of budget.", "service"),
		unhedged:      desc("afloat_service_hedges_refused_total", "Slow requests that were sent to no second endpoint for want of budget.", "service"),
		version:       desc("afloat_service_version_share_ratio", "Share of the service's requests that the version gets while one is released.", "service", "version"),
		lever:         desc("afloat_endpoint_lever", "What an operator does to the endpoint by hand; always 1.", "service", "endpoint", "lever"),
		limitKeys:     desc("afloat_route_limit_keys", "Keys that the route's limit by this knows.", "route", "by"),
		limitRejected: desc("afloat_route_limit_rejected_total", "Requests that the route's limit by this refused.", "route", "by"),
		faults:        desc("afloat_route_faults_total", "Faults that were injected on purpose.", "route", "fault"),
	}
}

func (c *stateCollector) describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.held, c.streams, c.budgetLeft, c.budgetSpent, c.unretried, c.unhedged, c.version, c.lever, c.limitKeys, c.limitRejected, c.faults,
	} {
		ch <- d
	}
}

func (c *stateCollector) collect(ch chan<- prometheus.Metric, s *gateway.Status) {
	for _, r := range s.Routes {
		c.limits(ch, r)
	}
	for _, service := range s.Services {
		c.service(ch, service)
	}
	c.injected(ch, s.Faults)
}

func (c *stateCollector) service(ch chan<- prometheus.Metric, s gateway.ServiceStatus) {
	ch <- gauge(c.held, float64(s.Held), s.Name)
	ch <- gauge(c.streams, float64(s.Streams), s.Name)
	if r := s.Retry; r != nil {
		if !r.Unbounded {
			ch <- gauge(c.budgetLeft, float64(r.Left), s.Name)
			ch <- gauge(c.budgetSpent, float64(r.Spent), s.Name)
		}
		ch <- count(c.unretried, float64(r.Refused), s.Name)
	}
	if h := s.Hedge; h != nil {
		ch <- count(c.unhedged, float64(h.Refused), s.Name)
	}
	for _, v := range s.Versions {
		ch <- gauge(c.version, v.Share, s.Name, v.Version)
	}
	for _, e := range s.Endpoints {
		for _, l := range e.Levers {
			ch <- gauge(c.lever, 1, s.Name, e.Address, string(l.Kind))
		}
	}
}

// limits tells of several limits by the same together.
func (c *stateCollector) limits(ch chan<- prometheus.Metric, r gateway.RouteStatus) {
	by := map[string]gateway.LimitStatus{}
	for _, l := range r.Limits {
		sum := by[l.By]
		sum.Keys += l.Keys
		sum.Rejected += l.Rejected
		by[l.By] = sum
	}
	for name, l := range by {
		ch <- gauge(c.limitKeys, float64(l.Keys), r.Name, name)
		ch <- count(c.limitRejected, float64(l.Rejected), r.Name, name)
	}
}

// injected tells of a route's own faults and of those from outside together.
func (c *stateCollector) injected(ch chan<- prometheus.Metric, faults []gateway.FaultStatus) {
	type kind struct{ route, fault string }
	all := map[kind]uint64{}
	for _, f := range faults {
		for fault, n := range map[string]uint64{"delay": f.Delayed, "abort": f.Aborted, "close": f.Closed, "reset": f.Reset, "slow": f.Slowed} {
			all[kind{f.Route, fault}] += n
		}
	}
	for k, n := range all {
		ch <- count(c.faults, float64(n), k.route, k.fault)
	}
}
