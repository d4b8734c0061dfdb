package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/supervise"
)

// Sets is how all replicas stand, a set for each version of a service that is
// released, with the names of both. The disruption budget of a service stands at
// the sets that it counts.
func (c *Controller) Sets() []supervise.ServiceStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, now := c.opts.Processes.Status(), time.Now()
	for i := range all {
		c.name(&all[i])
		if s := c.services[all[i].Service]; s != nil && s.active() != nil && s.Release.serves(all[i].Name) {
			all[i].Budget = c.budget(s, all, now)
		}
	}
	return all
}

// name says which version of which service a set is.
func (c *Controller) name(set *supervise.ServiceStatus) {
	set.Service = cmp.Or(c.sets[set.Name], set.Name)
	if s := c.services[set.Service]; s != nil {
		set.Version = s.version(set.Name)
	}
}

// serves reports whether the service would be there without any but this set and
// its like: both versions while one takes the other's place replica by replica,
// and else the one that an abort, or the end, would leave at once.
func (r *Release) serves(set string) bool {
	all := r.All && !(r.Phase == PhaseAborting && r.Back) || r.Stayed
	switch set {
	case r.Old.Set:
		return r.Config.Strategy == Rolling || !all
	case r.New.Set:
		return r.Config.Strategy == Rolling || all
	}
	return false
}

// budget is how the disruption budget of a service stands whose release is under
// way. Of what runs, only what was told to stay is counted: the rest is about to
// be stopped.
func (c *Controller) budget(s *service, status []supervise.ServiceStatus, now time.Time) *supervise.BudgetStatus {
	r, v, available := s.Release, c.view(s, status, now), 0
	if r.serves(r.Old.Set) {
		available += v.Old.sure()
	}
	if r.serves(r.New.Set) {
		available += v.New.sure()
	}
	return s.Wanted.Budget.Status(s.Wanted.Replicas, available)
}

// Named is an event in the words of who looks at services: with the service and
// the version in place of the set.
func (c *Controller) Named(e supervise.Event) supervise.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := supervise.ServiceStatus{Name: e.Service}
	c.name(&set)
	e.Service, e.Revision = set.Service, cmp.Or(set.Version, e.Revision)
	return e
}

// Evict has a replica of a service end, and another take its place, where the
// service's disruption budget allows it, whichever versions there are. Where two
// of them have a replica of that number, name says the version too: web.VERSION.
func (c *Controller) Evict(name string, id int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	status, now := c.opts.Processes.Status(), time.Now()
	var found []member
	for _, set := range status {
		c.name(&set)
		if !slices.Contains([]string{set.Service, set.Name, versioned(set)}, name) {
			continue
		}
		for _, r := range set.Replicas {
			if r.ID == id {
				found = append(found, member{set, r})
			}
		}
	}
	if len(found) > 1 { // one that ends already is not meant
		found = slices.DeleteFunc(found, func(m member) bool { return m.replica.Phase == supervise.PhaseStopping })
	}
	switch {
	case c.opts.Evict == nil:
		return fmt.Errorf("%w: nothing is evicted here", ErrCommand)
	case len(found) == 0:
		return fmt.Errorf("evict %s/%d: %w", name, id, supervise.ErrNoReplica)
	case len(found) > 1:
		return fmt.Errorf("evict %s/%d: two versions have a replica of that number; say %s or %s", name, id, versioned(found[0].set), versioned(found[1].set))
	}
	m := found[0]
	if s := c.services[m.set.Service]; s != nil && s.active() != nil && s.Release.serves(m.set.Name) {
		available := m.replica.Phase == supervise.PhaseReady && now.Sub(m.replica.Since) >= s.Wanted.Rolling.MinReady
		if err := s.Wanted.Budget.Permit(c.budget(s, status, now), available); err != nil {
			return fmt.Errorf("evict %s/%d: %w", name, id, err)
		}
	}
	return c.opts.Evict(m.set.Name, id)
}

// member is a replica of a set.
type member struct {
	set     supervise.ServiceStatus
	replica supervise.ReplicaStatus
}

// versioned is the name of a set for people: of the service and the version.
func versioned(set supervise.ServiceStatus) string {
	if set.Version == "" {
		return set.Service
	}
	return set.Service + "." + set.Version
}
