package tsdb

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// registerer can take back all that was registered with it, which a remote
// write that ends leaves where it is.
type registerer struct {
	to prometheus.Registerer // nil for nobody

	mu    sync.Mutex // guards what follows
	known []prometheus.Collector
}

// Register is part of [prometheus.Registerer].
func (r *registerer) Register(c prometheus.Collector) error {
	if r.to == nil {
		return nil
	}
	if err := r.to.Register(c); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = append(r.known, c)
	return nil
}

// MustRegister is part of [prometheus.Registerer].
func (r *registerer) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister is part of [prometheus.Registerer].
func (r *registerer) Unregister(c prometheus.Collector) bool {
	return r.to != nil && r.to.Unregister(c)
}

func (r *registerer) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.known {
		r.to.Unregister(c)
	}
	r.known = nil
}
