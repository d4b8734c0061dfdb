package rollout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// hookAnswerMax bounds what is read of a hook's answer.
const hookAnswerMax = 512

// hookID is a hook of a release.
type hookID struct {
	release string
	hook    int
}

// hooks asks programs, each on its own, so that nothing waits for one.
type hooks struct {
	client *http.Client
	wake   func()

	mu      sync.Mutex
	running map[hookID]*hookRun // and those that ran
	asking  sync.WaitGroup
	closed  bool
}

type hookRun struct {
	HookCalls
	cancel context.CancelFunc
}

// HookAsk is what a hook gets.
type HookAsk struct {
	At      HookTime `json:"at"`
	Service string   `json:"service"`
	Release string   `json:"release"`
	Phase   Phase    `json:"phase"`
	Old     string   `json:"old"`
	New     string   `json:"new"`
	Weight  float64  `json:"weight"`
}

// ask calls a hook. Its answer is seen by a later view.
func (h *hooks) ask(r *Release, i int) {
	c := r.Config.Hooks[i]
	text, _ := json.Marshal(HookAsk{c.At, r.Service, r.ID, r.Phase, r.Old.Name, r.New.Name, float64(r.Shares.Weight)})
	h.mu.Lock()
	defer h.mu.Unlock()
	id := hookID{r.ID, i}
	run := h.running[id]
	if run == nil {
		run = new(hookRun)
		h.running[id] = run
	}
	if run.Running || h.closed {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	run.Running, run.cancel = true, cancel
	h.asking.Go(func() {
		defer cancel()
		err := h.call(ctx, c.URL, r.ID, text)
		h.answered(run, err)
	})
}

// call is one call of a hook.
func (h *hooks) call(ctx context.Context, address, release string, text []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Afloat-Release", release)
	res, err := h.client.Do(req)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err // without the URL, in which a secret may be
	} else if err != nil {
		return err
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, hookAnswerMax))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("%s %s", res.Status, strings.TrimSpace(string(said)))
	}
	return nil
}

func (h *hooks) answered(run *hookRun, err error) {
	h.mu.Lock()
	run.Running, run.LastAt = false, time.Now()
	run.Calls++
	if err != nil {
		run.FailuresRow++
		run.Why = err.Error()
	} else {
		run.FailuresRow = 0
	}
	h.mu.Unlock()
	h.wake()
}

// calls are those of a release so far.
func (h *hooks) calls(r *Release) map[int]HookCalls {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[int]HookCalls{}
	for i := range r.Config.Hooks {
		if run := h.running[hookID{r.ID, i}]; run != nil {
			all[i] = run.HookCalls
		}
	}
	return all
}

// forget ends what is asked for a release.
func (h *hooks) forget(release string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.running, func(id hookID, run *hookRun) bool {
		if id.release == release && run.cancel != nil {
			run.cancel()
		}
		return id.release == release
	})
}

// close ends all calls.
func (h *hooks) close() {
	h.mu.Lock()
	h.closed = true
	for _, run := range h.running {
		if run.cancel != nil {
			run.cancel()
		}
	}
	h.mu.Unlock()
	h.asking.Wait()
}
