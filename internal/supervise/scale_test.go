package supervise

import (
	"errors"
	"slices"
	"testing"
)

func TestScaleRunsMoreAndFewerAndKeepsTheFirst(t *testing.T) {
	c := testConfig("web", "serve")
	c.Replicas = 2
	h := supervise(t, nil, c)
	h.settle()
	first := h.first("web")
	for _, n := range []int{4, 1, 3} {
		if err := h.Scale("web", n, "as the test wants"); err != nil {
			t.Fatal(err)
		}
		h.eventually("as many as wanted", func() bool { s := h.service("web"); return s.Ready == n && len(s.Replicas) == n })
		if now := h.first("web"); now.PID != first.PID {
			t.Errorf("with %d the first is %d, it was %d", n, now.PID, first.PID)
		}
	}
	// A reload with another number keeps that of the scaler; a change of the
	// program rolls with it.
	c.Replicas, c.Env["VERSION"] = 7, "2"
	h.apply(c)
	h.eventually("three of the new revision", func() bool {
		s := h.service("web")
		return s.Rollout == RolloutComplete && s.Ready == 3 && !slices.ContainsFunc(s.Replicas, func(r ReplicaStatus) bool { return r.Revision != s.Revision })
	})
	if err := h.Scale("web", 0, ""); err != nil {
		t.Fatal(err)
	}
	h.eventually("as the Config says", func() bool { return h.service("web").Ready == 7 })
	if told := h.heard(EventScaled); len(told) != 4 || told[0].Why != "from 2 to 4 replicas: as the test wants" {
		t.Errorf("told %+v", told)
	}
	for _, bad := range []struct {
		name string
		n    int
	}{{"shop", 2}, {"web", -1}, {"web", ReplicasMax + 1}} {
		if err := h.Scale(bad.name, bad.n, ""); err == nil {
			t.Errorf("scaled %s to %d", bad.name, bad.n)
		}
	}
}

// TestBudgetBindsNeitherScaleNorRollingUpdate is as in Kubernetes: the budget
// counts who is away then, and holds up nobody but evictions.
func TestBudgetBindsNeitherScaleNorRollingUpdate(t *testing.T) {
	c := rollable()
	c.Replicas, c.Rolling = 3, RollingConfig{MaxUnavailable: "1", MaxSurge: "0"}
	c.Budget = BudgetConfig{MinAvailable: "3"}
	h := supervise(t, nil, c)
	h.settle()
	c.Env["VERSION"] = "2"
	h.apply(c)
	h.eventually("one is away, and none may be evicted", func() bool {
		s := h.service("web")
		if s.Ready < 2 {
			t.Errorf("%d ready, and one may be away", s.Ready)
		}
		return s.Budget.Available == 2 && s.Budget.Allowed == 0 && s.Budget.Why == "2 replicas are available, and 3 are to stay so"
	})
	h.eventually("a rollout that ends", func() bool { return h.service("web").Rollout == RolloutComplete })
	if err := h.Scale("web", 1, ""); err != nil {
		t.Fatal(err)
	}
	h.eventually("one is left", func() bool { return len(h.service("web").Replicas) == 1 })
	if err := h.Evict("web", h.first("web").ID); !errors.Is(err, ErrBudget) {
		t.Errorf("evicted the last one: %v, want ErrBudget", err)
	}
}

func TestEvictAsksTheBudget(t *testing.T) {
	c := testConfig("web", "serve")
	c.Replicas, c.Readiness, c.Budget = 3, health(), BudgetConfig{MaxUnavailable: "1"}
	h := supervise(t, nil, c)
	h.settle()
	all := h.service("web").Replicas
	if err := h.Evict("web", all[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := h.Evict("web", all[1].ID); !errors.Is(err, ErrBudget) {
		t.Errorf("a second one: %v, want ErrBudget", err)
	}
	h.settle()
	now := h.service("web").Replicas
	if len(now) != 3 || slices.ContainsFunc(now, func(r ReplicaStatus) bool { return r.ID == all[0].ID }) {
		t.Errorf("got %+v, want another for the first", now)
	}
	if err := h.Evict("web", all[1].ID); err != nil {
		t.Errorf("once it is whole again: %v", err)
	}
	h.settle()
	for _, bad := range []struct {
		name string
		id   int
	}{{"shop", 1}, {"web", 99}} {
		if err := h.Evict(bad.name, bad.id); !errors.Is(err, ErrNoReplica) {
			t.Errorf("evict %s/%d: %v", bad.name, bad.id, err)
		}
	}
}

func TestReplicaThatIsNotReadyIsEvictedOnlyFromAWholeService(t *testing.T) {
	c := testConfig("web", "serve")
	c.Replicas, c.Readiness, c.Budget = 2, health(), BudgetConfig{MinAvailable: "2"}
	h := supervise(t, nil, c)
	h.settle()
	r := h.first("web")
	h.get(r.Ports[0].Addr, "/set?status=500")
	h.eventually("unready", func() bool { return h.first("web").Phase == PhaseUnready })
	if err := h.Evict("web", r.ID); !errors.Is(err, ErrBudget) {
		t.Errorf("got %v, want ErrBudget: it may get ready yet", err)
	}
	c.Budget.AlwaysEvictUnready = true
	h.apply(c)
	if err := h.Evict("web", r.ID); err != nil {
		t.Errorf("where that is allowed: %v", err)
	}
	h.settle()
}

func TestBudgetIsChecked(t *testing.T) {
	for _, bad := range []BudgetConfig{{MinAvailable: "1", MaxUnavailable: "1"}, {MinAvailable: "some"}, {MaxUnavailable: "101%"}, {MaxUnavailable: "-1"}} {
		c := testConfig("web", "serve")
		c.Budget = bad
		if err := c.Validate(); err == nil {
			t.Errorf("took %+v", bad)
		}
	}
	for _, test := range []struct {
		budget         BudgetConfig
		replicas, want int
	}{
		{BudgetConfig{}, 3, 0}, {BudgetConfig{MinAvailable: "50%"}, 3, 2}, {BudgetConfig{MaxUnavailable: "30%"}, 4, 2},
		{BudgetConfig{MaxUnavailable: "0"}, 4, 4}, {BudgetConfig{MaxUnavailable: "9"}, 4, 0}, {BudgetConfig{MinAvailable: "9"}, 4, 9},
	} {
		if got := test.budget.wanted(test.replicas); got != test.want {
			t.Errorf("%+v of %d: %d, want %d", test.budget, test.replicas, got, test.want)
		}
	}
}
