package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

func aborting(share policy.Ratio, status int) *FaultConfig {
	return &FaultConfig{FaultConfig: policy.FaultConfig{Abort: policy.FaultAbort{Share: share, Status: status}}}
}

func lasting(f *FaultConfig, d time.Duration) *FaultConfig {
	f.For = d
	return f
}

// spoilt is a route to one endpoint with a fault.
func spoilt(t *testing.T, f *FaultConfig) (*Gateway, string) {
	t.Helper()
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "good"))})
	c.Routes[0].Name, c.Routes[0].Fault = "r", f
	return start(t, c)
}

// fetch is a GET by a connection of its own.
func fetch(url string, fields ...string) (status int, body string, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, _ := http.NewRequest("GET", url, nil)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func TestFaultClosesOrResetsTheConnection(t *testing.T) {
	_, closing := spoilt(t, &FaultConfig{Close: 1})
	if _, _, err := fetch(closing); !errors.Is(err, io.EOF) {
		t.Errorf("close: got %v, want an end of the connection", err)
	}
	_, resetting := spoilt(t, &FaultConfig{Reset: 1})
	if _, _, err := fetch(resetting); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: got %v, want a reset of the connection", err)
	}
	for _, url := range []string{closing, resetting} {
		res, err := http2Client(t, nil).Get(url)
		if err == nil {
			res.Body.Close()
			t.Errorf("HTTP/2: got status %d, want a reset of the stream", res.StatusCode)
		}
	}
}

func TestFaultMakesBodiesSlow(t *testing.T) {
	sent := strings.Repeat("x", 4000)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, sent) })
	c := oneService(ServiceConfig{Endpoints: Addresses(address)})
	c.Routes[0].Fault = &FaultConfig{Body: FaultBody{Share: 1, BytesPerSecond: 20_000, Pause: 100 * time.Millisecond}}
	_, url := start(t, c)
	for name, client := range map[string]*http.Client{"HTTP/1.1": http.DefaultClient, "HTTP/2": http2Client(t, nil)} {
		began := time.Now()
		res, body := do(t, client, "GET", url, "")
		if res.StatusCode != 200 || body != sent {
			t.Errorf("%s: got %d with %d bytes", name, res.StatusCode, len(body))
		}
		if took := time.Since(began); took < 300*time.Millisecond {
			t.Errorf("%s: 4000 bytes at 20000/s after 100 ms took %v", name, took)
		}
	}
}

func TestFaultHitsWhatMatches(t *testing.T) {
	f := aborting(1, 418)
	f.Match = []MatchConfig{{Headers: map[string]StringMatch{"X-Tester": {Exact: "ada"}}}}
	_, url := spoilt(t, f)
	for field, want := range map[string]int{"X-Tester: ada": 418, "X-Tester: bob": 200, "X-Other: ada": 200} {
		if status, _, err := fetch(url, field); err != nil || status != want {
			t.Errorf("%s: got %d, %v, want %d", field, status, err, want)
		}
	}
}

// TestFaultOfAnEndpointIsSurvived: the policies act on it as on a real one, and
// readmit the endpoint when it is over.
func TestFaultOfAnEndpointIsSurvived(t *testing.T) {
	for name, f := range map[string]FaultConfig{
		"abort": *aborting(1, 503),
		"reset": {Reset: 1},
		"delay": {FaultConfig: policy.FaultConfig{Delay: policy.FaultDelay{Share: 1, Duration: time.Minute}}},
	} {
		t.Run(name, func(t *testing.T) {
			var hits atomic.Int64
			bad := origin(t, func(w http.ResponseWriter, r *http.Request) { hits.Add(1) })
			s := ServiceConfig{Endpoints: Addresses(bad, named(t, "good")), TryTimeout: 200 * time.Millisecond}
			s.Breaker = policy.BreakerConfig{ConsecutiveFailures: 2, OpenDuration: 50 * time.Millisecond}
			c := oneService(s)
			c.Routes[0].Name = "r"
			g, url := start(t, c)
			f.Endpoints, f.For = []string{bad}, time.Hour
			if err := g.Inject("r", f, Actor{}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is ejected", func() bool {
				if status, body := get(t, url); status != 200 || body != "good" {
					t.Fatalf("a user saw the fault: %d %q", status, body)
				}
				return stateOf(g, "web", bad).State == "ejected"
			})
			if n := hits.Load(); n > 0 {
				t.Errorf("%d requests reached an endpoint that fails all", n)
			}
			if healed, err := g.Heal("r", Actor{}); !healed || err != nil {
				t.Fatal(healed, err)
			}
			eventually(t, "it serves again", func() bool { get(t, url); return hits.Load() > 0 })
		})
	}
}

func TestInjectedFaultEndsByItself(t *testing.T) {
	g, url := spoilt(t, nil)
	if err := g.Inject("r", *lasting(aborting(1, 418), 300*time.Millisecond), Actor{}); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, url); status != 418 {
		t.Fatalf("got %d, want the fault", status)
	}
	if all := g.Faults(); len(all) != 1 || !all[0].Injected || all[0].Aborted != 1 || all[0].Ends.IsZero() {
		t.Errorf("got %+v", all)
	}
	eventually(t, "it ends", func() bool { status, _ := get(t, url); return status == 200 })
	eventually(t, "nothing is left of it", func() bool { return len(g.Faults()) == 0 })
	if healed, err := g.Heal("r", Actor{}); healed || err != nil {
		t.Error(healed, err)
	}
}

// TestLeaseIsOverWithoutATimer: what ends a fault is the clock.
func TestLeaseIsOverWithoutATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := new(exchange)
		for name, set := range map[string]func() *FaultConfig{
			"for":   func() *FaultConfig { return lasting(aborting(1, 503), time.Minute) },
			"until": func() *FaultConfig { return &FaultConfig{Close: 1, Until: time.Now().Add(time.Minute)} },
		} {
			r := newRoute(&RouteConfig{Fault: set()}, "r", nil, nil, nil)
			began := time.Now()
			time.Sleep(time.Minute - 1)
			if r.faultFor(x) == nil {
				t.Errorf("%s: it ended early", name)
			}
			time.Sleep(1)
			if r.faultFor(x) != nil {
				t.Errorf("%s: it is there after %v", name, time.Since(began))
			}
		}
	})
}

func TestInjectedFaultSurvivesAReloadAndIsNotRenewed(t *testing.T) {
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "good"))})
	c.Routes[0].Name = "r"
	g, url := start(t, c)
	if err := g.Inject("r", *lasting(aborting(1, 418), time.Hour), Actor{}); err != nil {
		t.Fatal(err)
	}
	ends := g.Faults()[0].Ends
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, url); status != 418 || !g.Faults()[0].Ends.Equal(ends) {
		t.Errorf("after a reload: got %d, and %+v", status, g.Faults())
	}
}

func TestInjectRefusesWhatWouldNotEnd(t *testing.T) {
	g, _ := spoilt(t, nil)
	for name, f := range map[string]*FaultConfig{
		"no lease":   aborting(1, 503),
		"a long one": lasting(aborting(1, 503), 2*time.Hour),
		"a share":    lasting(&FaultConfig{Reset: 2}, time.Minute),
		"a body":     lasting(&FaultConfig{Body: FaultBody{Share: 1}}, time.Minute),
	} {
		if err := g.Inject("r", *f, Actor{}); err == nil {
			t.Errorf("%s: it was injected", name)
		}
	}
	if err := g.Inject("q", *lasting(aborting(1, 503), time.Minute), Actor{}); !errors.Is(err, ErrNoRoute) {
		t.Errorf("got %v", err)
	}
}

// TestFaultLeavesAClientThatGoes: a long delay holds nothing for nobody.
func TestFaultLeavesAClientThatGoes(t *testing.T) {
	seen := make(chan Record, 1)
	c := oneService(ServiceConfig{Endpoints: Addresses(named(t, "good"))})
	c.Routes[0].Fault = &FaultConfig{FaultConfig: policy.FaultConfig{Delay: policy.FaultDelay{Share: 1, Duration: time.Hour}}}
	_, url := startObserved(t, c, recorder(seen))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case r := <-seen:
		if r.Reason != ReasonClientGone {
			t.Errorf("got %+v", r)
		}
	case <-ctx.Done():
		t.Fatal("the request is held on")
	}
}
