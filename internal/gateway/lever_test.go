package gateway

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// answers counts who answers so many requests, and the statuses of those that
// nobody did.
func answers(t *testing.T, url string, n int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		status, body := get(t, url)
		if status != 200 {
			body = http.StatusText(status)
		}
		got[body]++
	}
	return got
}

func TestDrainGivesNoNewRequestsAndIsUndone(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(a, b)}))
	if err := g.Pull(Lever{Service: "web", Endpoint: a, Kind: LeverDrain, Why: "new disk", Who: "ada"}); err != nil {
		t.Fatal(err)
	}
	if got := answers(t, url, 40); got["b"] != 40 {
		t.Errorf("while a is drained: %v", got)
	}
	e := g.Status().Services[0].Endpoints[0]
	if e.State != "draining" || e.Why != "drained by ada: new disk" || e.Share != 0 {
		t.Errorf("status: %+v", e)
	}
	if _, err := g.Undo("web", a, LeverDrain, "it is in"); err != nil {
		t.Fatal(err)
	}
	if got := answers(t, url, 40); got["a"] == 0 || got["b"] == 0 {
		t.Errorf("after the undo: %v", got)
	}
	if e := g.Status().Services[0].Endpoints[0]; e.State != "up" || e.Why != "" || len(e.Levers) != 0 {
		t.Errorf("status after the undo: %+v", e)
	}
}

func TestDrainLetsWhatIsUnderWayEnd(t *testing.T) {
	begun, finish := make(chan bool), make(chan bool)
	a := origin(t, func(w http.ResponseWriter, _ *http.Request) {
		begun <- true
		<-finish
		io.WriteString(w, "whole")
	})
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(a)}))
	got := make(chan string)
	go func() {
		res, err := http.Get(url)
		if err != nil {
			got <- err.Error()
			return
		}
		body, _ := io.ReadAll(res.Body)
		got <- string(body)
	}()
	<-begun
	if err := g.Pull(Lever{Service: "web", Endpoint: a, Kind: LeverDrain, Why: "leaving"}); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, url); status != 503 || !strings.Contains(body, "endpoint") {
		t.Errorf("with all drained: %d %q", status, body)
	}
	close(finish)
	if body := <-got; body != "whole" {
		t.Errorf("under way: %q", body)
	}
}

func TestIsolateHoldsTheBreakerOpenUntilItIsUndone(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(a, b)}))
	pull := Lever{Service: "web", Endpoint: a, Kind: LeverIsolate, Why: "it answers nonsense"}
	if err := g.Pull(pull); err != nil {
		t.Fatal(err)
	}
	if got := answers(t, url, 40); got["b"] != 40 {
		t.Errorf("while a is isolated: %v", got)
	}
	if e := g.Status().Services[0].Endpoints[0]; e.State != "isolated" || !strings.Contains(e.Why, "it answers nonsense") {
		t.Errorf("status: %+v", e)
	}
	pull.Endpoint = b
	if err := g.Pull(pull); err != nil {
		t.Fatal(err)
	}
	if got := answers(t, url, 3); got["Service Unavailable"] != 3 {
		t.Errorf("with all isolated: %v", got)
	}
	for _, e := range []string{a, b} {
		if _, err := g.Undo("web", e, LeverIsolate, "mended"); err != nil {
			t.Fatal(err)
		}
	}
	if got := answers(t, url, 40); got["a"] == 0 || got["b"] == 0 {
		t.Errorf("after the undo: %v", got)
	}
}

func TestWeightOfAnOperatorHoldsUntilItIsUndone(t *testing.T) {
	for _, balance := range (Balance("")).Enum() {
		t.Run(balance, func(t *testing.T) {
			a, b := named(t, "a"), named(t, "b")
			c := ServiceConfig{Balance: Balance(balance), Endpoints: []EndpointConfig{{Address: a, Weight: 2}, {Address: b, Weight: 2}}}
			g, _ := start(t, oneService(c))
			shares := func() (all []float64) {
				for _, e := range g.Status().Services[0].Endpoints {
					all = append(all, e.Share)
				}
				return all
			}
			if err := g.Pull(Lever{Service: "web", Endpoint: a, Kind: LeverWeight, Weight: 6, Why: "larger machine"}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]float64{0.75, 0.25}, shares()); diff != "" {
				t.Errorf("with the lever: %s", diff)
			}
			if err := g.Apply(oneService(c)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]float64{0.75, 0.25}, shares()); diff != "" {
				t.Errorf("after a reload: %s", diff)
			}
			if _, err := g.Undo("web", a, LeverWeight, "it is not"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]float64{0.5, 0.5}, shares()); diff != "" {
				t.Errorf("after the undo: %s", diff)
			}
		})
	}
}

func TestWeightShiftsRequests(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	g, url := start(t, oneService(ServiceConfig{Balance: BalanceRoundRobin, Endpoints: Addresses(a, b)}))
	if err := g.Pull(Lever{Service: "web", Endpoint: a, Kind: LeverWeight, Weight: 3, Why: "larger machine"}); err != nil {
		t.Fatal(err)
	}
	if got := answers(t, url, 40); got["a"] != 30 || got["b"] != 10 {
		t.Errorf("3 to 1: %v", got)
	}
}

func TestLeversHoldForAnEndpointThatComesBack(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(a)}))
	g.SetEndpoints("web", []string{b})
	for _, kind := range []LeverKind{LeverIsolate, LeverDrain} {
		if err := g.Pull(Lever{Service: "web", Endpoint: b, Kind: kind, Why: "it is sick"}); err != nil {
			t.Fatal(err)
		}
		g.SetEndpoints("web", nil)
		g.SetEndpoints("web", []string{b})
		if got := answers(t, url, 40); got["a"] != 40 {
			t.Errorf("%s: %v", kind, got)
		}
		if _, err := g.Undo("web", b, kind, "well again"); err != nil {
			t.Fatal(err)
		}
		if got := answers(t, url, 40); got["b"] == 0 {
			t.Errorf("%s undone: %v", kind, got)
		}
	}
}

func TestLeverOfAnEndpointThatHasLeftIsUndone(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	g, url := start(t, oneService(ServiceConfig{Endpoints: Addresses(a)}))
	g.SetEndpoints("web", []string{b})
	if err := g.Pull(Lever{Service: "web", Endpoint: b, Kind: LeverDrain, Why: "it is sick"}); err != nil {
		t.Fatal(err)
	}
	g.SetEndpoints("web", nil)
	if _, err := g.Undo("web", b, LeverDrain, "well again"); err != nil {
		t.Fatal(err)
	}
	g.SetEndpoints("web", []string{b})
	if got := answers(t, url, 40); got["b"] == 0 {
		t.Errorf("got %v", got)
	}
}

func TestLeversAreCheckedAndListed(t *testing.T) {
	a := named(t, "a")
	g, _ := start(t, oneService(ServiceConfig{Endpoints: Addresses(a)}))
	good := Lever{Service: "web", Endpoint: a, Kind: LeverDrain, Why: "a reason"}
	for name, spoil := range map[string]func(*Lever){
		"kind":    func(l *Lever) { l.Kind = "explode" },
		"no why":  func(l *Lever) { l.Why = " " },
		"why":     func(l *Lever) { l.Why = strings.Repeat("x", 501) },
		"who":     func(l *Lever) { l.Who = strings.Repeat("x", 101) },
		"zero":    func(l *Lever) { l.Kind = LeverWeight },
		"heavy":   func(l *Lever) { l.Kind, l.Weight = LeverWeight, 1001 },
		"weight":  func(l *Lever) { l.Weight = 1 },
		"service": func(l *Lever) { l.Service = "wep" },
		"address": func(l *Lever) { l.Endpoint = "127.0.0.1:1" },
	} {
		l := good
		if spoil(&l); g.Pull(l) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for err, pull := range map[error]Lever{
		ErrNoService:  {Service: "wep", Endpoint: a, Kind: LeverDrain},
		ErrNoEndpoint: {Service: "web", Endpoint: "127.0.0.1:1", Kind: LeverDrain},
	} {
		pull.Why = "a reason"
		if got := g.Pull(pull); !errors.Is(got, err) {
			t.Errorf("got %v, want %v", got, err)
		}
	}
	if _, err := g.Undo("web", a, LeverDrain, ""); !errors.Is(err, ErrNoLever) {
		t.Errorf("got %v", err)
	}
	if err := g.Pull(good); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Lever{good}, g.Levers(), cmpopts.IgnoreFields(Lever{}, "Since")); diff != "" {
		t.Error(diff)
	}
}
