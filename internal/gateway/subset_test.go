package gateway

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
)

// versions is a service of two endpoints of v1 and one of v2, and a route to
// each of them.
func versions(t *testing.T, balance Balance) (c *Config, addresses map[string]string) {
	addresses = map[string]string{}
	s := ServiceConfig{Balance: balance}
	for _, e := range [][2]string{{"a", "v1"}, {"b", "v1"}, {"c", "v2"}} {
		addresses[e[0]] = named(t, e[0])
		s.Endpoints = append(s.Endpoints, EndpointConfig{Address: addresses[e[0]], Labels: map[string]string{"version": e[1], "team": "shop"}})
	}
	c = oneService(s)
	c.Routes = nil
	for _, version := range []string{"v1", "v2"} {
		c.Routes = append(c.Routes, RouteConfig{
			Match: []MatchConfig{{Headers: map[string]StringMatch{"X-Version": {Exact: version}}}},
			To:    []DestinationConfig{{Service: "web", Labels: map[string]string{"version": version}}}})
	}
	c.Routes = append(c.Routes, RouteConfig{To: []DestinationConfig{{Service: "web"}}})
	return c, addresses
}

// answering is who answers 60 requests with the header X-Version.
func answering(t *testing.T, url, version string) string {
	t.Helper()
	seen := map[string]bool{}
	for range 60 {
		req, _ := http.NewRequest("GET", url, nil)
		req.Header.Set("X-Version", version)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 200 {
			return res.Status
		}
		seen[string(body)] = true
	}
	all := ""
	for _, name := range []string{"a", "b", "c"} {
		if seen[name] {
			all += name
		}
	}
	return all
}

func TestLabelsNarrowADestination(t *testing.T) {
	for _, balance := range Balance("").Enum() {
		t.Run(balance, func(t *testing.T) {
			c, _ := versions(t, Balance(balance))
			if Balance(balance).byKey() {
				s := c.Services["web"]
				s.Hash.Header = "X-Nobody" // which sends requests anywhere
				c.Services["web"] = s
			}
			_, url := start(t, c)
			for version, want := range map[string]string{"v1": "ab", "v2": "c", "": "abc"} {
				got := answering(t, url, version)
				if Balance(balance) == BalancePeakEWMA && got != "" && strings.Trim(got, want) == "" {
					continue // it may prefer one for long
				}
				if got != want {
					t.Errorf("%q is answered by %s, want %s", version, got, want)
				}
			}
		})
	}
}

func TestEndpointMovesToAnotherSubsetAndKeepsItsState(t *testing.T) {
	c, addresses := versions(t, "")
	g, url := start(t, c)
	if got := answering(t, url, "v1"); got != "ab" {
		t.Fatalf("v1 is answered by %s", got)
	}
	before := stateOf(g, "web", addresses["b"]).Requests
	next, s := *c, c.Services["web"]
	s.Endpoints = append([]EndpointConfig(nil), s.Endpoints...)
	s.Endpoints[1].Labels = map[string]string{"version": "v2"}
	next.Services = map[string]ServiceConfig{"web": s}
	if err := g.Apply(&next); err != nil {
		t.Fatal(err)
	}
	if v1, v2 := answering(t, url, "v1"), answering(t, url, "v2"); v1 != "a" || v2 != "bc" {
		t.Errorf("v1 is answered by %s, v2 by %s", v1, v2)
	}
	if after := stateOf(g, "web", addresses["b"]).Requests; after <= before || before == 0 {
		t.Errorf("%d requests at the endpoint that moved, %d before", after, before)
	}
}

// TestSubsetThatIsGoneIsAnsweredByNobodyElse ends the only server of v2.
func TestSubsetThatIsGoneIsAnsweredByNobodyElse(t *testing.T) {
	c, _ := versions(t, "")
	s := c.Services["web"]
	s.Endpoints[2].Address = refusing(t)
	_, url := start(t, c)
	if got := answering(t, url, "v2"); !strings.HasPrefix(got, "503") {
		t.Errorf("v2 is answered by %s", got)
	}
	if got := answering(t, url, "v1"); got != "ab" {
		t.Errorf("v1 is answered by %s", got)
	}
}

func TestLabelsThatNoEndpointHasAreRefused(t *testing.T) {
	c, _ := versions(t, "")
	c.Routes[0].To[0].Labels = map[string]string{"version": "v3"}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "no endpoint of web has these labels") {
		t.Errorf("got %v", err)
	}
	s := c.Services["web"]
	s.Endpoints = nil // its processes are started by Afloat
	c.Services["web"] = s
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestStickyClientStaysInItsPartOfAService(t *testing.T) {
	c, _ := versions(t, "")
	both := RouteConfig{Sticky: &StickyConfig{Cookie: "place"}}
	for _, version := range []string{"v1", "v2"} {
		both.To = append(both.To, DestinationConfig{Service: "web", Labels: map[string]string{"version": version}, Weight: 1})
	}
	c.Routes = []RouteConfig{both}
	_, url := start(t, c)
	seen := map[string]bool{}
	for range 30 {
		jar, _ := cookiejar.New(nil)
		client, first := &http.Client{Jar: jar}, ""
		for i := range 8 {
			res, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if i == 0 {
				first = string(body)
			} else if string(body) != first || res.StatusCode != 200 {
				t.Fatalf("a client of %s got %d of %s", first, res.StatusCode, body)
			}
		}
		seen[first] = true
	}
	if !seen["c"] || len(seen) < 2 {
		t.Errorf("only %v were used", seen)
	}
}
