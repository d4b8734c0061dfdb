package gateway

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/cookiejar"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// splitService is a service of an old and a new version, each of one endpoint
// that answers with its name.
func splitService(t *testing.T, old, next http.HandlerFunc) *Config {
	t.Helper()
	c := oneService(ServiceConfig{Retry: policy.RetryConfig{Attempts: -1}})
	s := c.Services["web"]
	for name, h := range map[string]http.HandlerFunc{"old": old, "new": next} {
		if h == nil {
			h = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }
		}
		s.Endpoints = append(s.Endpoints, EndpointConfig{Address: origin(t, h), Labels: versionLabels(name)})
	}
	c.Services["web"] = s
	return c
}

// halves is a split of the old and the new version.
func halves(next policy.Ratio, more ...func(*Split)) *Split {
	c := &Split{Versions: []SplitVersion{{Version: "old"}, {Version: "new", Share: next}}}
	for _, change := range more {
		change(c)
	}
	return c
}

func setSplit(t *testing.T, g *Gateway, c *Split) {
	t.Helper()
	if err := g.SetSplit("web", c); err != nil {
		t.Fatal(err)
	}
}

// news is how many of n requests the new version answers.
func news(t *testing.T, client *http.Client, url string, n int, change ...func(*http.Request)) (count int) {
	t.Helper()
	for range n {
		req, _ := http.NewRequest("GET", url, nil)
		for _, f := range change {
			f(req)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Fatalf("%s %s", res.Status, body)
		}
		if string(body) == "new" {
			count++
		}
	}
	return count
}

func TestSplitSharesRequests(t *testing.T) {
	g, url := start(t, splitService(t, nil, nil))
	for _, want := range []float64{0, 0.2, 1, 0} {
		setSplit(t, g, halves(policy.Ratio(want)))
		const n = 1000
		got := news(t, http.DefaultClient, url, n)
		if off, most := math.Abs(float64(got)-want*n), 5*math.Sqrt(n*want*(1-want)); off > most {
			t.Errorf("%d of %d with a share of %v", got, n, want)
		}
		versions := g.Status().Services[0].Versions
		if len(versions) != 2 || versions[1].Share != want || versions[1].Requests != uint64(got) {
			t.Errorf("%+v after %d", versions, got)
		}
	}
	setSplit(t, g, nil)
	if got := news(t, http.DefaultClient, url, 200); got < 20 || got > 180 {
		t.Errorf("without a split, %d of 200", got)
	}
}

func TestSplitOutlivesConfigurations(t *testing.T) {
	c := splitService(t, nil, nil)
	g := New(Options{})
	setSplit(t, g, halves(1)) // of a service that is not there yet
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}}
	for range 2 {
		if err := g.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _ = g.Serve(t.Context()) }()
	url := "http://" + g.Addresses()[0]
	if got := news(t, http.DefaultClient, url, 100); got != 100 {
		t.Errorf("%d of 100", got)
	}
	s := c.Services["web"]
	s.Endpoints = append(s.Endpoints, EndpointConfig{Address: named(t, "new"), Labels: versionLabels("new")})
	c.Services["web"] = s
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	news(t, http.DefaultClient, url, 100)
	for _, e := range g.Status().Services[0].Endpoints {
		if e.Version == "new" && e.Requests < 5 {
			t.Errorf("an endpoint that was added to the version got %d requests", e.Requests)
		}
	}
}

func TestSplitKeepsUsersAndTheirShare(t *testing.T) {
	const users = 400
	for name, sticky := range map[string]SplitSticky{"cookie": {Cookie: "who"}, "key": {Key: KeyConfig{Header: "X-User"}}} {
		t.Run(name, func(t *testing.T) {
			g, url := start(t, splitService(t, nil, nil))
			clients := make([]*http.Client, users)
			for i := range clients {
				jar, _ := cookiejar.New(nil)
				clients[i] = &http.Client{Jar: jar}
			}
			was := make([]bool, users)
			for _, want := range []float64{0.1, 0.5, 0.5, 1, 0} {
				setSplit(t, g, halves(policy.Ratio(want), func(c *Split) { c.Sticky, c.Salt = sticky, "release 1" }))
				count := 0
				for i, client := range clients {
					got := news(t, client, url, 2, func(r *http.Request) { r.Header.Set("X-User", fmt.Sprint("user", i)) })
					if got == 1 {
						t.Fatalf("user %d got both versions at a share of %v", i, want)
					}
					if was[i] && got == 0 && want > 0 {
						t.Fatalf("user %d left the new version when its share grew to %v", i, want)
					}
					was[i] = got == 2
					count += got / 2
				}
				if off, most := math.Abs(float64(count)-want*users), 5*math.Sqrt(users*want*(1-want)); off > most {
					t.Errorf("%d of %d users with a share of %v", count, users, want)
				}
			}
		})
	}
}

func TestSplitOfAStickyRouteKeepsUsers(t *testing.T) {
	c := splitService(t, nil, nil)
	c.Routes[0].Sticky = &StickyConfig{}
	g, url := start(t, c)
	setSplit(t, g, halves(0.5))
	for range 20 {
		jar, _ := cookiejar.New(nil)
		if got := news(t, &http.Client{Jar: jar}, url, 10); got != 0 && got != 10 {
			t.Fatalf("a user of a sticky route got the new version %d times of 10", got)
		}
	}
}

func TestSplitSendsMatchingRequestsToAVersion(t *testing.T) {
	g, url := start(t, splitService(t, nil, nil))
	setSplit(t, g, halves(0, func(c *Split) {
		c.Versions[1].Match = []MatchConfig{{Headers: map[string]StringMatch{"X-Canary": {Exact: "always"}}}, {Cookies: map[string]StringMatch{"canary": {Exact: "1"}}}}
	}))
	for value, want := range map[string]int{"always": 50, "never": 0} {
		if got := news(t, http.DefaultClient, url, 50, func(r *http.Request) { r.Header.Set("X-Canary", value) }); got != want {
			t.Errorf("%s: %d of 50", value, got)
		}
	}
	if got := news(t, http.DefaultClient, url, 50, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "canary", Value: "1"}) }); got != 50 {
		t.Errorf("by cookie: %d of 50", got)
	}
}

func TestSplitShowsAVersionOnItsPreviewListener(t *testing.T) {
	c := splitService(t, nil, nil)
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}, {Address: "localhost:0", Preview: "web"}}
	g, _ := start(t, c)
	setSplit(t, g, halves(0, func(c *Split) { c.Versions[1].Preview = true }))
	st := g.Status().Listeners
	if got := news(t, http.DefaultClient, "http://"+st[0].Address, 50); got != 0 {
		t.Errorf("users got it %d times", got)
	}
	if got := news(t, http.DefaultClient, "http://"+st[1].Address, 50); got != 50 {
		t.Errorf("the preview got it %d times of 50", got)
	}
}

func TestSplitSparesUsersAVersionThatCannotServe(t *testing.T) {
	var fail atomic.Bool
	c := splitService(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		if fail.Load() {
			w.WriteHeader(503)
			return
		}
		_, _ = io.WriteString(w, "new")
	})
	s := c.Services["web"]
	s.Retry = policy.RetryConfig{Attempts: 1, Delay: time.Millisecond}
	c.Services["web"] = s
	g, url := start(t, c)
	setSplit(t, g, halves(1))
	if got := news(t, http.DefaultClient, url, 50); got != 50 {
		t.Fatalf("%d of 50", got)
	}
	fail.Store(true)
	if got := news(t, http.DefaultClient, url, 200); got != 0 { // repeated at the old one, until the breaker opens and after
		t.Errorf("%d of 200", got)
	}
	fail.Store(false)
	eventually(t, "it gets its share back", func() bool { return news(t, http.DefaultClient, url, 5) == 5 })
}

func TestSplitMirrorsWhatChangesNothing(t *testing.T) {
	var copies, posts atomic.Int64
	c := splitService(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Afloat-Mirror") == "" || r.URL.Path != "/inner" {
			t.Errorf("got %s %v", r.URL, r.Header)
		}
		if r.Method == "POST" {
			posts.Add(1)
		}
		copies.Add(1)
		w.WriteHeader(500)
	})
	c.Routes[0].Rewrite = &RewriteConfig{Path: "/inner"}
	g, url := start(t, c)
	setSplit(t, g, halves(0, func(c *Split) { c.Versions[1].Mirror = 1 }))
	if got := news(t, http.DefaultClient, url, 50); got != 0 {
		t.Errorf("users got it %d times", got)
	}
	eventually(t, "all are copied, or its breaker is open", func() bool { return copies.Load() > 4 })
	res, err := http.Post(url, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	setSplit(t, g, halves(0))
	eventually(t, "the copies have ended", func() bool { return g.Status().Services[0].Versions[1].Mirror == 0 })
	before := copies.Load()
	news(t, http.DefaultClient, url, 50)
	if posts.Load() != 0 || copies.Load() > before+1 {
		t.Errorf("%d POSTs were copied, and %d requests after the end", posts.Load(), copies.Load()-before)
	}
}

func TestSplitEndsAtOnce(t *testing.T) {
	var ended atomic.Bool
	var late atomic.Int64
	c := splitService(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		if ended.Load() {
			late.Add(1)
		}
	})
	g, url := start(t, c)
	setSplit(t, g, halves(0.5))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 4 {
			news(t, http.DefaultClient, url, 100)
		}
	}()
	eventually(t, "the new version gets requests", func() bool { return g.Status().Services[0].Versions[1].Requests > 20 })
	setSplit(t, g, halves(0))
	eventually(t, "none is under way there", func() bool {
		for _, e := range g.Status().Services[0].Endpoints {
			if e.Version == "new" && e.InFlight > 0 {
				return false
			}
		}
		return true
	})
	ended.Store(true)
	<-done
	if n := late.Load(); n > 0 {
		t.Errorf("%d requests came after its end", n)
	}
}

func TestSplitIsChecked(t *testing.T) {
	for want, c := range map[string]*Split{
		"versions: want 1 to 3 versions, got 0":                      {},
		"versions: want shares of 100% together at most, got 120%":   {Versions: []SplitVersion{{}, {Share: 0.6}, {Share: 0.6}}},
		"versions.1.share: want 0% to 100%, got -10%":                halves(-0.1),
		"versions.1.match.0.scheme: want http or https, got \"ftp\"": halves(0, func(c *Split) { c.Versions[1].Match = []MatchConfig{{Scheme: "ftp"}} }),
		"sticky: want a cookie or a key":                             halves(0, func(c *Split) { c.Sticky = SplitSticky{Cookie: "a", Key: KeyConfig{Client: true}} }),
	} {
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
