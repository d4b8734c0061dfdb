package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// tier is the endpoints of a service that are equally preferred: those of one
// priority that are equally far.
type tier struct {
	rank
	endpoints []*endpoint
	balancer  balancer
}

// rank orders tiers; the smallest is used first.
type rank struct{ priority, distance int }

// Distances between zones.
const (
	sameZone = iota
	sameRegion
	elsewhere
)

// tiersMax bounds the tiers of a service: more priorities are no use.
const tiersMax = (priorityMax + 1) * (elsewhere + 1)

// priorityMax is the largest priority of an endpoint.
const priorityMax = 9

// newTiers sorts the endpoints. There is always one tier.
func newTiers(c *ServiceConfig, zone string, endpoints []*endpoint) []tier {
	tiers := []tier{}
	for _, e := range endpoints {
		r := rank{e.settings.Load().Priority, distance(zone, e.settings.Load().Zone)}
		if c.IgnoreZones {
			r.distance = sameZone
		}
		i := slices.IndexFunc(tiers, func(t tier) bool { return t.rank == r })
		if i < 0 {
			i, tiers = len(tiers), append(tiers, tier{rank: r})
		}
		tiers[i].endpoints = append(tiers[i].endpoints, e)
	}
	slices.SortFunc(tiers, func(a, b tier) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.distance, b.distance))
	})
	if len(tiers) == 0 {
		tiers = append(tiers, tier{})
	}
	for i := range tiers {
		tiers[i].balancer = newBalancer(c, tiers[i].endpoints)
	}
	return tiers
}

// distance is how far a zone is from another one, both as zone or region/zone.
// What says nothing is near.
func distance(from, to string) int {
	if from == "" || to == "" || from == to {
		return sameZone
	}
	a, _, withRegion := strings.Cut(from, "/")
	b, _, _ := strings.Cut(to, "/")
	if withRegion && a == b {
		return sameRegion
	}
	return elsewhere
}

// able is how many of the tier's endpoints can be used, by their weights, and
// of how many.
func (t *tier) able(w *wish) (able, all int) {
	for _, e := range t.endpoints {
		weight := e.share()
		all += weight
		if w.able(e) {
			able += weight
		}
	}
	return able, all
}

// spill shares the requests among the tiers: one that has enough usable
// endpoints takes all that is left, one that has fewer takes as much less, and
// what then is left over all of them take in proportion.
func spill(tiers []tier, w *wish, enough float64) (shares [tiersMax]float64) {
	left := 1.0
	for i := range tiers {
		able, all := tiers[i].able(w)
		shares[i] = min(float64(able)/float64(max(all, 1))/enough, left)
		left = max(left-shares[i], 0)
	}
	if left > 0 && left < 1 {
		for i := range tiers {
			shares[i] /= 1 - left
		}
	}
	return shares
}

// pick takes an endpoint of the tier whose turn it is, else of the first that
// has one.
func pick(tiers []tier, w wish, enough float64) *endpoint {
	if len(tiers) > 1 {
		shares := spill(tiers, &w, enough)
		at := unit(mix(^w.draw))
		for i := range tiers {
			if at -= shares[i]; at < 0 {
				if e := tiers[i].balancer.pick(w); e != nil {
					return e
				}
				break
			}
		}
	}
	for i := range tiers {
		if e := tiers[i].balancer.pick(w); e != nil {
			return e
		}
	}
	return nil
}

// String names the tier for people, beside others.
func (r rank) String() string {
	where := [...]string{"this zone", "this region", "other regions"}[r.distance]
	if r.priority > 0 {
		return fmt.Sprintf("%s at priority %d", where, r.priority)
	}
	return where
}
