package supervise

import (
	"cmp"
	"slices"
)

// desired is what a service should come to.
type desired struct {
	replicas    int
	revision    string
	unavailable int // of replicas, how many may be missing
	surge       int // how many more than replicas may exist
	recreate    bool
}

// actual is a replica as plan sees it.
type actual struct {
	id        int
	revision  string
	ready     bool
	available bool // ready for long enough, or ended well
	stopping  bool // told to end, but not gone yet
}

// action is a step towards the desired state: start a replica of the desired revision, or stop one.
type action struct {
	stop int    // ID; 0 starts a replica
	why  string // of a stop
}

// plan returns what can be done now. It follows the Deployment controller of Kubernetes, but counts replicas that are
// being stopped as existing, since their processes do.
func plan(d desired, have []actual) []action {
	var fresh, old []actual
	freshAvailable, oldAvailable := 0, 0
	for _, a := range have {
		switch {
		case a.stopping:
		case a.revision == d.revision:
			fresh = append(fresh, a)
			freshAvailable += count(a.available)
		default:
			old = append(old, a)
			oldAvailable += count(a.available)
		}
	}
	var out []action
	dispensable(fresh)
	for _, a := range fresh[:max(0, len(fresh)-d.replicas)] {
		out = append(out, action{stop: a.id, why: "scaled down"})
		freshAvailable -= count(a.available)
	}
	if d.recreate && len(fresh)+stopping(have, d.revision) < len(have) {
		return append(out, stopAll(old)...) // and wait until all of them are gone
	}
	room := d.replicas + d.surge - len(have)
	for range min(d.replicas-len(fresh), room) {
		out = append(out, action{})
	}

	// Old replicas that are not available may come back, and are all there is if the new ones fail: so the new ones
	// that are not available do not count towards what must be left.
	needed := d.replicas - d.unavailable
	allowed := freshAvailable + len(old) - needed
	spare := freshAvailable + oldAvailable - needed
	dispensable(old)
	for _, a := range old[:max(0, min(allowed, len(old)))] {
		if spare -= count(a.available); spare < 0 && a.available {
			break
		}
		out = append(out, action{stop: a.id, why: replacedWhy})
	}
	return out
}

const replacedWhy = "replaced by a new revision"

func stopAll(list []actual) []action {
	var out []action
	for _, a := range list {
		out = append(out, action{stop: a.id, why: replacedWhy})
	}
	return out
}

// stopping counts the replicas of a revision that are being stopped.
func stopping(have []actual, revision string) int {
	n := 0
	for _, a := range have {
		n += count(a.stopping && a.revision == revision)
	}
	return n
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// dispensable sorts those first that are missed least: not ready, not available, newest.
func dispensable(list []actual) {
	slices.SortFunc(list, func(a, b actual) int {
		return cmp.Or(
			cmp.Compare(count(a.ready), count(b.ready)),
			cmp.Compare(count(a.available), count(b.available)),
			cmp.Compare(b.id, a.id),
		)
	})
}
