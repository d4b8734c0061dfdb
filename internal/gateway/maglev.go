package gateway

import (
	"slices"
	"strings"
)

// maglev gives a key to an endpoint by a table, which the endpoints fill in turn
// with each its own order of the slots. It spreads keys more evenly than a ring
// and finds them in one step; when an endpoint comes or goes, a few keys of
// others move too.
// See D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
// Balancer", NSDI 2016.
type maglev struct {
	loadBound
	slots []*endpoint
}

// maglevSlots is a prime, and a hundred times as many as the endpoints of most
// services.
const maglevSlots = 65537

func newMaglev(endpoints []*endpoint, factor float64) *maglev {
	m := &maglev{loadBound: loadBound{endpoints, factor}}
	if len(endpoints) == 0 {
		return m
	}
	byName := slices.SortedFunc(slices.Values(endpoints), func(a, b *endpoint) int { return strings.Compare(a.address, b.address) })
	heaviest := 0
	for _, e := range byName {
		heaviest = max(heaviest, e.share())
	}
	m.slots = make([]*endpoint, maglevSlots)
	next, credit := make([]uint64, len(byName)), make([]int, len(byName))
	for filled := 0; filled < maglevSlots; {
		for i, e := range byName {
			if credit[i] += e.share(); credit[i] < heaviest || filled == maglevSlots {
				continue // its turn comes as often as its weight says
			}
			credit[i] -= heaviest
			offset, step := e.hash%maglevSlots, mix(e.hash)%(maglevSlots-1)+1
			for {
				slot := (offset + next[i]*step) % maglevSlots
				if next[i]++; m.slots[slot] == nil {
					m.slots[slot] = e
					filled++
					break
				}
			}
		}
	}
	return m
}

func (m *maglev) pick(w wish) *endpoint {
	start := int(w.draw % maglevSlots)
	return walk(w, &m.loadBound, len(m.slots), func(i int) *endpoint { return m.slots[(start+i)%maglevSlots] })
}
