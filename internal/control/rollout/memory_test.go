package rollout

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/policy"
)

// TestJudgeForgetsNothingOverARestart has a new version of which one request in
// ten fails, and of the old one a quarter as many. What is found by most of the
// errors that convict it still counts against it after a restart.
func TestJudgeForgetsNothingOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := convicted(t, t.TempDir(), 0)
		dir := t.TempDir()
		after := convicted(t, dir, whole-2)
		if whole < 6 || after >= whole/2 {
			t.Errorf("%d errors convict it, and after %d and a restart %d more", whole, whole-2, after)
		}
		t.Logf("%d errors convict it, and after %d and a restart %d more", whole, whole-2, after)

		c, err := NewController(Options{Dir: dir, Processes: newYard(), Traffic: newYard()}) // after all is over
		if err != nil {
			t.Fatal(err)
		}
		r := c.Status()[0].Release
		if r.Phase != PhaseAborted || r.Verdict == nil || r.Verdict.Decision != judge.Fail || len(r.Verdict.Checks) == 0 || !strings.Contains(r.Why, r.Verdict.Why) {
			t.Errorf("the ended release has %+v", r)
		}
		if c.services["web"].Evidence != nil {
			t.Error("evidence outlives its release")
		}
		if len(r.History) < 2 {
			t.Errorf("its history is %+v", r.History)
		}
	})
}

func TestThinnedHistoryKeepsTheEnd(t *testing.T) {
	all := make([]Point, historyMax)
	for i := range all {
		all[i].NewRequests = uint64(i)
	}
	for n := range all {
		some := thinned(all[:n+1], writtenMax)
		if len(some) > writtenMax || len(some) < min(n+1, writtenMax/2) || some[len(some)-1].NewRequests != uint64(n) {
			t.Fatalf("%d points become %d, the last of which is %d", n+1, len(some), some[len(some)-1].NewRequests)
		}
	}
}

// convicted returns how many errors it takes until the release is aborted, of
// those after a restart, which comes after some of them; 0: there is none.
func convicted(t *testing.T, dir string, restart int) (errors int) {
	y := newYard()
	config := Config{Steps: []StepConfig{{Weight: 0.5, Hold: time.Hour}}, Judge: &judge.Config{FailuresInRow: -1}}
	begin := func(version string) (c *Controller, end func()) {
		ctx, stop := context.WithCancel(t.Context())
		c = run(t, ctx, dir, y, config, version)
		time.Sleep(5 * yardTime)
		return c, func() { stop(); synctest.Wait() }
	}
	_, end := begin("v1")
	end()
	c, end := begin("v2")
	defer func() { end() }()
	for i := 0; i < 10000; i++ {
		r := c.Status()[0].Release
		if r.Phase == PhaseAborting || r.Phase == PhaseAborted {
			time.Sleep(5 * yardTime)
			return errors
		}
		asks(c, r.Old, failing(i, 40))
		class := failing(i, 10)
		if asks(c, r.New, class); class == policy.Failure {
			errors++
		}
		time.Sleep(100 * time.Millisecond)
		if restart > 0 && errors == restart {
			restart, errors = 0, 0
			time.Sleep(noteEvery)
			end()
			c, end = begin("v2")
			if h := c.Status()[0].Release.History; len(h) < 2 || h[len(h)-1].NewErrors < 3 || h[len(h)-1].Time.Sub(h[0].Time) < noteEvery {
				t.Errorf("after a restart the history is %+v", h)
			}
			if v := c.Status()[0].Release.Verdict; v == nil || v.Decision != judge.Inconclusive || len(v.Checks) == 0 {
				t.Errorf("after a restart the verdict is %+v", v)
			}
		}
	}
	t.Fatal("it was never convicted")
	return 0
}

// failing is how the request i ends where the last of each n fails.
func failing(i, n int) policy.Class {
	if i%n == n-1 {
		return policy.Failure
	}
	return policy.Success
}
