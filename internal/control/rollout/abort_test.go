package rollout

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/supervise"
)

// TestAbortGoesBackFromEveryPhase aborts releases with real processes, also while
// a hook is waited for, while replicas start and end, and after all is over. Users
// notice nothing, and nothing is left running.
func TestAbortGoesBackFromEveryPhase(t *testing.T) {
	stepped := []Phase{PhaseBefore, PhaseStarting, PhaseStepping, PhaseAfter, PhaseKeeping, PhaseRetiring, PhaseComplete}
	phases := map[Strategy][]Phase{
		Rolling:   {PhaseBefore, PhaseRolling, PhaseAfter, PhaseComplete},
		BlueGreen: stepped, // all of its replicas run before the switch: it is promoted in no time
		Canary:    append(stepped, PhasePromoting),
	}
	for strategy, all := range phases {
		for _, phase := range all {
			t.Run(string(strategy)+" "+string(phase), func(t *testing.T) {
				t.Parallel()
				abortIn(t, strategy, phase)
			})
		}
	}
}

func abortIn(t *testing.T, strategy Strategy, phase Phase) {
	h := build(t, Config{Strategy: strategy, Unjudged: strategy == Canary, Keep: kept(strategy), Steps: gatedSteps(strategy), Hooks: hanging(t, phase)}, 2, false,
		supervise.RollingConfig{MaxUnavailable: "0", MaxSurge: "1", MinReady: 100 * time.Millisecond},
		func(h *house) {
			if phase == PhaseRetiring {
				h.fault = "stubborn" // so that it lasts
			}
		})
	users := h.load(100)
	h.want("v2", "slow")
	h.eventually("it is "+string(phase), func() bool {
		r := h.release()
		if r.Phase != phase && (r.Waits == WaitGate || r.Phase == PhaseKeeping) {
			h.do(CommandPromote)
		}
		return r.Phase == phase
	})
	if err := h.controller.Undo("web", "bob", "it is ugly"); err != nil { // an abort, or after the end a way back
		t.Fatal(err)
	}
	aborted := time.Now()
	if phase == PhaseComplete {
		h.ends(PhaseComplete)
	} else if r := h.ends(PhaseAborted); r.LeftAt != phase || r.Why != "aborted by bob: it is ugly" {
		t.Errorf("aborted when %s because of %q", r.LeftAt, r.Why)
	}
	h.user().always("v1")
	if failed := users.end(); len(failed) > 0 {
		t.Errorf("%d of %v failed: %v", len(failed), users.requests, failed)
	}
	if instant := strategy != Rolling && phase != PhaseRetiring && phase != PhaseComplete; instant && users.last["v2"].After(aborted) {
		t.Errorf("a request to the new version began %v after the abort", users.last["v2"].Sub(aborted))
	}
	h.eventually("only as many processes as replicas are left", func() bool { return len(h.processes()) == 2 })
}

// gatedSteps are steps of which the first waits, for strategies that have steps.
func gatedSteps(s Strategy) []StepConfig {
	switch s {
	case Canary:
		return []StepConfig{{Weight: 0.5, Gate: true}}
	case BlueGreen:
		return []StepConfig{{Gate: true}}
	}
	return nil
}

// hanging is a hook that does not answer in a phase in which hooks are asked.
func hanging(t *testing.T, phase Phase) []HookConfig {
	at := map[Phase]HookTime{PhaseBefore: HookBefore, PhaseAfter: HookAfter}[phase]
	if at == "" {
		return nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else nobody notices that the client has gone
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return []HookConfig{{At: at, URL: server.URL, Timeout: patience}}
}

// kept is how long the old version is kept, where it is.
func kept(s Strategy) time.Duration {
	if s == Rolling {
		return 0
	}
	return time.Hour
}
