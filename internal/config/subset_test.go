package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/gateway"
)

const subsetRoutes = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop]
  http:
  - route:
    - {destination: {host: shop.default.svc.cluster.local, subset: v1}, weight: 90}
    - {destination: {host: shop, subset: v2}, weight: 10}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec:
  host: shop
  trafficPolicy: {loadBalancer: {simple: RANDOM}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`

const labelledShop = `services:
  shop:
    endpoints:
      - {address: 127.0.0.1:1, labels: {version: v1, app: shop}}
      - {address: 127.0.0.1:2, labels: {version: v1}}
      - {address: 127.0.0.1:3, labels: {version: v2}}
`

func TestSubsetsAreEndpointsOfOneService(t *testing.T) {
	a, problems := Assemble([]Source{{"v.yaml", []byte(subsetRoutes)}, {"afloat.yaml", []byte(labelledShop)}}, Options{})
	if a == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	want := []gateway.DestinationConfig{
		{Service: "shop", Labels: map[string]string{"version": "v1"}, Weight: 90},
		{Service: "shop", Labels: map[string]string{"version": "v2"}, Weight: 10},
	}
	if diff := cmp.Diff(want, a.Gateway.Routes[0].To); diff != "" {
		t.Error(diff)
	}
	if n := len(a.Gateway.Services); n != 1 || a.Gateway.Services["shop"].Balance != gateway.BalanceRandom {
		t.Errorf("got %d services, %+v", n, a.Gateway.Services["shop"])
	}

	// A service of the subset's own goes before labels.
	own := labelledShop + "  shop/v2: {endpoints: [127.0.0.1:4]}\n"
	a, problems = Assemble([]Source{{"v.yaml", []byte(subsetRoutes)}, {"afloat.yaml", []byte(own)}}, Options{})
	if a == nil {
		t.Fatal(problems)
	}
	want[1] = gateway.DestinationConfig{Service: "shop/v2", Weight: 10}
	if diff := cmp.Diff(want, a.Gateway.Routes[0].To); diff != "" {
		t.Error(diff)
	}
}

func TestSubsetsThatAreNoEndpointsAreTold(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(subsetRoutes, old, new, 1) }
	for text, want := range map[string]string{
		replace("labels: {version: v2}", "labels: {version: v3, app: shop}"): "no endpoint is known for shop, subset v2: none of service shop has the labels app=shop, version=v3; give --upstream shop/v2=HOST:PORT",
		replace("- {name: v2, labels: {version: v2}}", ""):                   "no endpoint is known for shop, subset v2: no DestinationRule says what its labels are",
		replace("  - route:", "  - mirror: {host: shop, subset: v2}\n    route:"): "v.yaml:7:5: spec.http[0]: copies go to all endpoints of a service, and subset v2 is some of those of shop; " +
			"give the subset a service of its own, shop/v2",
		replace("labels: {version: v2}", "labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: RANDOM}}"): "v.yaml:19:54: warning: spec.subsets[1].trafficPolicy: ignored: the subset is some endpoints of shop, and a service has one policy",
	} {
		_, problems := Assemble([]Source{{"v.yaml", []byte(text)}, {"afloat.yaml", []byte(labelledShop)}}, Options{})
		if got := problems.Error(); !strings.Contains(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
