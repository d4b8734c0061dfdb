package policyhttp

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/afloat-dev/afloat/policy"
)

func TestKeysAreFoundInTheRequest(t *testing.T) {
	incoming := func(remote string) *http.Request {
		r := httptest.NewRequest("GET", "/stock", nil)
		r.Host, r.RemoteAddr = "Shop.example", remote
		r.Header.Set("X-User", "ada")
		return r
	}
	outgoing, err := http.NewRequest("GET", "http://Stock.example:8080/17", nil)
	if err != nil {
		t.Fatal(err)
	}
	byUser := ByHeader("x-user")
	tests := []struct {
		name string
		key  func(context.Context) string
		r    *http.Request
		want string
	}{
		{"host of an outgoing request", ByHost, outgoing, "stock.example:8080"},
		{"host of an incoming request", ByHost, incoming(""), "shop.example"},
		{"header", byUser, incoming(""), "ada"},
		{"header that is not there", byUser, outgoing, ""},
		{"IPv4 client", ByClient, incoming("192.0.2.7:51000"), "192.0.2.7"},
		{"IPv4 client on an IPv6 socket", ByClient, incoming("[::ffff:192.0.2.7]:51000"), "192.0.2.7"},
		{"IPv6 client", ByClient, incoming("[2001:db8:1:2:3:4:5:6]:51000"), "2001:db8:1:2::"},
		{"IPv6 client of the same network", ByClient, incoming("[2001:db8:1:2::9%eth0]:51000"), "2001:db8:1:2::"},
		{"client on a Unix socket", ByClient, incoming("@"), "@"},
		{"host of no request", ByHost, nil, ""},
		{"header of no request", byUser, nil, ""},
		{"client of no request", ByClient, nil, ""},
	}
	for _, test := range tests {
		ctx := t.Context()
		if test.r != nil {
			ctx = context.WithValue(ctx, requestKey{}, test.r)
		}
		if got := test.key(ctx); got != test.want {
			t.Errorf("%s is %q, want %q", test.name, got, test.want)
		}
	}
}

func TestBreakerForEachHostSparesTheOthers(t *testing.T) {
	breakers := must(policy.NewKeyedBreaker(policy.KeyedBreakerConfig{Key: ByHost, Breaker: policy.BreakerConfig{ConsecutiveFailures: 2}}))
	base := tripper(func(r *http.Request) (*http.Response, error) {
		status := 200
		if r.URL.Host == "bad" {
			status = 500
		}
		return &http.Response{StatusCode: status, Body: http.NoBody}, nil
	})
	transport := mustTransport(t, TransportConfig{Base: base, Policies: []policy.Policy{breakers}})
	ask := func(host string) error {
		r := newRequest(t, t.Context(), "GET", nil)
		r.URL.Host = host
		_, err := transport.RoundTrip(r)
		return err
	}
	for range 3 {
		if err := ask("good"); err != nil {
			t.Errorf("good: %v", err)
		}
	}
	_, _ = ask("bad"), ask("bad")
	if err := ask("bad"); !errors.Is(err, policy.ErrOpen) {
		t.Errorf("bad: %v", err)
	}
	if err := ask("good"); err != nil {
		t.Errorf("good: %v", err)
	}
}
