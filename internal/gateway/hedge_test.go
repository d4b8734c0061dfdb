package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// pair is a service of a slow endpoint and a fast one, taken in turn, so that
// every other request begins at the slow one.
type pair struct {
	slow, fast string
	slowly     atomic.Int64 // requests that the slow one has
	left       atomic.Int64 // and those whose clients left it
	answer     atomic.Int64 // the fast one's status
}

func newPair(t *testing.T, h2 bool) *pair {
	t.Helper()
	p := new(pair)
	p.answer.Store(200)
	stop := make(chan struct{})
	serve := func(h http.HandlerFunc) string {
		s := httptest.NewUnstartedServer(h)
		if h2 {
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
		}
		s.Start()
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	p.slow = serve(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		p.slowly.Add(1)
		select {
		case <-r.Context().Done():
			p.left.Add(1)
		case <-stop:
		case <-time.After(5 * time.Second):
		}
		_, _ = io.WriteString(w, "slow")
	})
	p.fast = serve(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(int(p.answer.Load()))
		_, _ = io.WriteString(w, "fast"+string(body))
	})
	t.Cleanup(func() { close(stop) })
	return p
}

func (p *pair) config(c policy.HedgeConfig, protocol Protocol) *Config {
	all := oneService(ServiceConfig{Endpoints: Addresses(p.slow, p.fast), Balance: BalanceRoundRobin, Protocol: protocol, Hedge: &c, Timeout: 4 * time.Second,
		Outlier: OutlierConfig{Disabled: true}, Retry: policy.RetryConfig{Attempts: -1}})
	return all
}

var unbounded = policy.BudgetConfig{Off: true}

func TestSlowRequestsAreAnsweredByAnother(t *testing.T) {
	for _, protocol := range []Protocol{ProtocolHTTP1, ProtocolHTTP2} {
		p := newPair(t, protocol == ProtocolHTTP2)
		n := new(notes)
		g, url := startObserved(t, p.config(policy.HedgeConfig{Delay: 20 * time.Millisecond, Budget: unbounded}, protocol), n)
		for name, client := range clients(t) {
			for range 10 {
				res, body := do(t, client, "PUT", url, "!")
				if res.StatusCode != 200 || body != "fast!" {
					t.Fatalf("%s, %s: got %d %q", protocol, name, res.StatusCode, body)
				}
			}
		}
		if p.slowly.Load() == 0 {
			t.Fatal("the slow endpoint was never asked: the test tests nothing")
		}
		eventually(t, "the losers are cut off", func() bool { return p.left.Load() == p.slowly.Load() })
		hedged := 0
		for _, r := range n.all(t, 20) {
			if r.Tries == 2 {
				hedged++
			}
			if r.Endpoint != p.fast {
				t.Errorf("noted %s", r.Endpoint)
			}
		}
		if int64(hedged) != p.slowly.Load() {
			t.Errorf("%d requests had two tries, and the slow endpoint had %d", hedged, p.slowly.Load())
		}
		eventually(t, "nothing is left", func() bool {
			slow, fast := stateOf(g, "web", p.slow), stateOf(g, "web", p.fast)
			return slow.InFlight == 0 && fast.InFlight == 0 && slow.State == "up" && slow.Failures == 0
		})
		if h := g.Status().Services[0].Hedge; h == nil || h.Started != uint64(hedged) || h.Won != h.Started {
			t.Errorf("got %+v", h)
		}
	}
}

func TestPostIsNotHedged(t *testing.T) {
	p := newPair(t, false)
	c := p.config(policy.HedgeConfig{Delay: time.Millisecond, Budget: unbounded}, ProtocolHTTP1)
	s := c.Services["web"]
	s.Timeout = 200 * time.Millisecond
	c.Services["web"] = s
	_, url := start(t, c)
	codes := map[int]int{}
	for range 4 {
		res, _ := do(t, http.DefaultClient, "POST", url, "!")
		codes[res.StatusCode]++
	}
	if codes[504] != 2 || codes[200] != 2 {
		t.Errorf("got %v", codes)
	}
}

func TestHedgesKeepToTheirBudget(t *testing.T) {
	p := newPair(t, false)
	c := p.config(policy.HedgeConfig{Delay: time.Millisecond, Budget: policy.BudgetConfig{Share: 0.2, MinPerSecond: -1}}, ProtocolHTTP1)
	s := c.Services["web"]
	s.Timeout = 100 * time.Millisecond
	c.Services["web"] = s
	g, url := start(t, c)
	for range 20 {
		get(t, url)
	}
	h := g.Status().Services[0].Hedge
	if h == nil || h.Started == 0 || h.Started > 4 || h.Refused == 0 {
		t.Errorf("got %+v, want at most 4 of 20", h)
	}
}

func TestFailureOfOneIsNoFailureWhileTheOtherRuns(t *testing.T) {
	p := newPair(t, false)
	p.answer.Store(503) // of the one that is asked second
	c := p.config(policy.HedgeConfig{Delay: 10 * time.Millisecond, Budget: unbounded}, ProtocolHTTP1)
	s := c.Services["web"]
	s.Retry, s.TryTimeout, s.Breaker = policy.RetryConfig{Attempts: 1}, 300*time.Millisecond, policy.BreakerConfig{ConsecutiveFailures: -1, FailureRate: -1}
	c.Services["web"] = s
	g, url := start(t, c)
	for range 4 {
		if status, _ := get(t, url); status != 503 && status != 504 {
			t.Errorf("got %d", status)
		}
	}
	eventually(t, "nothing is left", func() bool { return stateOf(g, "web", p.slow).InFlight+stateOf(g, "web", p.fast).InFlight == 0 })
	p.answer.Store(200)
	for range 4 {
		if status, body := get(t, url); status != 200 || body != "fast" {
			t.Errorf("healed: got %d %q", status, body)
		}
	}
}

func TestHedgeIsSetByTheRoute(t *testing.T) {
	p := newPair(t, false)
	c := p.config(policy.HedgeConfig{Delay: time.Minute}, ProtocolHTTP1)
	g, url := start(t, c)
	c.Routes[0].Hedge = &policy.HedgeConfig{Delay: 5 * time.Millisecond, Budget: unbounded}
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if _, body := get(t, url); body != "fast" {
			t.Errorf("got %s", body)
		}
	}
}

func TestHedgeNeedsAPlaceUnderTheLimit(t *testing.T) {
	for most, hedged := range map[int]bool{1: false, 2: true} {
		p := newPair(t, false)
		c := p.config(policy.HedgeConfig{Delay: time.Millisecond, Budget: policy.BudgetConfig{Share: 1}}, ProtocolHTTP1)
		s := c.Services["web"]
		s.Timeout = 200 * time.Millisecond
		s.Concurrency = policy.AdaptiveConfig{Min: most, Initial: most, Max: most}
		c.Services["web"] = s
		g, url := start(t, c)
		for range 4 {
			get(t, url)
		}
		st := g.Status().Services[0]
		if h := st.Hedge; hedged != (h != nil && h.Started > 0) || !hedged && h.Refused == 0 {
			t.Errorf("with %d places: got %+v", most, h)
		}
		eventually(t, "every place is given back", func() bool { return g.Status().Services[0].InFlight == 0 })
	}
}
