package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// anHour has one request admitted an hour, in the order in which they come.
var anHour = policy.KeyedRateLimitConfig{Requests: 1, Per: time.Hour, Algorithm: policy.LeakyBucket, QueueMax: 10, WaitMax: 10 * time.Hour}

func anHourForAll() *policy.RateLimitConfig {
	return &policy.RateLimitConfig{Requests: anHour.Requests, Per: anHour.Per, Algorithm: anHour.Algorithm, QueueMax: anHour.QueueMax, WaitMax: anHour.WaitMax}
}

// TestWaitEndsWithItsClient has requests wait for a place, for their turn under
// rate limits, and for another's answer, in vain; their clients go away.
func TestWaitEndsWithItsClient(t *testing.T) {
	release, asked := make(chan struct{}), make(chan struct{}, 10)
	defer close(release)
	address := origin(t, func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	})
	one := policy.AdaptiveConfig{Min: 1, Initial: 1, Max: 1, WaitMax: time.Hour, WaitTarget: time.Hour}
	for name, config := range map[string]func(*ServiceConfig, *RouteConfig){
		"a place":      func(s *ServiceConfig, _ *RouteConfig) { s.Concurrency = one },
		"a rate limit": func(_ *ServiceConfig, r *RouteConfig) { r.RateLimit = anHourForAll() },
		"a rate limit by key": func(_ *ServiceConfig, r *RouteConfig) {
			r.RateLimits = []LimitConfig{{anHour, KeyConfig{Client: true}}}
		},
		"another's answer": func(_ *ServiceConfig, r *RouteConfig) { r.SingleFlight = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := ServiceConfig{Endpoints: Addresses(address), Timeout: -1}
			config(&s, &RouteConfig{})
			c := oneService(s)
			config(&ServiceConfig{}, &c.Routes[0])
			n := new(notes)
			_, url := startObserved(t, c, n)
			first := connect(t, url) // has the only place, or the only turn of the hour
			first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			<-asked
			second := connect(t, url)
			second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			second.Conn.Close()
			if r := n.last(t, 1); r.Status != 499 || r.Reason != ReasonClientGone {
				t.Errorf("got %d, %v", r.Status, r.Reason)
			}
		})
	}
}

// TestTurnBeyondTheClientsDeadlineIsNotWaitedFor has turns an hour apart, and
// clients that wait for a minute.
func TestTurnBeyondTheClientsDeadlineIsNotWaitedFor(t *testing.T) {
	for name, limit := range map[string]func(*RouteConfig){
		"of all": func(r *RouteConfig) { r.RateLimit = anHourForAll() },
		"by key": func(r *RouteConfig) { r.RateLimits = []LimitConfig{{anHour, KeyConfig{Client: true}}} },
	} {
		c := limitedBy(t)
		limit(&c.Routes[0])
		_, url := start(t, c)
		patient := []string{"Afloat-Timeout-Ms: 60000"}
		if got := statuses(t, url, patient, patient); got[0] != 200 || got[1] != 429 {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
