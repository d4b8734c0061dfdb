package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/gateway"
)

const virtualServiceWithCORS = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example]
  http:
  - corsPolicy:
      allowOrigins: [{exact: "https://a.example"}, {prefix: "https://b."}, {regex: "https://c[0-9]+"}]
      allowMethods: [PUT]
      allowHeaders: [x-cart]
      exposeHeaders: [x-sum]
      maxAge: 24h
      allowCredentials: true
      unmatchedPreflights: UNMATCHED
    route: [{destination: {host: shop}}]
`

func TestCORSOfIstio(t *testing.T) {
	want := gateway.CORSConfig{
		Methods: []string{"PUT"}, Headers: []string{"x-cart"}, ExposeHeaders: []string{"x-sum"}, Credentials: true, MaxAge: 24 * time.Hour,
		Patterns: []gateway.StringMatch{{Exact: "https://a.example"}, {Prefix: "https://b."}, {Regex: "https://c[0-9]+"}},
	}
	for word, passes := range map[string]bool{"UNSPECIFIED": true, "FORWARD": true, "IGNORE": false} {
		a, problems := Assemble([]Source{{"v.yaml", []byte(strings.Replace(virtualServiceWithCORS, "UNMATCHED", word, 1))}}, Options{Upstreams: []string{"shop=127.0.0.1:1"}})
		if a == nil {
			t.Fatal(problems)
		}
		want.PassOthers = passes
		if diff := cmp.Diff(&want, a.Gateway.Routes[0].CORS); diff != "" {
			t.Errorf("%s: %s", word, diff)
		}
		if text := strings.Join(a.Explain(), "\n"); !strings.Contains(text, "open to pages of https://a.example and https://b. and https://c[0-9]+, with the user's credentials") {
			t.Errorf("got %s", text)
		}
	}
	_, problems := Assemble([]Source{{"v.yaml", []byte(strings.NewReplacer("UNMATCHED", "IGNORE", "https://a.example", "*").Replace(virtualServiceWithCORS))}}, Options{Upstreams: []string{"shop=127.0.0.1:1"}})
	if got := problems.Error(); !strings.Contains(got, "v.yaml:8:") || !strings.Contains(got, "any page could act as the user") {
		t.Errorf("got %v", got)
	}
}

func TestCORSOfGatewayAPI(t *testing.T) {
	const route = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  rules:
  - filters: [{type: CORS, cors: {allowOrigins: ["https://*.shop.example"], allowMethods: ["*"], allowCredentials: true}}]
    backendRefs: [{name: shop, port: 80}]
`
	a, problems := Assemble([]Source{{"r.yaml", []byte(route)}}, Options{Upstreams: []string{"shop=127.0.0.1:1"}})
	if a == nil {
		t.Fatal(problems)
	}
	want := &gateway.CORSConfig{Origins: []string{"https://*.shop.example"}, Methods: []string{"*"}, Credentials: true, MaxAge: 5 * time.Second}
	if diff := cmp.Diff(want, a.Gateway.Routes[0].CORS); diff != "" {
		t.Error(diff)
	}
}
