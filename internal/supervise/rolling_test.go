package supervise

import (
	"strings"
	"testing"
	"time"
)

// rollable is a service of three that may have one more and one less.
func rollable() Config {
	c := testConfig("web", "serve")
	c.Replicas, c.Readiness = 3, health()
	c.Rolling = RollingConfig{MaxUnavailable: "1", MaxSurge: "1"}
	return c
}

func TestRollingUpdateStaysWithinItsBounds(t *testing.T) {
	c := rollable()
	h := supervise(t, nil, c)
	h.settle()
	before := h.service("web")
	c.Env["VERSION"] = "2"
	h.apply(c)
	h.eventually("a rollout that ends", func() bool {
		now := h.service("web")
		if now.Ready < 2 || len(now.Replicas) > 4 {
			t.Errorf("%d ready of %d", now.Ready, len(now.Replicas))
		}
		return now.Rollout == RolloutComplete
	})
	after := h.service("web")
	if after.Revision == before.Revision {
		t.Error("the revision did not change")
	}
	for _, r := range after.Replicas {
		if r.ID <= 3 || r.Revision != after.Revision {
			t.Errorf("an old replica is left: %+v", r)
		}
	}
	if kinds := h.heard(EventRollout, EventRolloutComplete); len(kinds) != 3 {
		t.Errorf("got %+v, want complete, rollout, complete", kinds)
	}
}

func TestOldReplicaStaysUntilTheNewOneWasReadyForLong(t *testing.T) {
	c := rollable()
	c.Replicas, c.Rolling = 1, RollingConfig{MaxUnavailable: "0", MaxSurge: "1", MinReady: 200 * time.Millisecond}
	h := supervise(t, nil, c)
	h.settle()
	c.Env["VERSION"] = "2"
	h.apply(c)
	h.eventually("the old one is stopped", func() bool { return len(h.heard(EventStopping)) == 1 })
	ready, stopping := h.heard(EventReady), h.heard(EventStopping)
	if waited := stopping[0].Time.Sub(ready[1].Time); waited < c.Rolling.MinReady || stopping[0].Replica != 1 {
		t.Errorf("replica %d was stopped %v after the new one got ready", stopping[0].Replica, waited)
	}
	h.settle()
}

func TestUnchangedConfigKeepsProcesses(t *testing.T) {
	c := rollable()
	h := supervise(t, nil, c)
	h.settle()
	before := h.service("web").Replicas
	c.Replicas, c.Rolling.MaxSurge = 2, "2"
	h.apply(c)
	h.settle()
	after := h.service("web").Replicas
	if len(after) != 2 || after[0].PID != before[0].PID || after[1].PID != before[1].PID {
		t.Errorf("got %+v after %+v, want the first two kept", after, before)
	}
	if rolled := h.heard(EventRollout); len(rolled) > 0 {
		t.Errorf("rolled: %+v", rolled)
	}
}

func TestNewRevisionThatFailsStallsAndTheOldServes(t *testing.T) {
	for _, end := range []string{"mended by a new config", "undone", "ready after all"} {
		t.Run(end, func(t *testing.T) {
			c := rollable()
			c.Rolling.ProgressDeadline = 500 * time.Millisecond
			h := supervise(t, nil, c)
			h.settle()
			bad := c.WithDefaults()
			bad.Env["STATUS"] = "500"
			h.apply(bad)
			h.eventually("a stall", func() bool { return h.service("web").Rollout == RolloutStalled })
			stalled := h.service("web")
			if stalled.Ready < 2 || !strings.Contains(stalled.RolloutWhy, "readiness probe failed: GET /health: status 500") {
				t.Errorf("got %d ready, %q", stalled.Ready, stalled.RolloutWhy)
			}
			switch end {
			case "mended by a new config":
				bad.Env["STATUS"] = "201"
				h.apply(bad)
			case "undone":
				h.apply(c)
			case "ready after all":
				healed := map[int]bool{}
				h.eventually("all new ones healed", func() bool {
					for _, r := range h.service("web").Replicas {
						if r.Revision == stalled.Revision && r.PID != 0 && !healed[r.ID] {
							h.get(r.Ports[0].Addr, "/set?status=200")
							healed[r.ID] = r.Phase == PhaseReady
						}
					}
					return h.service("web").Rollout == RolloutComplete
				})
			}
			h.settle()
			if got := h.service("web").Rollout; got != RolloutComplete {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestRemovedServiceReturns(t *testing.T) {
	c := rollable()
	h := supervise(t, nil, c)
	h.settle()
	h.apply()
	h.apply(c)
	h.settle()
	if n := len(h.ready("web")); n != 3 {
		t.Errorf("got %d endpoints, want 3", n)
	}
}
