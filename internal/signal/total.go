package signal

import (
	"slices"
	"strings"
)

// ServiceTotal counts the requests to a service since the start.
type ServiceTotal struct {
	Service string
	// Requests is how many ended, and Failed how many of them failed their user.
	Requests, Failed uint64
	// Harmed is how many of those that failed were not the client's own doing.
	Harmed uint64
}

// Totals reads the counters of each service as they are now, not as of the last
// second, also of those beyond the ones that a Window keeps apart. It must
// be called more often than a counter of 32 bits wraps.
func (w *Window) Totals() []ServiceTotal {
	w.mu.Lock()
	defer w.mu.Unlock()
	totals := make([]ServiceTotal, 0, len(w.services)+len(w.crowd))
	for name, s := range w.services {
		total := s.total()
		if t := w.crowd[name]; t != nil { // it got a window later
			t.addTo(&total)
		}
		totals = append(totals, total)
	}
	for name, t := range w.crowd {
		if w.services[name] == nil {
			total := ServiceTotal{Service: name}
			t.addTo(&total)
			totals = append(totals, total)
		}
	}
	slices.SortFunc(totals, func(a, b ServiceTotal) int { return strings.Compare(a.Service, b.Service) })
	return totals
}

// total brings the total up to the counters.
func (s *serviceWindow) total() ServiceTotal {
	var now [3]uint32
	for i := range s.shards {
		// Failures first: each is counted after its request.
		now[2] += s.shards[i].harmed.Load()
		now[1] += s.shards[i].failed.Load()
		for n := range s.shards[i].latencies {
			now[0] += s.shards[i].latencies[n].Load()
		}
	}
	s.ever.Service = s.name
	s.ever.Requests += uint64(now[0] - s.last[0])
	s.ever.Failed += uint64(now[1] - s.last[1])
	s.ever.Harmed += uint64(now[2] - s.last[2])
	s.last = now
	return s.ever
}
