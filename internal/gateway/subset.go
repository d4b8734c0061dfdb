package gateway

import (
	"maps"
	"slices"
	"sync/atomic"
)

// subset is those endpoints of a service that have some labels; without labels
// all of them.
type subset struct {
	service   *service
	labels    map[string]string
	hash      uint64                      // of the service's name and the labels
	endpoints atomic.Pointer[[]*endpoint] // replaced, never changed
	tiers     atomic.Pointer[[]tier]      // of endpoints; replaced, never changed
	scouted   atomic.Int64                // when last, in nanoseconds of clock; 0 for never
}

func newSubset(s *service, labels map[string]string) *subset {
	b := &subset{service: s, labels: labels, hash: s.hash}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		b.hash = mix(b.hash ^ hashOf(name+"="+labels[name]))
	}
	return b
}

// is reports whether the subset is that of the labels.
func (s *subset) is(labels map[string]string) bool { return maps.Equal(s.labels, labels) }

// has reports whether the endpoint belongs to the subset.
func (s *subset) has(c *EndpointConfig) bool {
	for name, value := range s.labels {
		if c.Labels[name] != value {
			return false
		}
	}
	return true
}

// fill takes what of the service's endpoints belongs to the subset.
func (s *subset) fill(all []*endpoint, zone string) {
	own := slices.DeleteFunc(slices.Clone(all), func(e *endpoint) bool { return !s.has(e.settings.Load()) })
	tiers := newTiers(s.service.config.Load(), zone, own)
	s.endpoints.Store(&own)
	s.tiers.Store(&tiers)
}

// narrow is the subset with the labels, one of those of setSubsets.
func (s *service) narrow(labels map[string]string) *subset {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.subsets {
		if b.is(labels) {
			return b
		}
	}
	return &s.subset
}

// setSubsets makes a subset of each of the labels, for the next setEndpoints.
// Those that stay keep their state.
func (s *service) setSubsets(all []map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next []*subset
	if split := s.split.Load(); split != nil {
		for i := range split.versions {
			next = append(next, split.versions[i].subset)
		}
	}
	for _, labels := range all {
		same := func(b *subset) bool { return b.is(labels) }
		if len(labels) == 0 || slices.ContainsFunc(next, same) {
			continue
		}
		if i := slices.IndexFunc(s.subsets, same); i >= 0 {
			next = append(next, s.subsets[i])
		} else {
			next = append(next, newSubset(s, labels))
		}
	}
	s.subsets = next
}

// labelsOf are those that the configuration's routes ask of the service.
func (c *Config) labelsOf(service string) (all []map[string]string) {
	for _, r := range c.Routes {
		for _, d := range r.To {
			if d.Service == service {
				all = append(all, d.Labels)
			}
		}
	}
	return all
}
