package gateway

import (
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// TestReloadKeepsWhatIsKnownOfEndpoints changes how endpoints are picked and
// adds one: those that stay are as slow, as ejected and as down as before.
func TestReloadKeepsWhatIsKnownOfEndpoints(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := ServiceConfig{Balance: BalancePeakEWMA, Endpoints: many(5), Warmup: 10 * time.Second, Outlier: OutlierConfig{Disabled: true}}
		s := newService("web", c, nothing{}, new(lag))
		defer s.close()
		s.setEndpoints(c.Endpoints)
		all := *s.endpoints.Load()
		for range 100 {
			all[0].tried(policy.Success, time.Now(), 500*ms, 0, nil)
			all[1].tried(policy.Success, time.Now(), 5*ms, 0, nil)
			all[4].tried(policy.Success, time.Now(), 5*ms, 0, nil)
		}
		all[2].breaker.Trip("test")
		all[3].markDown("test")
		slow := all[0].peak.at(time.Since(clock))

		next := c
		next.Endpoints = many(6)
		next.Endpoints[1].Weight = 2
		for _, balance := range []Balance{BalanceRoundRobin, BalanceRingHash, BalancePeakEWMA} {
			next.Balance = balance
			s.set(next)
			s.setEndpoints(next.Endpoints)
		}
		after := *s.endpoints.Load()
		for i, e := range all {
			if after[i] != e {
				t.Fatalf("endpoint %d was made anew", i)
			}
		}
		now := time.Since(clock)
		if got := all[0].peak.at(now); got != slow || got < 0.4 {
			t.Errorf("the slow one is remembered with %.3f s, before with %.3f", got, slow)
		}
		if all[2].breaker.Status().State != policy.BreakerOpen || !all[3].down.Load() {
			t.Error("the ejected one, or the one that is down, is not any more")
		}
		if n := all[1].share(); n != 2 {
			t.Errorf("weight %d, want 2", n)
		}
		if all[1].warmth(now) != 1 || after[5].warmth(now) != warmthMin {
			t.Errorf("want only the new one to warm up, got %v and %v", all[1].warmth(now), after[5].warmth(now))
		}
		got := shares(t, s, 1000)
		if got[all[2].address]+got[all[3].address] > 0 || got[all[0].address] > got[all[4].address] {
			t.Errorf("got %v", got)
		}
	})
}
