package gateway

import (
	"cmp"
	"slices"
	"strings"
)

// ring gives a key to the endpoint that comes next on a circle of hashes, on
// which every endpoint has many points. When an endpoint comes or goes only
// its own keys move.
// See D. Karger et al., "Consistent Hashing and Random Trees", STOC 1997.
type ring struct {
	loadBound
	points []point
}

type point struct {
	at    uint64
	owner *endpoint
}

const (
	// pointsEach is how many points an endpoint of the mean weight has.
	pointsEach = 160
	// pointsMax bounds those of all endpoints.
	pointsMax = 1 << 18
	// stepsEach bounds how far a key looks for an endpoint that is not full.
	stepsEach = 16
)

func newRing(endpoints []*endpoint, factor float64) *ring {
	r := &ring{loadBound: loadBound{endpoints, factor}}
	total := 0
	for _, e := range endpoints {
		total += e.share()
	}
	each := min(pointsEach, pointsMax/max(len(endpoints), 1)) * len(endpoints)
	for _, e := range endpoints {
		for i := range max(each*e.share()/total, 1) {
			r.points = append(r.points, point{mix(e.hash + uint64(i)), e})
		}
	}
	slices.SortFunc(r.points, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.owner.address, b.owner.address))
	})
	return r
}

func (r *ring) pick(w wish) *endpoint {
	start, _ := slices.BinarySearchFunc(r.points, w.draw, func(p point, draw uint64) int { return cmp.Compare(p.at, draw) })
	return walk(w, &r.loadBound, len(r.points), func(i int) *endpoint { return r.points[(start+i)%len(r.points)].owner })
}

// walk takes the first of a key's endpoints that fits and is not full, else the
// first that fits.
func walk(w wish, bound *loadBound, n int, at func(int) *endpoint) *endpoint {
	var first, last *endpoint
	if !slices.ContainsFunc(bound.endpoints, w.fits) {
		return nil
	}
	enough := stepsEach * len(bound.endpoints)
	for i := range n {
		if first != nil && i > enough {
			break // all others are full or cold
		}
		e := at(i)
		if e == last || !w.fits(e) {
			continue
		}
		last = e
		if first == nil {
			first = e
		}
		if e.keeps(&w) && !bound.full(e, &w) {
			return e
		}
	}
	return first
}
