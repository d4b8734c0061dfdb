package signal

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/afloat-dev/afloat/internal/supervise"
)

// replicaCollector reports the supervised processes as they are at the moment
// of a scrape.
type replicaCollector struct {
	services func() []supervise.ServiceStatus

	desired, serviceReady, stalled *prometheus.Desc
	ready, restarts, phase         *prometheus.Desc
}

func newReplicaCollector(services func() []supervise.ServiceStatus) *replicaCollector {
	set := []string{"service", "version"}
	replica := append(set, "replica")
	return &replicaCollector{
		services:     services,
		desired:      desc("afloat_replicas_desired", "Replicas that the service should have.", set...),
		serviceReady: desc("afloat_replicas_ready", "Replicas that get requests.", set...),
		stalled:      desc("afloat_rollout_stalled", "Whether the service's rollout makes no progress.", set...),
		ready:        desc("afloat_replica_ready", "Whether the replica gets requests.", replica...),
		restarts:     desc("afloat_replica_restarts_total", "Starts of the replica after its first.", replica...),
		phase:        desc("afloat_replica_phase", "The replica's phase: 1 for the one that holds.", append(replica, "phase")...),
	}
}

// Describe is part of [prometheus.Collector].
func (c *replicaCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.desired, c.serviceReady, c.stalled, c.ready, c.restarts, c.phase} {
		ch <- d
	}
}

// Collect is part of [prometheus.Collector].
func (c *replicaCollector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.services() {
		ch <- gauge(c.desired, float64(s.Desired), s.Service, s.Version)
		ch <- gauge(c.serviceReady, float64(s.Ready), s.Service, s.Version)
		ch <- gauge(c.stalled, truth(s.Rollout == supervise.RolloutStalled), s.Service, s.Version)
		for _, r := range s.Replicas {
			id := strconv.Itoa(r.ID)
			ch <- gauge(c.ready, truth(r.Phase == supervise.PhaseReady), s.Service, s.Version, id)
			ch <- count(c.restarts, float64(r.Restarts), s.Service, s.Version, id)
			for p := supervise.PhaseStarting; p <= supervise.PhaseStopped; p++ {
				ch <- gauge(c.phase, truth(r.Phase == p), s.Service, s.Version, id, p.String())
			}
		}
	}
}
