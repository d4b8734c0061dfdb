package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
)

const (
	// standsOutMax bounds the endpoints that a notice names.
	standsOutMax = 3
	// latelyFor is over which time tries are counted for it, and latelyEvery how
	// often.
	latelyFor   = 10 * time.Second
	latelyEvery = time.Second
	// failingMin is how many tries an endpoint must have had, and failingShare how
	// many of them must have failed, three times as many as elsewhere.
	failingMin   = 10
	failingShare = 0.05
)

// tried counts an endpoint's tries.
type tried struct{ tries, failures uint64 }

// since is what came after an earlier count. One that began anew counts from then
// on.
func (t tried) since(earlier tried) tried {
	if t.tries < earlier.tries || t.failures < earlier.failures {
		return t
	}
	return tried{t.tries - earlier.tries, t.failures - earlier.failures}
}

// lately remembers what endpoints' tries counted in the last seconds.
type lately struct {
	mu   sync.Mutex // guards what follows
	past []tally    // oldest first
}

type tally struct {
	at time.Time
	of map[string]map[string]tried // by service and address
}

// take notes the counts of now, once a second.
func (l *lately) take(services []gateway.ServiceStatus, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.past); n > 0 && now.Sub(l.past[n-1].at) < latelyEvery {
		return
	}
	all := make(map[string]map[string]tried, len(services))
	for i := range services {
		s := &services[i]
		all[s.Name] = make(map[string]tried, len(s.Endpoints))
		for n := range s.Endpoints {
			e := &s.Endpoints[n]
			all[s.Name][e.Address] = tried{e.Requests, e.Failures}
		}
	}
	l.past = append(l.past, tally{now, all})
	for len(l.past) > 1 && now.Sub(l.past[1].at) >= latelyFor {
		l.past = l.past[1:]
	}
}

// of are the oldest remembered counts of a service's endpoints. They are not
// changed any more.
func (l *lately) of(service string) map[string]tried {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.past) == 0 {
		return nil
	}
	return l.past[0].of[service]
}

// standsOut names the endpoints that differ from the others: those that get no
// requests, else those of which much more fails than elsewhere, else one that is
// much slower.
func standsOut(endpoints []gateway.EndpointStatus, before map[string]tried) string {
	var out []string
	up := make([]gateway.EndpointStatus, 0, len(endpoints))
	for _, e := range endpoints {
		switch e.State {
		case "up":
			up = append(up, e)
		case "draining":
		default:
			out = append(out, e.Address+" is "+e.State+": "+cmp.Or(e.Why, e.LastError, "for "+short(e.SinceSeconds)))
		}
	}
	if len(out) == 0 {
		out = failing(up, before)
	}
	if len(out) > standsOutMax {
		out = append(out[:standsOutMax], fmt.Sprintf("and %d more", len(out)-standsOutMax))
	}
	if len(out) > 0 || len(up) < 2 {
		return strings.Join(out, "; ")
	}
	slices.SortFunc(up, func(x, y gateway.EndpointStatus) int { return cmp.Compare(x.LatencySeconds, y.LatencySeconds) })
	slowest, usual := up[len(up)-1], up[(len(up)-1)/2]
	if usual.LatencySeconds > 0 && slowest.LatencySeconds > 3*usual.LatencySeconds {
		return fmt.Sprintf("%s answers in %s, others in %s", slowest.Address, millis(slowest.LatencySeconds), millis(usual.LatencySeconds))
	}
	return ""
}

// failing lists the endpoints of which a much larger share of the tries fails
// than of all others, the worst first.
func failing(up []gateway.EndpointStatus, before map[string]tried) (out []string) {
	var all tried
	each := make([]tried, len(up))
	for i := range up {
		each[i] = tried{up[i].Requests, up[i].Failures}.since(before[up[i].Address])
		all.tries, all.failures = all.tries+each[i].tries, all.failures+each[i].failures
	}
	worst := map[string]float64{}
	for i, t := range each {
		others := float64(all.failures-t.failures) / max(float64(all.tries-t.tries), 1)
		if share := float64(t.failures) / max(float64(t.tries), 1); t.tries >= failingMin && len(up) > 1 && share >= failingShare && share >= 3*others {
			out = append(out, fmt.Sprintf("%s fails %.1f%% of its tries, others %.1f%%", up[i].Address, 100*share, 100*others))
			worst[out[len(out)-1]] = share
		}
	}
	slices.SortStableFunc(out, func(x, y string) int { return cmp.Compare(worst[y], worst[x]) })
	return out
}
