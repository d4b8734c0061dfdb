package supervise

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

// service is what the supervisor knows of one service. It is guarded by the Supervisor's mutex.
type service struct {
	config    Config // with defaults
	revision  string
	scaled    int    // replicas to run instead of as many as config says; 0: as it says
	removed   string // why all replicas are to stop; empty while the service is wanted
	replicas  []*replica
	nextID    int
	rollout   rollout
	published []Endpoint
}

// replica is one of a service's replicas, over all of its restarts.
type replica struct {
	service  *service
	id       int
	config   Config // that it was made from
	revision string
	ports    []int
	machine  machine
	life     *life // the present or last process
}

func newService(c Config, now time.Time) *service {
	s := &service{config: c, revision: c.Revision(), nextID: 1}
	s.rollout = newRollout(now, s.headcount(now))
	return s
}

// update takes a new Config with defaults. It reports whether there is a new revision to roll out.
func (s *service) update(c Config, now time.Time) bool {
	if s.removed == "" && reflect.DeepEqual(s.config, c) {
		return false
	}
	revision := c.Revision()
	rolls := revision != s.revision || s.removed != ""
	s.config, s.revision, s.removed = c, revision, ""
	if rolls || s.rollout.state != RolloutComplete {
		s.rollout = newRollout(now, s.headcount(now))
	}
	return rolls
}

// plan is what to do now; nothing while the rollout is stalled.
func (s *service) plan(now time.Time) []action {
	if s.removed != "" {
		var out []action
		for _, r := range s.replicas {
			if !r.leaving() {
				out = append(out, action{stop: r.id, why: s.removed})
			}
		}
		return out
	}
	if s.rollout.state == RolloutStalled {
		return nil
	}
	unavailable, surge := s.config.Rolling.Bounds(s.wanted())
	have := make([]actual, len(s.replicas))
	for i, r := range s.replicas {
		have[i] = actual{
			id: r.id, revision: r.revision, ready: r.machine.phase == PhaseReady,
			available: s.available(r, now), stopping: r.leaving(),
		}
	}
	return plan(desired{
		replicas: s.wanted(), revision: s.revision, unavailable: unavailable, surge: surge,
		recreate: s.config.Rolling.Recreate,
	}, have)
}

// observe follows the rollout and returns what became of it, with why.
func (s *service) observe(now time.Time) (EventKind, string) {
	if s.removed != "" {
		return "", ""
	}
	h := s.headcount(now)
	kind := s.rollout.observe(now, s.config.Rolling.ProgressDeadline, h)
	if kind == EventRolloutStalled {
		s.rollout.why = s.stallReason(h)
		return kind, s.rollout.why
	}
	return kind, fmt.Sprintf("%d of %d available", h.available, h.wanted)
}

// next is when time alone will change something: a replica has been ready for long enough, or a rollout has not moved.
func (s *service) next(now time.Time) time.Time {
	var next time.Time
	if s.rollout.state == RolloutComplete {
		return next
	}
	if s.rollout.state == RolloutProgressing {
		next = s.rollout.progressAt.Add(s.config.Rolling.ProgressDeadline)
	}
	for _, r := range s.replicas {
		if r.machine.phase != PhaseReady || s.available(r, now) {
			continue
		}
		if at := r.machine.readySince.Add(s.config.Rolling.MinReady); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

func (s *service) headcount(now time.Time) headcount {
	h := headcount{wanted: s.wanted()}
	for _, r := range s.replicas {
		switch {
		case r.revision != s.revision:
			h.old++
		case !r.leaving():
			h.fresh++
			h.available += count(s.available(r, now))
		}
	}
	return h
}

// available is ready for MinReady. A replica that ended well and is not to run again has done what it was for.
func (s *service) available(r *replica, now time.Time) bool {
	if r.machine.phase == PhaseStopped {
		return r.machine.done
	}
	return r.machine.phase == PhaseReady && now.Sub(r.machine.readySince) >= s.config.Rolling.MinReady
}

func (s *service) stallReason(h headcount) string {
	why := fmt.Sprintf("no progress for %v: %d of %d new replicas available", s.config.Rolling.ProgressDeadline, h.available, h.wanted)
	for _, r := range s.replicas {
		if r.revision == s.revision && r.machine.phase != PhaseReady {
			m := r.machine
			detail := m.why
			if detail == "" {
				detail = m.lastExit
			}
			return fmt.Sprintf("%s; %s/%d is %v, restarts %d: %s", why, s.config.Name, r.id, m.phase, m.restarts(), detail)
		}
	}
	return why
}

// endpoints are the ready replicas; changed reports whether they are others than at the last call.
func (s *service) endpoints() (ready []Endpoint, changed bool) {
	ready = s.readyNow()
	changed = !slices.EqualFunc(ready, s.published, func(a, b Endpoint) bool {
		return a.Replica == b.Replica && slices.Equal(a.Ports, b.Ports)
	})
	s.published = ready
	return ready, changed
}

func (s *service) readyNow() []Endpoint {
	ready := []Endpoint{}
	for _, r := range s.replicas {
		if r.machine.phase == PhaseReady {
			ports := addresses(r.config.Ports, r.ports)
			ready = append(ready, Endpoint{Replica: r.id, Addr: ports[0].Addr, Ports: ports})
		}
	}
	return ready
}

func (s *service) find(id int) *replica {
	for _, r := range s.replicas {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (s *service) status() ServiceStatus {
	out := ServiceStatus{
		Name: s.config.Name, Service: s.config.Name, Budget: s.budget(time.Now()), Desired: s.wanted(), Revision: s.revision,
		Rollout: s.rollout.state, RolloutWhy: s.rollout.why, Replicas: []ReplicaStatus{},
	}
	if s.removed != "" {
		out.Desired = 0
	}
	for _, r := range s.replicas {
		m := r.machine
		out.Ready += count(m.phase == PhaseReady)
		var started time.Time
		if m.pid != 0 {
			started = m.startedAt
		}
		out.Replicas = append(out.Replicas, ReplicaStatus{
			Started: started,
			ID:      r.id, PID: m.pid, Ports: addresses(r.config.Ports, r.ports), Phase: m.phase, Since: m.since,
			Restarts: m.restarts(), LastExit: m.lastExit, Why: m.why, NextTry: m.nextTry, Revision: r.revision,
		})
	}
	return out
}

// leaving reports whether the replica is being stopped for good.
func (r *replica) leaving() bool { return r.machine.phase == PhaseStopping && !r.machine.again }
