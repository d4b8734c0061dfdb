package rollout

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

// user is somebody who asks again and again, and keeps the cookies that they get.
type user struct {
	h      *house
	header http.Header
}

func (h *house) user(header ...string) *user {
	u := &user{h, http.Header{}}
	for i := 0; i < len(header); i += 2 {
		u.header.Add(header[i], header[i+1])
	}
	return u
}

// gets is the version that answers the user.
func (u *user) gets(method string) string {
	u.h.t.Helper()
	req, _ := http.NewRequest(method, u.h.url, nil)
	req.Header = u.header.Clone()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		u.h.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusOK {
		u.h.t.Fatalf("a user got %s", res.Status)
	}
	for _, c := range res.Cookies() {
		u.header.Add("Cookie", c.Name+"="+c.Value)
	}
	return res.Header.Get("X-Version")
}

// always holds that a version answers the user whenever they ask.
func (u *user) always(version string) {
	u.h.t.Helper()
	for range 20 {
		if got := u.gets(http.MethodGet); got != version {
			u.h.t.Errorf("%v was answered by %s, want %s", u.header, got, version)
			return
		}
	}
}

// gate waits until the release waits at the gate of a step, from 1.
func (h *house) gate(step int) {
	h.t.Helper()
	h.eventually(fmt.Sprint("the gate of step ", step), func() bool {
		r := h.release()
		return r != nil && r.Step == step && r.Waits == WaitGate
	})
}

func (h *house) do(command Command) {
	h.t.Helper()
	if err := h.controller.Do("web", command, "bob", ""); err != nil {
		h.t.Fatal(err)
	}
}

func TestCanaryReachesThoseWhoAskForItAndNobodyElse(t *testing.T) {
	header := gateway.MatchConfig{Headers: map[string]gateway.StringMatch{"x-canary": {Exact: "always"}}}
	cookie := gateway.MatchConfig{Cookies: map[string]gateway.StringMatch{"group": {Prefix: "beta"}}}
	h := build(t, Config{Unjudged: true, Keep: -1, Steps: []StepConfig{
		{Match: []gateway.MatchConfig{header}, Gate: true},
		{Match: []gateway.MatchConfig{cookie}, Gate: true},
		{Match: []gateway.MatchConfig{header, cookie}, Gate: true},
	}}, 2, false, supervise.RollingConfig{})
	tester, friend, stranger := h.user("X-Canary", "always"), h.user("Cookie", "a=b; group=beta-3"), h.user("X-Canary", "never", "Cookie", "group=alpha")
	h.want("v2", "")
	for i, want := range [][2]string{{"v2", "v1"}, {"v1", "v2"}, {"v2", "v2"}} {
		h.gate(i + 1)
		tester.always(want[0])
		friend.always(want[1])
		stranger.always("v1")
		if i < 2 {
			h.do(CommandPromote)
		}
	}
	h.do(CommandAbort)
	tester.always("v1")
	friend.always("v1")
	h.ends(PhaseAborted)
	h.noNewOnes()
}

func TestMirroredVersionSeesWhatUsersReadAndAnswersNobody(t *testing.T) {
	h := build(t, Config{Unjudged: true, Keep: -1, Steps: []StepConfig{{Mirror: 1, Gate: true}}}, 2, false, supervise.RollingConfig{})
	h.want("v2", "")
	h.gate(1)
	u := h.user()
	for i := range 60 {
		method := http.MethodGet
		if i%3 == 0 {
			method = http.MethodPost
		}
		if got := u.gets(method); got != "v1" {
			t.Fatalf("a user was answered by %s", got)
		}
	}
	replicas := h.endpoints(h.release().New)
	h.eventually("copies of all that was read", func() bool { requests, _ := seen(t, replicas); return requests == 40 })
	if requests, writes := seen(t, replicas); requests != 40 || writes > 0 {
		t.Errorf("the new version got %d requests, and %d of them wrote", requests, writes)
	}
	h.do(CommandPromote)
	h.ends(PhaseComplete)
	u.always("v2")
}

// seen is how many requests replicas got, and how many of them wrote.
func seen(t *testing.T, replicas []string) (requests, writes int) {
	for _, address := range replicas {
		res, err := http.Get("http://" + address + "/seen")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var r, w int
		if _, err := fmt.Fscan(res.Body, &r, &w); err != nil {
			t.Fatal(err)
		}
		requests, writes = requests+r, writes+w
	}
	return requests, writes
}

func TestJudgeRefusesByCopiesAVersionThatNobodyMet(t *testing.T) {
	h := build(t, Config{Steps: []StepConfig{{Mirror: 0.5, Hold: time.Minute}, {Weight: 0.5}}}, 2, false, supervise.RollingConfig{})
	users := h.load(200)
	h.want("v2", "errors=0.5")
	if r := h.ends(PhaseAborted); !strings.HasPrefix(r.Why, "the judge: ") {
		t.Errorf("aborted because of %q", r.Why)
	}
	if failed := users.end(); len(failed) > 0 || users.requests["v2"] > 0 || users.requests["v1"] == 0 {
		t.Errorf("%v, of %v", failed, users.requests)
	}
}

// TestUsersStayAtTheirVersion has users who bring their name, and users who are
// given a cookie. Their share is that of the step, within five standard deviations.
func TestUsersStayAtTheirVersion(t *testing.T) {
	const n = 400
	for name, sticky := range map[string]gateway.SplitSticky{"a name": {Key: gateway.KeyConfig{Header: "X-User"}}, "a cookie": {Cookie: "who"}} {
		t.Run(name, func(t *testing.T) {
			h := build(t, Config{Unjudged: true, Keep: -1, Sticky: sticky, Steps: []StepConfig{{Weight: 0.2, Gate: true}, {Weight: 0.5, Gate: true}}}, 2, false, supervise.RollingConfig{})
			users, at := make([]*user, n), make([]string, n)
			for i := range users {
				if users[i] = h.user(); sticky.Cookie == "" {
					users[i].header.Set("X-User", fmt.Sprint("user-", i))
				}
			}
			h.want("v2", "")
			for step, share := range []struct{ want, within int }{{80, 40}, {200, 50}} {
				h.gate(step + 1)
				joined := 0
				for i, u := range users {
					got := u.gets(http.MethodGet)
					if at[i] == "v2" && got != "v2" {
						t.Fatalf("user %d left the new version as its share grew", i)
					}
					for range 3 {
						if again := u.gets(http.MethodGet); again != got {
							t.Fatalf("user %d was answered by %s and by %s", i, got, again)
						}
					}
					if at[i] = got; got == "v2" {
						joined++
					}
				}
				if joined < share.want-share.within || joined > share.want+share.within {
					t.Errorf("step %d: %d of %d users get the new version, want about %d", step+1, joined, n, share.want)
				}
				t.Logf("step %d: %d of %d users", step+1, joined, n)
				if step == 0 {
					h.do(CommandPromote)
				}
			}
			h.do(CommandAbort)
			for i, u := range users {
				if got := u.gets(http.MethodGet); got != "v1" {
					t.Fatalf("user %d was answered by %s after the abort", i, got)
				}
			}
		})
	}
}

// asked is what a hook has been asked.
type asked struct {
	mu   sync.Mutex
	asks []HookAsk
}

// serve answers hooks: no at one time, and yes at all others.
func (a *asked) serve(t *testing.T, no HookTime) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask HookAsk
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil || r.Header.Get("Afloat-Release") != ask.Release {
			t.Errorf("a hook got %+v of %q: %v", ask, r.Header.Get("Afloat-Release"), err)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.asks = append(a.asks, ask); ask.At == no {
			http.Error(w, "the moon is full", http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestHooksHaveASayInTheirTime asks before, during and after a release, and lets
// it go on, or has it go back from each of them.
func TestHooksHaveASayInTheirTime(t *testing.T) {
	order := []HookTime{HookBefore, HookDuring, HookAfter}
	for _, no := range append([]HookTime{""}, order...) {
		t.Run("no "+string(no), func(t *testing.T) {
			a := new(asked)
			url := a.serve(t, no)
			hooks := []HookConfig{}
			for _, at := range order {
				hooks = append(hooks, HookConfig{At: at, URL: url, Interval: 50 * time.Millisecond, FailuresMax: 2})
			}
			h := build(t, Config{Unjudged: true, Keep: -1, Steps: []StepConfig{{Weight: 0.5, Hold: 500 * time.Millisecond}}, Hooks: hooks}, 2, false, supervise.RollingConfig{})
			users := h.load(100)
			h.want("v2", "")
			if no == "" {
				h.ends(PhaseComplete)
			} else if r := h.ends(PhaseAborted); !strings.HasPrefix(r.Why, "the hook "+url) || !strings.Contains(r.Why, "the moon is full") {
				t.Errorf("aborted because of %q", r.Why)
			}
			if failed := users.end(); len(failed) > 0 {
				t.Errorf("%v", failed)
			}
			a.hold(t, no, order)
			if met := users.requests["v2"] > 0; met != (no != HookBefore) {
				t.Errorf("users got %v", users.requests)
			}
			if no == "" {
				h.user().always("v2")
			} else {
				h.user().always("v1")
				h.noNewOnes()
			}
		})
	}
}

// hold holds that hooks were asked in their order and in their phases, as often as
// they may fail, and none after one that said no.
func (a *asked) hold(t *testing.T, no HookTime, order []HookTime) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	times := map[HookTime]int{}
	last := 0
	for _, ask := range a.asks {
		at := slices.Index(order, ask.At)
		if at < last {
			t.Errorf("%s was asked after %s", ask.At, order[last])
		}
		last = at
		times[ask.At]++
		phases := map[HookTime][]Phase{HookBefore: {PhaseBefore}, HookDuring: {PhaseStepping, PhasePromoting}, HookAfter: {PhaseAfter}}[ask.At]
		if !slices.Contains(phases, ask.Phase) || ask.Service != "web" || ask.Old == "" || ask.New == "" {
			t.Errorf("asked %+v", ask)
		}
		if ask.Phase == PhaseStepping && ask.Weight != 0 && policy.Ratio(ask.Weight) != 0.5 {
			t.Errorf("asked at weight %v", ask.Weight)
		}
	}
	for i, at := range order {
		switch {
		case at == no && times[at] != 3:
			t.Errorf("%s was asked %d times, want 3", at, times[at])
		case no != "" && i > slices.Index(order, no) && times[at] > 0:
			t.Errorf("%s was asked although %s said no", at, no)
		case times[at] == 0 && (no == "" || i <= slices.Index(order, no)):
			t.Errorf("%s was not asked", at)
		}
	}
	if no == "" && times[HookDuring] < 2 {
		t.Errorf("during was asked %d times, want again and again", times[HookDuring])
	}
}
