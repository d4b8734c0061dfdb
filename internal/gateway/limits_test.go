package gateway

import (
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// limited routes everything to one service under limits.
func limitedBy(t *testing.T, limits ...LimitConfig) *Config {
	c := trusting(oneService(ServiceConfig{Endpoints: Addresses(named(t, "x"))}))
	c.Routes[0].RateLimits = limits
	return c
}

func perHour(n float64, by KeyConfig) LimitConfig {
	return LimitConfig{policy.KeyedRateLimitConfig{Requests: n, Per: time.Hour}, by}
}

// statuses sends a request for each list of fields.
func statuses(t *testing.T, url string, requests ...[]string) (all []int) {
	t.Helper()
	for _, fields := range requests {
		res, _ := ask(t, url, fields...)
		all = append(all, res.StatusCode)
	}
	return all
}

func TestEachKeyHasALimitOfItsOwn(t *testing.T) {
	for _, test := range []struct {
		by     KeyConfig
		one    []string
		others [][]string // each another key
		same   []string   // the same key
	}{
		{KeyConfig{Client: true}, []string{"X-Forwarded-For: 192.0.2.1"}, [][]string{{"X-Forwarded-For: 192.0.2.2"}, nil}, []string{"X-Forwarded-For: 6.6.6.6, 192.0.2.1"}},
		{KeyConfig{Client: true}, []string{"X-Forwarded-For: 2001:db8::1"}, [][]string{{"X-Forwarded-For: 2001:db8:0:1::1"}}, []string{"X-Forwarded-For: 2001:db8::2"}},
		{KeyConfig{Header: "X-Api-Key"}, []string{"X-Api-Key: a"}, [][]string{{"X-Api-Key: b"}, {}, {"X-Api-Key: A"}}, []string{"x-api-key: a"}},
		{KeyConfig{Cookie: "session"}, []string{"Cookie: a=1; session=s1"}, [][]string{{"Cookie: session=s2"}, {"Cookie: xsession=s1"}}, []string{"Cookie: session=\"s1\"; b=2"}},
		{KeyConfig{Header: "X-A", Cookie: "b"}, []string{"X-A: 1", "Cookie: b=2"}, [][]string{{"X-A: 12"}, {"Cookie: b=12"}, {"X-A: 1", "Cookie: b=3"}}, []string{"X-A: 1", "Cookie: b=2"}},
		{KeyConfig{Host: true}, []string{"Host: a.example"}, [][]string{{"Host: b.example"}}, []string{"Host: A.example:80"}},
	} {
		_, url := start(t, limitedBy(t, perHour(1, test.by)))
		got := statuses(t, url, test.one, test.same)
		if got[0] != 200 || got[1] != 429 {
			t.Errorf("%v: one key got %v", test.by, got)
		}
		for i, status := range statuses(t, url, test.others...) {
			if status != 200 {
				t.Errorf("%v: the key of %q got %d", test.by, test.others[i], status)
			}
		}
	}
	_, url := start(t, limitedBy(t, perHour(1, KeyConfig{Path: true, Method: true})))
	for path, want := range map[string]int{"/a": 429, "/b": 200} {
		if got := statuses(t, url+path, nil); got[0] != 200 {
			t.Errorf("%s: got %v", path, got)
		}
		if want == 429 {
			if got := statuses(t, url+path+"?q=1", nil); got[0] != 429 {
				t.Errorf("a query makes another key: %v", got)
			}
		}
	}
}

func TestRefusedRequestIsToldItsLimits(t *testing.T) {
	_, url := start(t, limitedBy(t, perHour(2, KeyConfig{Client: true}), perHour(100, KeyConfig{})))
	for range 2 {
		if res, _ := ask(t, url); res.StatusCode != 200 || res.Header.Get("RateLimit") != "" {
			t.Fatalf("got %d %v", res.StatusCode, res.Header)
		}
	}
	res, _ := ask(t, url)
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "1800" ||
		res.Header.Get("RateLimit-Policy") != `"default";q=2;w=3600, "default-2";q=100;w=3600` ||
		res.Header.Get("RateLimit") != `"default";r=0;t=1800, "default-2";r=98;t=3600` {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
}

func TestRefusedRequestUsesUpNoneOfItsLimits(t *testing.T) {
	_, url := start(t, limitedBy(t, perHour(3, KeyConfig{}), perHour(1, KeyConfig{Header: "X-User"})))
	ann, bob, cid := []string{"X-User: ann"}, []string{"X-User: bob"}, []string{"X-User: cid"}
	got := statuses(t, url, ann, ann, ann, ann, bob, cid, []string{"X-User: dan"})
	for i, want := range []int{200, 429, 429, 429, 200, 200, 429} {
		if got[i] != want {
			t.Fatalf("got %v", got)
		}
	}
}

func TestKeyedLimitHealsAndOutlivesAReload(t *testing.T) {
	c := limitedBy(t, perHour(1, KeyConfig{Client: true}))
	g, url := start(t, c)
	if got := statuses(t, url, nil, nil); got[0] != 200 || got[1] != 429 {
		t.Fatalf("got %v", got)
	}
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	if got := statuses(t, url, nil); got[0] != 429 {
		t.Errorf("a reload has forgotten what was used up: %v", got)
	}
	if s := g.Status().Routes[0].Limits; len(s) != 1 || s[0].By != "client" || s[0].Keys != 1 || s[0].Rejected != 2 {
		t.Errorf("the status is %+v", s)
	}
	c.Routes[0].RateLimits[0].Per = 20 * time.Millisecond
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the limit admits again", func() bool { return statuses(t, url, nil)[0] == 200 })
}

func TestLimitThatQueuesComesAfterThoseByKey(t *testing.T) {
	c := limitedBy(t, perHour(1, KeyConfig{Header: "X-User"}))
	c.Routes[0].RateLimit = &policy.RateLimitConfig{Requests: 2, Per: time.Hour, QueueMax: 1, WaitMax: time.Millisecond}
	_, url := start(t, c)
	got := statuses(t, url, []string{"X-User: a"}, []string{"X-User: a"}, []string{"X-User: b"}, []string{"X-User: c"})
	for i, want := range []int{200, 429, 200, 429} {
		if got[i] != want {
			t.Fatalf("got %v", got)
		}
	}
}

func TestKeyedLimitWithAQueueHasRequestsWait(t *testing.T) {
	paced := LimitConfig{policy.KeyedRateLimitConfig{Requests: 1, Per: 50 * time.Millisecond, Algorithm: policy.LeakyBucket, WaitMax: time.Minute},
		KeyConfig{Header: "X-User"}}
	c := limitedBy(t, paced)
	g, url := start(t, c)
	begin := time.Now()
	for i, status := range statuses(t, url, nil, nil, nil) {
		if status != 200 {
			t.Errorf("request %d got %d", i, status)
		}
	}
	if took := time.Since(begin); took < 100*time.Millisecond {
		t.Errorf("three requests 50ms apart took %v", took)
	}
	c.Routes[0].RateLimits[0].Per, c.Routes[0].RateLimits[0].WaitMax = time.Hour, time.Second
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	ann := []string{"X-User: ann"}
	if got := statuses(t, url, ann, ann); got[0] != 200 || got[1] != 429 {
		t.Errorf("for a turn beyond waitMax: %v", got)
	}
}
