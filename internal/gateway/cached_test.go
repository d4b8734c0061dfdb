package gateway

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counted is a service that numbers its answers, and a route to it with a cache.
func counted(t *testing.T, c *CacheConfig, h http.HandlerFunc) (g *Gateway, url string, asked *atomic.Int64) {
	asked = new(atomic.Int64)
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		h(w, r)
		if r.Method != "HEAD" {
			fmt.Fprint(w, n)
		}
	})
	conf := oneService(ServiceConfig{Endpoints: Addresses(address)})
	conf.Routes[0].Cache = c
	conf.Routes[0].SingleFlight = c == nil
	g, url = start(t, conf)
	return g, url, asked
}

// saying is a handler that sets fields.
func saying(fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			w.Header().Add(name, value)
		}
	}
}

func TestCacheKeepsWhatMayBeShared(t *testing.T) {
	anonymous := []string(nil)
	for _, test := range []struct {
		name   string
		says   []string
		asks   []string
		cached bool
	}{
		{"max-age", []string{"Cache-Control: max-age=60"}, anonymous, true},
		{"s-maxage before max-age", []string{"Cache-Control: max-age=0, s-maxage=60"}, anonymous, true},
		{"max-age=0", []string{"Cache-Control: max-age=0"}, anonymous, false},
		{"an unreadable max-age", []string{"Cache-Control: max-age=soon"}, anonymous, false},
		{"Expires", []string{"Date: Mon, 02 Jan 2023 15:04:05 GMT", "Expires: Mon, 02 Jan 2023 16:04:05 GMT"}, anonymous, true},
		{"Expires in the past", []string{"Expires: 0"}, anonymous, false},
		{"nothing said", nil, anonymous, false},
		{"no-store", []string{"Cache-Control: max-age=60, no-store"}, anonymous, false},
		{"private", []string{"Cache-Control: private, max-age=60"}, anonymous, false},
		{"no-cache", []string{"Cache-Control: no-cache, max-age=60"}, anonymous, false},
		{"two fields", []string{"Cache-Control: max-age=60", "Cache-Control: Private"}, anonymous, false},
		{"Set-Cookie", []string{"Cache-Control: max-age=60", "Set-Cookie: a=b"}, anonymous, false},
		{"Vary: *", []string{"Cache-Control: max-age=60", "Vary: *"}, anonymous, false},
		{"an old answer", []string{"Cache-Control: max-age=60", "Age: 61"}, anonymous, false},
		{"Authorization", []string{"Cache-Control: max-age=60"}, []string{"Authorization: Bearer a"}, false},
		{"a cookie", []string{"Cache-Control: max-age=60"}, []string{"Cookie: user=a"}, false},
		{"public with Authorization", []string{"Cache-Control: public, max-age=60"}, []string{"Authorization: Bearer a"}, true},
		{"s-maxage with a cookie", []string{"Cache-Control: s-maxage=60"}, []string{"Cookie: user=a"}, true},
		{"a request's no-cache", []string{"Cache-Control: max-age=60"}, []string{"Cache-Control: no-cache"}, false},
		{"a request's no-store", []string{"Cache-Control: max-age=60"}, []string{"Cache-Control: no-store"}, false},
		{"a range", []string{"Cache-Control: max-age=60"}, []string{"Range: bytes=0-1"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, url, asked := counted(t, new(CacheConfig), saying(test.says...))
			ask(t, url, test.asks...)
			res, body := ask(t, url, test.asks...)
			if cached := asked.Load() == 1; cached != test.cached || (body == "1") != test.cached {
				t.Errorf("asked %d times, got %q; cached should be %v", asked.Load(), body, test.cached)
			}
			if hit := strings.HasPrefix(res.Header.Get("Cache-Status"), "Afloat; hit; ttl="); hit != test.cached {
				t.Errorf("Cache-Status: %q", res.Header.Get("Cache-Status"))
			}
			if age := res.Header.Get("Age"); (age == "0") != test.cached && test.name != "an old answer" {
				t.Errorf("Age: %q", age)
			}
		})
	}
}

// TestPrivateAnswersDoNotReachOthers: what was asked for without a word on who
// asks is not for those who say it, and the other way round.
func TestPrivateAnswersDoNotReachOthers(t *testing.T) {
	_, url, _ := counted(t, &CacheConfig{TTL: time.Hour}, saying())
	_, anonymous := ask(t, url)
	_, ada := ask(t, url, "Authorization: Bearer ada")
	_, bob := ask(t, url, "Authorization: Bearer bob")
	_, again := ask(t, url)
	if ada == anonymous || bob == ada || bob == anonymous || again != anonymous {
		t.Errorf("anonymous got %s and %s, ada %s, bob %s", anonymous, again, ada, bob)
	}
}

func TestVaryMakesVariants(t *testing.T) {
	for _, name := range []string{"Accept-Language", "X_Tenant"} {
		_, url, asked := counted(t, &CacheConfig{TTL: time.Hour}, saying("Vary: "+name))
		for range 2 {
			for i, value := range []string{"de", "en"} {
				if _, body := ask(t, url, name+": "+value); body != fmt.Sprint(i+1) {
					t.Errorf("%s: %s: got %q", name, value, body)
				}
			}
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("%s: asked %d times", name, n)
		}
	}
}

// TestKeptAnswersHaveTheHeadersOfToday changes a route around what is kept.
func TestKeptAnswersHaveTheHeadersOfToday(t *testing.T) {
	var asked atomic.Int64
	c := oneService(ServiceConfig{Endpoints: Addresses(origin(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		saying("Server: s", "X-Version: 1", "Access-Control-Allow-Origin: *")(w, r)
	}))})
	c.Routes[0].Cache = &CacheConfig{TTL: time.Hour}
	g, url := start(t, c)
	ask(t, url)
	next := *c
	next.Routes = slices.Clone(c.Routes)
	r := &next.Routes[0]
	r.ResponseHeaders = HeaderEdits{Remove: []string{"Server"}, Set: map[string]string{"X-Version": "2"}}
	r.CORS = &CORSConfig{Origins: []string{"https://shop.example"}}
	if err := g.Apply(&next); err != nil {
		t.Fatal(err)
	}
	res, _ := ask(t, url, "Origin: https://shop.example")
	if h := res.Header; fmt.Sprint(h["Server"], h["X-Version"], h["Access-Control-Allow-Origin"]) != "[] [2] [https://shop.example]" {
		t.Errorf("got %v", h)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestCachedAnswerServesHEADAndConditionsInBothProtocols(t *testing.T) {
	_, url, asked := counted(t, &CacheConfig{TTL: time.Hour}, saying(`ETag: "v1"`))
	for name, client := range map[string]*http.Client{"HTTP/1.1": http.DefaultClient, "HTTP/2": http2Client(t, nil)} {
		if res, body := do(t, client, "GET", url, ""); res.StatusCode != 200 || body != "1" {
			t.Errorf("%s: got %d %q", name, res.StatusCode, body)
		}
		if res, body := do(t, client, "HEAD", url, ""); res.StatusCode != 200 || body != "" || res.ContentLength != 1 {
			t.Errorf("%s: HEAD got %d %q, length %d", name, res.StatusCode, body, res.ContentLength)
		}
		req, _ := http.NewRequest("GET", url, nil)
		req.Header.Set("If-None-Match", `"v0", W/"v1"`)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 304 {
			t.Errorf("%s: a condition got %d", name, res.StatusCode)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestChangeDropsWhatIsKept(t *testing.T) {
	_, url, asked := counted(t, &CacheConfig{TTL: time.Hour}, saying())
	get(t, url)
	do(t, http.DefaultClient, "POST", url, "new")
	if _, body := get(t, url); body != "3" || asked.Load() != 3 {
		t.Errorf("after a POST: got %q", body)
	}
}

// TestVersionsKeepAnswersApart has a version that only testers are to see, and
// one that all get after it.
func TestVersionsKeepAnswersApart(t *testing.T) {
	versioned := func(name string, asked *atomic.Int64) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, name)
		}
	}
	var old, next atomic.Int64
	c := splitService(t, versioned("old", &old), versioned("new", &next))
	c.Routes[0].Cache = &CacheConfig{}
	g, url := start(t, c)
	tester := func(r *http.Request) { r.Header.Set("X-Tester", "yes") }
	setSplit(t, g, halves(0, func(c *Split) {
		c.Versions[1].Match = []MatchConfig{{Headers: map[string]StringMatch{"x-tester": {Exact: "yes"}}}}
	}))
	for range 3 {
		if got := news(t, http.DefaultClient, url, 2); got != 0 {
			t.Errorf("users get the new version %d times of 2", got)
		}
		if got := news(t, http.DefaultClient, url, 2, tester); got != 2 {
			t.Errorf("testers get the new version %d times of 2", got)
		}
	}
	if old.Load() != 1 || next.Load() != 1 {
		t.Errorf("the versions were asked %d and %d times", old.Load(), next.Load())
	}
	setSplit(t, g, halves(1))
	if got := news(t, http.DefaultClient, url, 4); got != 4 {
		t.Errorf("after the release, users get the new version %d times of 4", got)
	}
	res, _ := do(t, http.DefaultClient, "POST", url, "x")
	if res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	next.Store(0)
	if news(t, http.DefaultClient, url, 2); next.Load() != 1 {
		t.Errorf("after a change the new version was asked %d times, want once", next.Load())
	}
}

// TestDestinationsKeepAnswersApart has a route whose requests go to either of two
// services.
func TestDestinationsKeepAnswersApart(t *testing.T) {
	c := &Config{Services: map[string]ServiceConfig{}, Routes: []RouteConfig{{Cache: &CacheConfig{}}}}
	for _, name := range []string{"a", "b"} {
		c.Services[name] = ServiceConfig{Endpoints: Addresses(origin(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, name)
		}))}
		c.Routes[0].To = append(c.Routes[0].To, DestinationConfig{Service: name, Weight: 1})
	}
	_, url := start(t, c)
	got := map[string]int{}
	for range 200 {
		_, body := do(t, http.DefaultClient, "GET", url, "")
		got[body]++
	}
	if got["a"] < 20 || got["b"] < 20 {
		t.Errorf("got %v", got)
	}
}

func TestStaleAnswerStandsInForAFailure(t *testing.T) {
	var down atomic.Bool
	_, url, _ := counted(t, &CacheConfig{TTL: 20 * time.Millisecond, StaleIfError: time.Hour}, func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(500)
		}
	})
	get(t, url)
	down.Store(true)
	eventually(t, "it is stale", func() bool {
		res, body := ask(t, url)
		if res.StatusCode != 200 || body != "1" {
			t.Fatalf("a user saw the failure: %d %q", res.StatusCode, body)
		}
		return strings.HasSuffix(res.Header.Get("Cache-Status"), "detail=stale-if-error")
	})
	down.Store(false)
	eventually(t, "it heals", func() bool { _, body := get(t, url); return body != "1" })
}

func TestStaleAnswerIsNotGivenWhereThatIsForbidden(t *testing.T) {
	var down atomic.Bool
	_, url, _ := counted(t, &CacheConfig{StaleIfError: time.Hour, StaleWhileRevalidate: time.Hour}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=0, must-revalidate")
		if down.Load() {
			w.WriteHeader(500)
		}
	})
	get(t, url)
	down.Store(true)
	if status, _ := get(t, url); status != 500 {
		t.Errorf("got %d", status)
	}
}

func TestStaleAnswerIsGivenWhileItIsRefreshed(t *testing.T) {
	release := make(chan struct{})
	_, url, asked := counted(t, new(CacheConfig), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=0, stale-while-revalidate=3600")
		if r.Header.Get("X-First") == "" {
			<-release
		}
	})
	ask(t, url, "X-First: 1")
	for range 5 { // at once, although the service hangs
		if _, body := ask(t, url); body != "1" {
			t.Fatalf("got %q", body)
		}
	}
	eventually(t, "it is being refreshed", func() bool { return asked.Load() == 2 })
	close(release)
	eventually(t, "the new one is there", func() bool { _, body := get(t, url); return body != "1" })
}

func TestOneRequestIsMadeForMany(t *testing.T) {
	for _, c := range []*CacheConfig{nil, {TTL: time.Hour}} {
		release := make(chan struct{})
		g, url, asked := counted(t, c, func(http.ResponseWriter, *http.Request) { <-release })
		var clients sync.WaitGroup
		for range 20 {
			clients.Go(func() {
				if status, body := get(t, url); status != 200 || body != "1" {
					t.Errorf("got %d %q", status, body)
				}
			})
		}
		status := func() *CacheStatus { return g.Status().Routes[0].Cache }
		eventually(t, "all have come", func() bool { return status().Misses == 20 })
		close(release)
		clients.Wait()
		if asked.Load() != 1 || status().Collapsed != 19 {
			t.Errorf("asked %d times, %+v", asked.Load(), status())
		}
		get(t, url)
		if want := map[bool]int64{true: 1, false: 2}[c != nil]; asked.Load() != want {
			t.Errorf("later: asked %d times, want %d", asked.Load(), want)
		}
	}
}

// TestRequestsOfUsersAreNotCollapsed: nor those whose answer turns out to be for
// one alone.
func TestRequestsOfUsersAreNotCollapsed(t *testing.T) {
	for name, c := range map[string]struct{ says, asks string }{
		"with a cookie":         {"X-A: b", "Cookie: a=b"},
		"with credentials":      {"X-A: b", "Authorization: Bearer a"},
		"a private answer":      {"Cache-Control: private", "X-A: b"},
		"one with a Set-Cookie": {"Set-Cookie: a=b", "X-A: b"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			both := make(chan struct{})
			_, url, _ := counted(t, nil, func(w http.ResponseWriter, r *http.Request) {
				saying(c.says)(w, r)
				if asked.Add(1) == 2 {
					close(both)
				}
				w.(http.Flusher).Flush() // a head is enough to know that it is not shared
				<-both
			})
			var clients sync.WaitGroup
			var mu sync.Mutex
			bodies := map[string]bool{}
			for range 2 {
				clients.Go(func() {
					_, body := ask(t, url, c.asks)
					mu.Lock()
					bodies[body] = true
					mu.Unlock()
				})
			}
			clients.Wait()
			if len(bodies) != 2 {
				t.Errorf("both got %v", bodies)
			}
		})
	}
}

func TestRequestGoesOnAloneWhenItsLeaderFails(t *testing.T) {
	begun, release := make(chan struct{}, 10), make(chan struct{})
	g, url, asked := counted(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Leader") != "" {
			begun <- struct{}{}
			<-release
			panic(http.ErrAbortHandler)
		}
	})
	go func() {
		req, _ := http.NewRequest("GET", url, nil)
		req.Header.Set("X-Leader", "1")
		if res, err := http.DefaultClient.Do(req); err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	}()
	<-begun
	done := make(chan int, 1)
	go func() { status, _ := get(t, url); done <- status }()
	eventually(t, "both have come", func() bool { return g.Status().Routes[0].Cache.Misses == 2 })
	close(release)
	if status := <-done; status != 200 || asked.Load() < 2 {
		t.Errorf("got %d, asked %d times", status, asked.Load())
	}
}

func TestCacheIsBounded(t *testing.T) {
	body := strings.Repeat("x", 1000)
	g, url, _ := counted(t, &CacheConfig{TTL: time.Hour, BytesMax: 20_000, EntriesMax: 10, BodyBytes: 2000}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, body)
		if r.URL.Path == "/long" {
			io.WriteString(w, body+body)
		}
	})
	for i := range 30 {
		get(t, fmt.Sprintf("%s/%d", url, i))
	}
	get(t, url+"/long")
	st := g.Status().Routes[0].Cache
	if st.Entries > 10 || st.Entries < 5 || st.Bytes > 20_000 || st.Evicted < 20 {
		t.Errorf("got %+v", st)
	}
	if before := st.Misses; true {
		get(t, url+"/long")
		get(t, url+"/29")
		if st = g.Status().Routes[0].Cache; st.Misses != before+1 || st.Hits != 1 {
			t.Errorf("a long body was kept, or the last one was not: %+v", st)
		}
	}
}

// TestEntryAges: with a clock of its own.
func TestEntryAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(&RouteConfig{Cache: new(CacheConfig)}, nil)
		x := &exchange{session: new(session)}
		c.put(&entry{key: "k", born: time.Now().Add(-5 * time.Second), fresh: time.Minute, size: 1})
		time.Sleep(10 * time.Second)
		if e := c.find("k", x); e == nil || e.age() != 15*time.Second {
			t.Errorf("got %+v", e)
		}
		c.put(&entry{key: "k", born: time.Now(), fresh: time.Minute, size: 1})
		if e := c.find("k", x); e.age() != 0 || c.status().Entries != 1 || c.status().Bytes != 1 {
			t.Errorf("the new one did not take the place of the old: %+v", c.status())
		}
		c.forget("k")
		if c.find("k", x) != nil || c.status().Bytes != 0 {
			t.Errorf("it is there after forget: %+v", c.status())
		}
	})
}
