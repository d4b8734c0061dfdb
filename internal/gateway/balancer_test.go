package gateway

import (
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// pooled is a service whose endpoints nobody connects to.
func pooled(t *testing.T, c ServiceConfig) *service {
	t.Helper()
	c.Outlier.Disabled = true
	s := newService("web", c, nothing{}, new(lag))
	s.setEndpoints(c.Endpoints)
	t.Cleanup(s.close)
	return s
}

// many are n endpoints that are alike.
func many(n int) []EndpointConfig {
	var all []EndpointConfig
	for i := range n {
		all = append(all, EndpointConfig{Address: fmt.Sprintf("10.0.%d.%d:80", i/256, i%256)})
	}
	return all
}

// inBubble runs f on a clock that waits for nobody, and that endpoints go by.
func inBubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	before := clock
	defer func() { clock = before }()
	synctest.Test(t, func(t *testing.T) {
		clock = time.Now()
		f(t)
	})
}

// chosen picks an endpoint for one request that is over at once.
func chosen(t *testing.T, s *service, draw uint64) *endpoint {
	t.Helper()
	c, reason, _ := s.choose(demand{draw: draw, at: time.Now()})
	if reason != "" {
		t.Fatalf("no endpoint: %s", reason)
	}
	c.permit.Done(policy.Success)
	c.endpoint.inFlight.Add(-1)
	return c.endpoint
}

// seeded are random numbers that are the same in every run.
func seeded() *rand.Rand { return rand.New(rand.NewPCG(20, 26)) }

// shares is how many of n requests, one after the other, each endpoint gets.
func shares(t *testing.T, s *service, n int) map[string]int {
	t.Helper()
	got, random := map[string]int{}, seeded()
	for range n {
		got[chosen(t, s, random.Uint64()).address]++
	}
	return got
}

func TestWeightsAreKeptByEveryBalance(t *testing.T) {
	for _, balance := range Balance("").Enum() {
		t.Run(balance, func(t *testing.T) {
			c := ServiceConfig{Balance: Balance(balance), Endpoints: []EndpointConfig{
				{Address: "10.0.0.1:80", Weight: 1}, {Address: "10.0.0.2:80", Weight: 2}, {Address: "10.0.0.3:80", Weight: 5}}}
			s := pooled(t, c)
			// Four standard deviations of the lightest, as if drawn at random; a
			// ring is as even as its points are many.
			off := map[Balance]float64{BalanceRoundRobin: 0, BalanceMaglev: 0.02, BalanceRingHash: 0.25}
			got := shares(t, s, 80000)
			for i, weight := range []int{1, 2, 5} {
				bound, ok := off[c.Balance]
				if !ok {
					bound = 0.04
				}
				n, want := float64(got[c.Endpoints[i].Address]), 10000*float64(weight)
				if math.Abs(n-want) > max(bound*want, 2) {
					t.Errorf("weight %d got %v of 80000, want %v: %v", weight, n, want, got)
				}
			}
		})
	}
}

func TestWeightedTurnsAreSpread(t *testing.T) {
	s := pooled(t, ServiceConfig{Balance: BalanceRoundRobin, Endpoints: []EndpointConfig{
		{Address: "a.test:80", Weight: 4}, {Address: "b.test:80", Weight: 2}, {Address: "c.test:80"}}})
	order := ""
	for range 14 {
		order += chosen(t, s, 0).address[:1]
	}
	if order != "abacabaabacaba" {
		t.Errorf("got %s", order)
	}
}

func TestTurnsOfAnEndpointThatIsDownAreSharedByAllOthers(t *testing.T) {
	s := pooled(t, ServiceConfig{Balance: BalanceRoundRobin, Endpoints: many(4)})
	(*s.endpoints.Load())[1].down.Store(true)
	got := shares(t, s, 300)
	for _, address := range []string{"10.0.0.0:80", "10.0.0.2:80", "10.0.0.3:80"} {
		if got[address] != 100 {
			t.Errorf("got %v", got)
		}
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	for _, balance := range Balance("").Enum() {
		for _, weight := range []int{1, 2} {
			c := ServiceConfig{Balance: Balance(balance), Endpoints: many(10)}
			c.Endpoints[0].Weight = weight
			c.Endpoints[1].Priority = 1
			s := pooled(t, c)
			if n := testing.AllocsPerRun(1000, func() { chosen(t, s, rand.Uint64()) }); n != 0 {
				t.Errorf("%s, weight %d: %v allocations", balance, weight, n)
			}
		}
	}
}

func TestFastFailingEndpointIsNotTakenForAFastOne(t *testing.T) {
	s := pooled(t, ServiceConfig{Balance: BalancePeakEWMA, Endpoints: many(3)})
	all := *s.endpoints.Load()
	for range 50 {
		for _, e := range all {
			e.tried(policy.Success, time.Now(), 20*ms, 0, nil)
		}
	}
	for range 50 {
		all[0].tried(policy.Failure, time.Now(), 100*time.Microsecond, 0, nil)
	}
	now := time.Since(clock)
	if failing, good := all[0].cost(now), all[1].cost(now); failing < good*0.99 {
		t.Errorf("the failing one costs %v, the others %v", failing, good)
	}
}

func TestBalancesOverRealConnections(t *testing.T) {
	for _, balance := range Balance("").Enum() {
		t.Run(balance, func(t *testing.T) {
			var addresses []string
			for _, name := range []string{"a", "b", "c"} {
				addresses = append(addresses, named(t, name))
			}
			addresses = append(addresses, refusing(t))
			c := ServiceConfig{Endpoints: Addresses(addresses...), Balance: Balance(balance)}
			if c.Balance.byKey() {
				c.Hash.Header = "X-User"
			}
			_, url := start(t, oneService(c))
			seen := map[string]bool{}
			of := map[int]string{}
			for i := range 200 {
				req, _ := http.NewRequest("GET", url, nil)
				req.Header.Set("X-User", fmt.Sprint(i%50))
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if res.StatusCode != 200 {
					t.Fatalf("a user saw status %d", res.StatusCode)
				}
				seen[string(body)] = true
				if i >= 100 && c.Balance.byKey() && of[i%50] != string(body) {
					t.Errorf("user %d moved from %s to %s", i%50, of[i%50], body)
				}
				of[i%50] = string(body)
			}
			if len(seen) != 3 {
				t.Errorf("only %v were used", slices.Sorted(maps.Keys(seen)))
			}
		})
	}
}

// TestEndpointsThatAreAlikeGetTheSame is Pearson's test: with 9 degrees of
// freedom the sum is above 27.9 once in a thousand times.
func TestEndpointsThatAreAlikeGetTheSame(t *testing.T) {
	for _, balance := range []Balance{BalanceLeastLoaded, BalancePeakEWMA, BalanceRandom, BalanceRoundRobin} {
		t.Run(string(balance), func(t *testing.T) {
			const n, each = 20000.0, 2000.0
			got := shares(t, pooled(t, ServiceConfig{Balance: balance, Endpoints: many(10)}), n)
			sum := 0.0
			for _, e := range many(10) {
				sum += math.Pow(float64(got[e.Address])-each, 2) / each
			}
			if sum > 27.9 {
				t.Errorf("chi-squared is %.1f: %v", sum, got)
			}
		})
	}
}
