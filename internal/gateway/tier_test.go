package gateway

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// zoned are n endpoints in each of the zones.
func zoned(n int, zones ...string) []EndpointConfig {
	var all []EndpointConfig
	for _, zone := range zones {
		for i := range n {
			all = append(all, EndpointConfig{Address: fmt.Sprintf("%s%d.test:80", strings.ReplaceAll(zone, "/", "-"), i), Zone: zone})
		}
	}
	return all
}

// byZone is which share of the requests each zone gets.
func byZone(t *testing.T, s *service) map[string]float64 {
	t.Helper()
	got := map[string]float64{}
	const n = 10000
	random := seeded()
	for range n {
		got[chosen(t, s, random.Uint64()).settings.Load().Zone] += 1.0 / n
	}
	return got
}

func TestRequestsStayNearWhileEnoughIsUsableAndSpillInProportion(t *testing.T) {
	for _, balance := range Balance("").Enum() {
		t.Run(balance, func(t *testing.T) {
			s := pooled(t, ServiceConfig{Balance: Balance(balance)})
			s.setZone("eu/a")
			s.setEndpoints(zoned(10, "us/a", "eu/b", "eu/a"))
			down := func(n int, zone string) {
				for _, e := range *s.endpoints.Load() {
					if e.settings.Load().Zone == zone {
						n--
						e.down.Store(n >= 0)
					}
				}
			}
			for _, c := range []struct {
				here, region int // are down, of 10
				want         map[string]float64
			}{
				{0, 0, map[string]float64{"eu/a": 1}},
				{3, 0, map[string]float64{"eu/a": 1}},
				{5, 0, map[string]float64{"eu/a": 0.714, "eu/b": 0.286}},
				{10, 0, map[string]float64{"eu/b": 1}},
				{10, 10, map[string]float64{"us/a": 1}},
				{8, 8, map[string]float64{"eu/a": 0.286, "eu/b": 0.286, "us/a": 0.428}},
				{0, 0, map[string]float64{"eu/a": 1}}, // it heals
			} {
				down(c.here, "eu/a")
				down(c.region, "eu/b")
				got := byZone(t, s)
				for _, zone := range []string{"eu/a", "eu/b", "us/a"} {
					if math.Abs(got[zone]-c.want[zone]) > 0.03 {
						t.Errorf("%d and %d are down: got %v, want %v", c.here, c.region, got, c.want)
						break
					}
				}
			}
		})
	}
}

func TestTooFewEverywhereIsSharedInProportion(t *testing.T) {
	s := pooled(t, ServiceConfig{})
	s.setZone("a")
	s.setEndpoints(zoned(10, "a", "b"))
	for i, e := range *s.endpoints.Load() {
		e.down.Store(i%10 >= 2 && (i < 10 || i%10 >= 4)) // 2 of 10 are usable here, 4 of 10 there
	}
	if got := byZone(t, s); math.Abs(got["a"]-1.0/3) > 0.03 {
		t.Errorf("got %v, want a third here", got)
	}
}

func TestPriorityGoesBeforeTheZone(t *testing.T) {
	s := pooled(t, ServiceConfig{Endpoints: []EndpointConfig{
		{Address: "a.test:80", Zone: "b"}, {Address: "b.test:80", Zone: "a", Priority: 1}, {Address: "c.test:80", Priority: 2}}})
	s.setZone("a")
	s.setEndpoints(s.config.Load().Endpoints)
	for _, want := range []string{"a.test:80", "b.test:80", "c.test:80"} {
		if got := shares(t, s, 100); got[want] != 100 {
			t.Fatalf("got %v, want all at %s", got, want)
		}
		for _, e := range *s.endpoints.Load() {
			if e.address == want {
				e.down.Store(true)
			}
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     int
	}{
		{"", "a", sameZone}, {"a", "", sameZone}, {"a", "a", sameZone}, {"a", "b", elsewhere},
		{"eu/a", "eu/a", sameZone}, {"eu/a", "eu/b", sameRegion}, {"eu/a", "us/a", elsewhere}, {"eu", "eu/a", elsewhere},
	} {
		if got := distance(c.from, c.to); got != c.want {
			t.Errorf("from %q to %q: got %d, want %d", c.from, c.to, got, c.want)
		}
	}
}

// TestBackupServesWhileTheOthersAreGone kills a real server and starts it again.
func TestBackupServesWhileTheOthersAreGone(t *testing.T) {
	first := refusing(t)
	serve := func() *http.Server {
		s := &http.Server{Addr: first, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "first") })}
		go s.ListenAndServe()
		return s
	}
	s := serve()
	c := ServiceConfig{Endpoints: []EndpointConfig{{Address: first}, {Address: named(t, "backup"), Priority: 1}}}
	_, url := start(t, oneService(c))
	answers := func(want string) func() bool {
		return func() bool {
			status, body := get(t, url)
			if status != 200 {
				t.Fatalf("a user saw status %d", status)
			}
			return body == want
		}
	}
	eventually(t, "the first serves", answers("first"))
	for range 20 {
		if _, body := get(t, url); body != "first" {
			t.Fatalf("got %s", body)
		}
	}
	s.Close()
	eventually(t, "the backup serves", answers("backup"))
	s = serve()
	defer s.Close()
	eventually(t, "the first serves again", answers("first"))
}

func TestReloadMovesRequestsToAnotherZoneAndKeepsCounts(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	c := oneService(ServiceConfig{Endpoints: []EndpointConfig{{Address: a, Zone: "a"}, {Address: b, Zone: "b"}}})
	c.Zone = "a"
	g, url := start(t, c)
	for range 20 {
		if _, body := get(t, url); body != "a" {
			t.Fatalf("got %s", body)
		}
	}
	next := *c
	next.Zone = "b"
	if err := g.Apply(&next); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, body := get(t, url); body != "b" {
			t.Fatalf("got %s", body)
		}
	}
	if n := stateOf(g, "web", a).Requests; n != 20 {
		t.Errorf("%d requests are remembered, want 20", n)
	}
}

func TestPanicUsesEndpointsThatFailTheirChecksButNotThoseThatRefuse(t *testing.T) {
	for _, panics := range []bool{false, true} {
		t.Run(fmt.Sprint(panics), func(t *testing.T) {
			var ill atomic.Bool
			ill.Store(true)
			var c ServiceConfig
			for _, name := range []string{"a", "b", "c"} {
				c.Endpoints = append(c.Endpoints, EndpointConfig{Address: origin(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/health" && name != "a" && ill.Load() {
						w.WriteHeader(503)
					}
					io.WriteString(w, name)
				})})
			}
			dead := refusing(t)
			c.Endpoints = append(c.Endpoints, EndpointConfig{Address: dead})
			c.Health = HealthConfig{Path: "/health", Interval: 20 * ms}
			if panics {
				c.PanicBelow = policy.Ratio(0.5)
			}
			g, url := start(t, oneService(c))
			eventually(t, "three are down", func() bool {
				n := 0
				for _, e := range c.Endpoints {
					if stateOf(g, "web", e.Address).State == "down" {
						n++
					}
				}
				return n == 3
			})
			before := stateOf(g, "web", dead).Requests
			seen := map[string]int{}
			for range 60 {
				_, body := get(t, url)
				seen[body]++
			}
			if got := len(seen); panics && got != 3 || !panics && got != 1 {
				t.Errorf("got answers of %v", seen)
			}
			if n := stateOf(g, "web", dead).Requests - before; n > 0 {
				t.Errorf("%d requests went to an endpoint that refuses connections", n)
			}
			ill.Store(false)
			eventually(t, "both are back", func() bool {
				return stateOf(g, "web", c.Endpoints[1].Address).State == "up" && stateOf(g, "web", c.Endpoints[2].Address).State == "up"
			})
		})
	}
}

func TestEndpointWarmsUp(t *testing.T) {
	for _, balance := range Balance("").Enum() {
		t.Run(balance, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := ServiceConfig{Balance: Balance(balance), Endpoints: many(4), Warmup: 10 * time.Second, Outlier: OutlierConfig{Disabled: true}}
				c.Hash.LoadFactor = -1
				s := newService("web", c, nothing{}, new(lag))
				defer s.close()
				s.setEndpoints(c.Endpoints)
				e := (*s.endpoints.Load())[3]
				normal := shares(t, s, 4000)[e.address]
				e.markDown("test")
				if n := shares(t, s, 100)[e.address]; n > 0 {
					t.Fatalf("%d requests while it is down", n)
				}
				e.markUp("test")
				before := 0
				for step := range 5 {
					got := shares(t, s, 4000)[e.address]
					if got < before*9/10 || got > normal*13/10 {
						t.Errorf("after %d steps %d of 4000, before %d, usually %d", step, got, before, normal)
					}
					if step == 0 && (got < 1 || got > normal/3) {
						t.Errorf("at first %d of 4000, usually %d", got, normal)
					}
					before = got
					time.Sleep(2501 * ms)
				}
				if before < normal*8/10 {
					t.Errorf("in the end %d of 4000, usually %d", before, normal)
				}
			})
		})
	}
}
