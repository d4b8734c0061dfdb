package signal

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// policyCollector reports, at the moment of a scrape, what the gateway collector
// does not: where endpoints are, the caches and brownouts, and how short Afloat
// itself is of memory and processors.
type policyCollector struct {
	info                                     *prometheus.Desc
	entries, bytes                           *prometheus.Desc
	hits, stale, misses, collapsed, evicted  *prometheus.Desc
	brownout, browned                        *prometheus.Desc
	memoryLimit, memoryState, memoryRefusals *prometheus.Desc
	lag                                      *prometheus.Desc
}

var (
	brownoutStates = []string{"none", "sheddable_refused", "low_refused"}
	memoryStates   = []string{"enough", "low_refused", "most_refused"}
)

func newPolicyCollector() *policyCollector {
	return &policyCollector{
		info: desc("afloat_endpoint_info", "Where the endpoint is and which version; always 1. Join it to have other metrics by these.",
			"service", "endpoint", "zone", "region", "version"),
		entries:        desc("afloat_route_cache_entries", "Answers that the route's cache holds.", "route"),
		bytes:          desc("afloat_route_cache_bytes", "Size of the answers that the route's cache holds.", "route"),
		hits:           desc("afloat_route_cache_hits_total", "Requests that were answered from the route's cache.", "route"),
		stale:          desc("afloat_route_cache_stale_total", "Of these, those answered after the answer's time.", "route"),
		misses:         desc("afloat_route_cache_misses_total", "Requests that the route's cache had no answer for.", "route"),
		collapsed:      desc("afloat_route_cache_collapsed_total", "Requests that got the answer of another one under way.", "route"),
		evicted:        desc("afloat_route_cache_evicted_total", "Answers that made room for others.", "route"),
		brownout:       desc("afloat_service_brownout_state", "What is refused since the service has been saturated for long: 1 for the state that holds.", "service", "state"),
		browned:        desc("afloat_service_browned_total", "Requests that were refused for it.", "service"),
		memoryLimit:    desc("afloat_memory_limit_bytes", "Memory that Afloat may use; 0 is no limit."),
		memoryState:    desc("afloat_memory_state", "What is refused for want of memory: 1 for the state that holds.", "state"),
		memoryRefusals: desc("afloat_memory_refused_total", "Requests that were refused for want of memory."),
		lag:            desc("afloat_lag_seconds", "How long Afloat's own work waits for a processor: the largest of the last moments."),
	}
}

func (c *policyCollector) describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.info, c.entries, c.bytes, c.hits, c.stale, c.misses, c.collapsed, c.evicted, c.brownout, c.browned,
		c.memoryLimit, c.memoryState, c.memoryRefusals, c.lag,
	} {
		ch <- d
	}
}

func (c *policyCollector) collect(ch chan<- prometheus.Metric, s *gateway.Status) {
	for _, r := range s.Routes {
		if r.Cache != nil {
			c.cache(ch, r.Name, r.Cache)
		}
	}
	for _, service := range s.Services {
		for _, state := range brownoutStates {
			ch <- gauge(c.brownout, truth(service.Brownout == state), service.Name, state)
		}
		ch <- count(c.browned, float64(service.Browned), service.Name)
		for _, e := range service.Endpoints {
			region, _, ok := strings.Cut(e.Zone, "/")
			if !ok {
				region = "" // a zone alone names none
			}
			ch <- gauge(c.info, 1, service.Name, e.Address, e.Zone, region, e.Version)
		}
	}
	ch <- gauge(c.memoryLimit, float64(s.Memory.LimitBytes))
	for _, state := range memoryStates {
		ch <- gauge(c.memoryState, truth(s.Memory.State == state), state)
	}
	ch <- count(c.memoryRefusals, float64(s.Memory.Refused))
	ch <- gauge(c.lag, s.LagSeconds)
}

func (c *policyCollector) cache(ch chan<- prometheus.Metric, route string, s *gateway.CacheStatus) {
	ch <- gauge(c.entries, float64(s.Entries), route)
	ch <- gauge(c.bytes, float64(s.Bytes), route)
	ch <- count(c.hits, float64(s.Hits), route)
	ch <- count(c.stale, float64(s.Stale), route)
	ch <- count(c.misses, float64(s.Misses), route)
	ch <- count(c.collapsed, float64(s.Collapsed), route)
	ch <- count(c.evicted, float64(s.Evicted), route)
}
