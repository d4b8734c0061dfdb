package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/supervise"
)

// Scale has a service run n replicas instead of as many as the configuration
// says, until it is called again; 0 goes back to the configuration. A release that
// is under way goes on with as many.
func (c *Controller) Scale(name string, n int, why string) error {
	s, err := c.scale(name, n, why)
	if s == nil || err != nil {
		return err
	}
	return c.act(s)
}

// scale notes the number; the service is nil where there is nothing to do.
func (c *Controller) scale(name string, n int, why string) (*service, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.services[name]
	switch {
	case s == nil && c.opts.Scale == nil:
		return nil, fmt.Errorf("%w: nothing is scaled here", ErrCommand)
	case s == nil:
		return nil, c.opts.Scale(name, n, why)
	case s.Scaled == n:
		return nil, nil
	case n < 0 || n > supervise.ReplicasMax:
		return nil, fmt.Errorf("%w: scale %s: want 1 to %d replicas, got %d", ErrCommand, name, supervise.ReplicasMax, n)
	}
	before, now := s.Wanted.Replicas, time.Now()
	s.Scaled = n
	p := s.Wanted
	p.Replicas = s.said
	c.take(p, s.config, now)
	if after := s.Wanted.Replicas; after != before {
		what := fmt.Sprintf("scaled from %d to %d replicas", before, after)
		c.opts.Log.Info("scaled", "service", name, "from", before, "to", after, "why", why)
		if len(c.notes) < notesMax {
			c.notes = append(c.notes, Note{Time: now, Service: name, Who: "scaling", What: what, Why: why})
		}
		c.poke()
	}
	return s, nil
}

// takeScale takes over how many replicas a service runs that was scaled before
// the Controller released it. The mutex is held.
func (c *Controller) takeScale(s *service) error {
	all := c.opts.Processes.Status()
	i := slices.IndexFunc(all, func(st supervise.ServiceStatus) bool { return st.Name == s.Service })
	if i < 0 || c.opts.Scale == nil || all[i].Desired == 0 || all[i].Desired == s.said {
		return nil
	}
	s.Scaled = all[i].Desired
	p := s.Wanted
	c.take(p, s.config, time.Now())
	s.wanted[RoleOld] = s.Scaled
	if err := c.run(); err != nil {
		return err
	}
	return c.opts.Scale(s.Service, 0, "it is released from now on")
}

// SetsOf are the sets of which a service consists, and how many replicas it is to have:
// while a release is under way there may be more. False where it was never
// released, and its one set is of its name.
func (c *Controller) SetsOf(name string) (sets []string, wanted int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.services[name]
	if s == nil {
		return []string{name}, 0, false
	}
	if r := s.active(); r != nil {
		return []string{r.Old.Set, r.New.Set, baselineSet(r.Old)}, s.Wanted.Replicas, true
	}
	return []string{s.Stable.Set}, s.Wanted.Replicas, true
}
