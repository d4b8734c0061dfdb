package main

import (
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
)

func TestEndpointThatDiffersIsNamed(t *testing.T) {
	up := func(address string, tries, failures uint64, latency float64) gateway.EndpointStatus {
		return gateway.EndpointStatus{Address: address, State: "up", Requests: tries, Failures: failures, LatencySeconds: latency}
	}
	before := []gateway.EndpointStatus{up("a", 1000, 500, 0.1), up("b", 1000, 0, 0.1), up("c", 1000, 0, 0.1)}
	for name, c := range map[string]struct {
		now  []gateway.EndpointStatus
		want string
	}{
		"none":           {[]gateway.EndpointStatus{up("a", 1100, 501, 0.1), up("b", 1100, 1, 0.1), up("c", 1100, 0, 0.1)}, ""},
		"one fails":      {[]gateway.EndpointStatus{up("a", 1100, 500, 0.1), up("b", 1100, 30, 0.1), up("c", 1100, 1, 0.1)}, "b fails 30.0% of its tries, others 0.5%"},
		"all fail":       {[]gateway.EndpointStatus{up("a", 1100, 540, 0.1), up("b", 1100, 30, 0.1), up("c", 1100, 35, 0.1)}, ""},
		"hardly tried":   {[]gateway.EndpointStatus{up("a", 1100, 500, 0.1), up("b", 1005, 5, 0.1), up("c", 1100, 0, 0.1)}, ""},
		"began anew":     {[]gateway.EndpointStatus{up("a", 50, 25, 0.1), up("b", 1100, 0, 0.1), up("c", 1100, 0, 0.1)}, "a fails 50.0% of its tries, others 0.0%"},
		"one is slow":    {[]gateway.EndpointStatus{up("a", 1100, 500, 0.1), up("b", 1100, 0, 0.1), up("c", 1100, 0, 0.9)}, "c answers in 900ms, others in 100ms"},
		"one is ejected": {[]gateway.EndpointStatus{up("a", 1100, 590, 0.1), {Address: "b", State: "ejected", Why: "5 failures"}}, "b is ejected: 5 failures"},
		"the only one":   {[]gateway.EndpointStatus{up("a", 1100, 590, 0.1)}, ""},
	} {
		var l lately
		now := time.Now()
		l.take([]gateway.ServiceStatus{{Name: "cart", Endpoints: before}}, now)
		l.take([]gateway.ServiceStatus{{Name: "cart", Endpoints: c.now}}, now.Add(9*time.Second))
		if got := standsOut(c.now, l.of("cart")); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		l.take([]gateway.ServiceStatus{{Name: "cart", Endpoints: c.now}}, now.Add(20*time.Second))
		if got := failing(c.now, l.of("cart")); len(got) > 0 {
			t.Errorf("%s: it is over for ten seconds: got %q", name, got)
		}
	}
}
