package supervise

import (
	"errors"
	"fmt"
	"time"
)

// ErrBudget is why a replica may not be stopped: too few others would be left. It passes.
var ErrBudget = errors.New("the disruption budget does not allow it")

// ErrNoReplica is the error for a replica or a service that there is not.
var ErrNoReplica = errors.New("there is no such replica")

// BudgetConfig bounds how many replicas may be away for one to be evicted. It is the PodDisruptionBudget of Kubernetes:
// all that are not available count against it, whatever the reason, but only Evict asks it. A rolling update keeps to its
// own bounds, and a smaller number of replicas, a crash, a liveness probe and the end of Afloat ask nobody. One of both
// fields is set, or none.
type BudgetConfig struct {
	// MinAvailable is how many replicas stay available; a number or a percentage, rounded up.
	MinAvailable IntOrPercent `yaml:"minAvailable,omitempty"`
	// MaxUnavailable is how many of the replicas may be missing; a number or a percentage, rounded up.
	MaxUnavailable IntOrPercent `yaml:"maxUnavailable,omitempty"`
	// AlwaysEvictUnready lets replicas that are not ready be evicted even while fewer than that are available: as
	// unhealthyPodEvictionPolicy AlwaysAllow. Default false: they may get ready yet.
	AlwaysEvictUnready bool `yaml:"alwaysEvictUnready,omitempty"`
}

// BudgetStatus is how a disruption budget stands.
type BudgetStatus struct {
	Wanted    int    `json:"wanted"`        // available replicas that there are to be
	Available int    `json:"available"`     // that there are
	Allowed   int    `json:"allowed"`       // that may be stopped now
	Why       string `json:"why,omitempty"` // why none may
}

// none reports whether there is no budget.
func (b BudgetConfig) none() bool { return b.MinAvailable == "" && b.MaxUnavailable == "" }

// wanted is how many of the replicas must be available. Values must have been validated.
func (b BudgetConfig) wanted(replicas int) int {
	if b.MinAvailable != "" {
		n, _ := b.MinAvailable.Of(replicas, true)
		return n
	}
	if b.MaxUnavailable != "" {
		n, _ := b.MaxUnavailable.Of(replicas, true)
		return max(replicas-n, 0)
	}
	return 0
}

func (b BudgetConfig) check(p *problems) {
	if b.MinAvailable != "" && b.MaxUnavailable != "" {
		p.add("budget.maxUnavailable", "does not go with minAvailable: write one of them")
	}
	for field, v := range map[string]IntOrPercent{"budget.minAvailable": b.MinAvailable, "budget.maxUnavailable": b.MaxUnavailable} {
		if v == "" {
			continue
		}
		if _, err := v.Of(100, true); err != nil {
			p.add(field, "%v", err)
		}
	}
}

// Status is how the budget stands where so many replicas are wanted, and so many available; nil where there is none.
func (b BudgetConfig) Status(replicas, available int) *BudgetStatus {
	if b.none() {
		return nil
	}
	st := &BudgetStatus{Wanted: b.wanted(replicas), Available: available}
	if st.Allowed = max(available-st.Wanted, 0); st.Allowed == 0 && st.Wanted > 0 {
		st.Why = fmt.Sprintf("%d replicas are available, and %d are to stay so", available, st.Wanted)
	}
	return st
}

// Permit returns nil where a replica may be stopped, which is available or not, and else ErrBudget with the reason. No
// budget permits all.
func (b BudgetConfig) Permit(st *BudgetStatus, available bool) error {
	switch {
	case st == nil || st.Wanted == 0:
		return nil
	case available && st.Allowed == 0, !available && st.Available < st.Wanted && !b.AlwaysEvictUnready:
		return fmt.Errorf("%w: %s", ErrBudget, st.Why)
	}
	return nil
}

// budget is how the service's budget stands.
func (s *service) budget(now time.Time) *BudgetStatus {
	available := 0
	for _, r := range s.replicas {
		available += count(s.available(r, now))
	}
	return s.config.Budget.Status(s.wanted(), available)
}

// Evict stops a replica, drained and within its grace, and another takes its place. It returns at once; the error is
// ErrBudget where the service's budget does not allow it now.
func (s *Supervisor) Evict(name string, id int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	svc := s.services[name]
	if svc == nil || svc.removed != "" {
		return fmt.Errorf("evict %s/%d: %w", name, id, ErrNoReplica)
	}
	r := svc.find(id)
	if r == nil || r.leaving() {
		return fmt.Errorf("evict %s/%d: %w", name, id, ErrNoReplica)
	}
	now := time.Now()
	if err := svc.config.Budget.Permit(svc.budget(now), svc.available(r, now)); err != nil {
		return fmt.Errorf("evict %s/%d: %w", name, id, err)
	}
	s.feed(r, input{kind: inStop, why: "evicted"})
	s.wake()
	return nil
}
