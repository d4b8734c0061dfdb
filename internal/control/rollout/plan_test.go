package rollout

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/supervise"
)

// TestStatusSaysWhatIsWaitedFor goes through a release that waits for everything
// that one can wait for, and holds what it says.
func TestStatusSaysWhatIsWaitedFor(t *testing.T) {
	var no atomic.Bool
	no.Store(true)
	hook := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if no.Load() {
			http.Error(w, "not yet", http.StatusConflict)
		}
	})
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		config := Config{
			Steps: []StepConfig{{Weight: 0.25, Hold: 10 * time.Second, Gate: true}, {Weight: 0.5, Gate: true}}, Unjudged: true, Keep: 20 * time.Second,
			Hooks: []HookConfig{{At: HookBefore, URL: "http://bob:secret@hook/before?key=secret", FailuresMax: 1000, Interval: time.Second}},
		}
		c, err := NewController(Options{Dir: dir, Processes: y, Traffic: y, Client: &http.Client{Transport: handled{hook}}})
		if err != nil {
			t.Fatal(err)
		}
		apply := func(version string) {
			if err := c.Apply([]supervise.Config{template(version)}, map[string]Config{"web": config}); err != nil {
				t.Fatal(err)
			}
		}
		apply("v1")
		go func() { _ = c.Serve(ctx) }()
		time.Sleep(5 * yardTime)
		apply("v2")
		now := func() *ReleaseStatus { return c.Status()[0].Release }
		waits := func(want Wait, left time.Duration, passed int) {
			t.Helper()
			r := now()
			if r.Waits != want || r.Passed != passed {
				t.Errorf("%s: waits for %q with %d steps passed, want %q and %d", r.At, r.Waits, r.Passed, want, passed)
			}
			if got := time.Until(r.Until); left > 0 && (got > left || got < left-2*time.Second) || left == 0 && !r.Until.IsZero() {
				t.Errorf("%s: until %v, want %v", r.At, r.Until, left)
			}
		}
		time.Sleep(3 * time.Second)
		waits(WaitHooks, 0, 0)
		if h := now().Hooks[0]; h.Yes || h.URL != "http://hook/before" || h.Failures < 2 || h.Failures != h.Calls || !strings.Contains(h.Why, "not yet") {
			t.Errorf("%+v", h)
		}
		no.Store(false)
		for !now().Hooks[0].Yes {
			time.Sleep(100 * time.Millisecond)
		}
		waits(WaitReplicas, 0, 0)
		time.Sleep(1500 * time.Millisecond)
		waits(WaitHold, 10*time.Second, 0)
		_ = c.Do("web", CommandPause, "ada", "lunch")
		waits(WaitResume, 0, 0)
		_ = c.Do("web", CommandResume, "ada", "")
		time.Sleep(10 * time.Second)
		waits(WaitGate, 0, 0)
		_ = c.Do("web", CommandPromote, "ada", "")
		time.Sleep(2 * yardTime)
		waits(WaitGate, 0, 1)
		_ = c.Do("web", CommandPromote, "ada", "")
		time.Sleep(2 * yardTime)
		waits(WaitKeep, 20*time.Second, 2)
		time.Sleep(30 * time.Second)
		waits("", 0, 2)

		r := now()
		want := []StepStatus{{Weight: 0.25, HoldSeconds: 10, Gate: true}, {Weight: 0.5, Gate: true}}
		if diff := cmp.Diff(want, r.Plan); diff != "" || r.KeepSeconds != 20 {
			t.Error(diff, r.KeepSeconds)
		}
		var weights []float64
		for _, p := range r.History {
			if n := len(weights); n == 0 || weights[n-1] != p.Weight {
				weights = append(weights, p.Weight)
			}
		}
		if diff := cmp.Diff([]float64{0, 0.25, 0.5, 1}, weights); diff != "" {
			t.Errorf("its weight went %s", diff)
		}
		if b := c.Brief()[0].Release; b.History != nil || len(b.Plan) != 2 {
			t.Errorf("in brief: %+v", b)
		}
	})
}

// handled is a transport that hands requests to a handler: made time knows no
// sockets.
type handled struct{ http.Handler }

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}
