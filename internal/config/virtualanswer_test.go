package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// istioRoutes are the routes of a VirtualService with these rules.
func istioRoutes(t *testing.T, o Options, http string) []gateway.RouteConfig {
	t.Helper()
	return routesOf(t, o, Source{"v.yaml", []byte("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec:\n  hosts: ['*']\n  http:\n" + http)})
}

func TestIstiosChangesOfRequestsAreHonoured(t *testing.T) {
	got := istioRoutes(t, webAnd("next", "shadow"), `
  - match: [{uri: {prefix: /old}}]
    redirect: {uri: /new, authority: "www.example:8443", scheme: https}
  - match: [{uri: {exact: /healthz}}]
    directResponse: {status: 204, body: {string: ok}}
  - match: [{uri: {prefix: /api}}]
    rewrite: {uri: /, authority: inner}
    headers: {request: {set: {X-A: a}, remove: [X-B]}, response: {add: {X-C: c}}}
    mirror: {host: shadow}
    mirrorPercentage: {value: 2.5}
    route:
    - {destination: {host: web}, weight: 90}
    - {destination: {host: next}, weight: 10, headers: {request: {add: {X-N: n}}}}
  - rewrite: {uriRegexRewrite: {match: "^/v([0-9]+)/(.*)$", rewrite: "/\\2/$1/v\\1"}}
    headers: {request: {set: {Host: outer}}}
    mirrors: [{destination: {host: shadow}}]
    route: [{destination: {host: web}}]
`)
	for i := range got {
		got[i].Retry, got[i].RetryOn, got[i].RetryOnStatus, got[i].RetryOnGRPC, got[i].Timeout = nil, nil, nil, nil, 0
	}
	slash := "/"
	path := func(m gateway.StringMatch) []gateway.MatchConfig {
		m.BytePrefix = true
		return []gateway.MatchConfig{{Path: &m}}
	}
	want := []gateway.RouteConfig{
		{Name: "v[0]", Match: path(gateway.StringMatch{Prefix: "/old"}), Redirect: &gateway.RedirectConfig{Scheme: "https", Host: "www.example", Port: 8443, Path: "/new", Status: 301}},
		{Name: "v[1]", Match: path(gateway.StringMatch{Exact: "/healthz"}), Respond: &gateway.FallbackConfig{Status: 204, Body: "ok"}},
		{Name: "v[2]", Match: path(gateway.StringMatch{Prefix: "/api"}), Rewrite: &gateway.RewriteConfig{Host: "inner", Prefix: &slash},
			RequestHeaders:  gateway.HeaderEdits{Set: map[string]string{"X-A": "a"}, Remove: []string{"X-B"}},
			ResponseHeaders: gateway.HeaderEdits{Add: map[string]string{"X-C": "c"}},
			Mirror:          []gateway.MirrorConfig{{Service: "shadow", Share: 0.025}},
			To: []gateway.DestinationConfig{{Service: "web", Weight: 90},
				{Service: "next", Weight: 10, RequestHeaders: gateway.HeaderEdits{Add: map[string]string{"X-N": "n"}}}}},
		{Name: "v[3]", Rewrite: &gateway.RewriteConfig{Host: "outer", Regex: &gateway.RegexRewrite{Match: "^/v([0-9]+)/(.*)$", With: "/${2}/$$1/v${1}"}},
			RequestHeaders: gateway.HeaderEdits{Set: map[string]string{}},
			Mirror:         []gateway.MirrorConfig{{Service: "shadow", Share: 1}}, To: []gateway.DestinationConfig{{Service: "web"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestIstiosWaysToPickAndSpeakToEndpointsAreHonoured(t *testing.T) {
	service := func(policy string) (gateway.ServiceConfig, string) {
		t.Helper()
		a, problems := Assemble([]Source{
			{"v.yaml", []byte("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec: {hosts: ['*'], http: [{route: [{destination: {host: web}}]}]}")},
			{"r.yaml", []byte("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r}\nspec: {host: web, trafficPolicy: {" + policy + "}}")},
		}, webAnd())
		if problems.Err() != nil {
			t.Fatal(problems)
		}
		return a.Gateway.Services["web"], problems.Error()
	}
	if s, _ := service("loadBalancer: {simple: RANDOM}"); s.Balance != gateway.BalanceRandom {
		t.Errorf("got %s", s.Balance)
	}
	s, _ := service("loadBalancer: {consistentHash: {httpHeaderName: x-user, maglev: {}}, localityLbSetting: {enabled: false}, warmup: {duration: 30s}}")
	if s.Balance != gateway.BalanceMaglev || s.Hash != (gateway.HashConfig{Header: "x-user", LoadFactor: -1}) || !s.IgnoreZones || s.Warmup != 30*time.Second {
		t.Errorf("got %+v", s)
	}
	s, said := service("loadBalancer: {consistentHash: {httpCookie: {name: user, ttl: 1h}}}")
	if s.Balance != gateway.BalanceRingHash || s.Hash.Cookie != "user" || !strings.Contains(said, "Afloat sets no cookie") {
		t.Errorf("got %+v, %s", s, said)
	}
	if s, _ := service("connectionPool: {http: {h2UpgradePolicy: UPGRADE}}"); s.Protocol != gateway.ProtocolHTTP2 {
		t.Errorf("got %s", s.Protocol)
	}
	s, _ = service("tls: {mode: MUTUAL, caCertificates: ca.pem, clientCertificate: a.pem, privateKey: a.key, subjectAltNames: ['spiffe://a/b'], sni: web.internal}")
	want := &gateway.UpstreamTLSConfig{CA: "ca.pem", Cert: "a.pem", Key: "a.key", ServerName: "web.internal", ServerIDs: []gateway.SPIFFEPattern{"spiffe://a/b"}}
	if diff := cmp.Diff(want, s.TLS); diff != "" {
		t.Error(diff)
	}
}
