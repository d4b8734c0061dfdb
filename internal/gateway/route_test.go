package gateway

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// TestReloadRenewsOnlyAFaultThatChanged: a fault that ends by itself must not
// live on because something else is reloaded.
func TestReloadRenewsOnlyAFaultThatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := func(share policy.Ratio) *RouteConfig { // as a file that is read anew
			return &RouteConfig{Fault: lasting(aborting(share, 503), time.Minute)}
		}
		r := newRoute(config(1), "r", nil, nil, nil)
		for _, step := range []struct {
			share policy.Ratio
			over  bool
		}{{1, false}, {1, true}, {0.5, false}, {0.5, false}} {
			time.Sleep(40 * time.Second)
			r = newRoute(config(step.share), "r", r, nil, nil)
			if r.fault.over() != step.over {
				t.Errorf("after a reload with %v: over is %v", step.share, !step.over)
			}
			if step.over {
				time.Sleep(time.Hour)
			}
		}
		if r = newRoute(&RouteConfig{}, "r", r, nil, nil); r.fault != nil {
			t.Error("the fault stayed")
		}
	})
}
