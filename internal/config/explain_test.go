package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

func TestExplainACME(t *testing.T) {
	for hosts, want := range map[string]string{
		"shop.example":                            "with a certificate that acme-v02.api.letsencrypt.org issues for shop.example.",
		"shop.example, www.shop.example":          "with certificates that acme-v02.api.letsencrypt.org issues for shop.example and 1 other host.",
		"shop.example, bank.example, api.example": "with certificates that acme-v02.api.letsencrypt.org issues for shop.example and 2 other hosts.",
	} {
		a, problems := Assemble([]Source{{"afloat.yaml", []byte("listen: 0.0.0.0:443\ntls: {acme: {folder: acme, hosts: [" + hosts + "]}}\nservices: {web: {endpoints: [127.0.0.1:9001]}}\n")}}, Options{})
		if a == nil {
			t.Fatal(problems)
		}
		if got := a.Explain()[0]; got != "Requests come in on 0.0.0.0:443 over TLS, "+want {
			t.Errorf("got %s", got)
		}
	}
}

func TestExplain(t *testing.T) {
	everything := Source{"everything.yaml", []byte(`
listeners: [{address: 127.0.0.1:8080}, {address: "8081"}]
admin: {address: 0.0.0.0:9900, token: "${SECRET}"}
accessLog: {path: "-", sample: 10%}
services:
  web:
    endpoints: [127.0.0.1:9001, {address: localhost:9002, labels: {version: v2}}]
    balance: roundRobin
    timeout: 2m
    tryTimeout: 1.5s
    retryNonIdempotent: true
    retry: {attempts: 1, budget: {off: true}}
    breaker: {consecutiveFailures: -1, failureRate: -1, slowCallDuration: 1s, slowCallRate: 50%}
    outlier: {disabled: true}
    concurrency: {min: 10, max: 20, queueMax: -1}
    health: {path: /health, interval: 5s}
  api:
    process: {command: [./api, --port, $(PORT)], replicas: 2, restart: {policy: onFailure}}
    retry: {attempts: -1}
    breaker: {consecutiveFailures: -1, failureRate: -1}
    concurrency: {disabled: true}
routes:
- name: api
  match:
  - {host: "*.example.com", path: {prefix: /api}, method: {exact: GET}}
  - {path: {regex: "/v[0-9]+/.*", ignoreCase: true}, headers: {x-user: {exact: a}}, withoutHeaders: {x-bot: {}}, query: {debug: {}}}
  to: [{service: api, weight: 3}, {service: web, weight: 1}]
  timeout: 1s
  retry: {attempts: 5, delay: 10ms}
  rateLimit: {requests: 100}
  fault: {delay: {share: 1%, duration: 1s}, abort: {share: 2%}, for: 30m}
  fallback: {body: sorry}
- to: [{service: web, labels: {version: v2}}, {service: api}]
  access: {deny: [{path: {prefix: /admin}}], allow: [{identity: {exact: shop}}, {clients: [10.0.0.0/8], method: {exact: GET}}]}
  retryNonIdempotent: true
  user: {header: X-User}
`)}
	for name, a := range map[string]*Assembly{
		"virtualservice":         assembled(t, Options{Upstreams: twoUpstreams}, source(t, articleVirtualService)),
		"deployment":             assembled(t, Options{}, source(t, articleDeployment)),
		"deployment-and-command": assembled(t, Options{}, withCommand(t, "./web, --port, $(PORT)")),
		"quickstart":             assembled(t, Options{}, source(t, "../../examples/quickstart/afloat.yaml")),
		"everything":             assembled(t, Options{Env: environment}, everything),
	} {
		got := strings.Join(a.Explain(), "\n") + "\n"
		golden := filepath.Join("testdata", name+".explained")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if diff := cmp.Diff(string(want), got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s tells the secret", name)
		}
	}
}

// What a field's comment calls its default, in the schema too, is what the code
// sets it to.
func TestDocumentedDefaultsAreTheRealOnes(t *testing.T) {
	docs := comments(t)
	stated := regexp.MustCompile(`Default (\d[\w.%]*|[a-z]\w*)[.;,:]`)
	checked := 0
	for name, effective := range map[string]any{
		"gateway.ListenerConfig": gateway.ListenerConfig{}.WithDefaults(),
		"gateway.ServiceConfig":  gateway.ServiceConfig{}.WithDefaults(),
		"gateway.OutlierConfig":  gateway.OutlierConfig{}.WithDefaults(),
		"gateway.HealthConfig":   gateway.HealthConfig{}.WithDefaults(),
		"policy.RetryConfig":     policy.RetryConfig{}.WithDefaults(),
		"policy.BudgetConfig":    policy.BudgetConfig{}.WithDefaults(),
		"policy.BreakerConfig":   policy.BreakerConfig{}.WithDefaults(),
		"policy.AdaptiveConfig":  policy.AdaptiveConfig{}.WithDefaults(),
		"policy.TimeoutConfig":   policy.TimeoutConfig{}.WithDefaults(),
		"policy.HedgeConfig":     policy.HedgeConfig{}.WithDefaults(),
	} {
		v := reflect.ValueOf(effective)
		for i := range v.NumField() {
			field := v.Type().Field(i).Name
			m := stated.FindStringSubmatch(docs[name+"."+field])
			if m == nil {
				continue
			}
			checked++
			if got := v.Field(i).Interface(); !spells(m[1], got) {
				t.Errorf("%s.%s: its comment says %s, it is %v", name, field, m[1], got)
			}
		}
	}
	if checked < 35 {
		t.Errorf("only %d defaults were found in the comments", checked)
	}
}

// spells reports whether a word of a comment is the value.
func spells(word string, v any) bool {
	if want, ok := v.(time.Duration); ok {
		d, err := time.ParseDuration(word)
		return err == nil && d == want
	}
	return fmt.Sprint(v) == word || word == "0" && reflect.ValueOf(v).IsZero()
}

func TestListenersOfTCPNeedNoRoutes(t *testing.T) {
	a := assembled(t, Options{}, Source{"tcp.yaml", []byte(`
listeners:
- {address: "5432", tcp: {service: db}}
- {address: "8443", tcp: {service: rest, serverNames: {shop.example: shop, "*.example": rest}}}
services:
  db: {endpoints: [127.0.0.1:9001]}
  shop: {endpoints: [127.0.0.1:9002]}
  rest: {endpoints: [127.0.0.1:9003]}
`)})
	said := strings.Join(a.Explain(), "\n")
	for _, want := range []string{
		"Connections come in on 127.0.0.1:5432 and go to service db.",
		"Connections come in on 127.0.0.1:8443 and go to service rest for *.example, service shop for shop.example, service rest for the rest.",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("want %q in\n%s", want, said)
		}
	}
	_, problems := Assemble([]Source{{"tcp.yaml", []byte(`
listeners: [{address: "5432", tcp: {service: da, serverNames: {Shop.example: db}, proxyProtocol: v3}}]
services: {db: {endpoints: [127.0.0.1:9001], health: {connect: true, path: /}}}
`)}}, Options{})
	for _, want := range []string{`unknown service "da"`, "in lower case", "v3", "remove one of them"} {
		if !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("want %q in %v", want, problems)
		}
	}
}

func TestExplainSaysOneNumberOnce(t *testing.T) {
	for limits, want := range map[string]string{
		"{min: 50, initial: 50, max: 50}": "at most 50 requests under way;",
		"{min: 1, initial: 1, max: 1}":    "at most 1 request under way;",
		"{min: 5, max: 50}":               "5 to 50 requests under way, as learned from their latency;",
	} {
		a, problems := Assemble([]Source{{"a.yaml", []byte("services: {web: {endpoints: [127.0.0.1:1], concurrency: " + limits + "}}")}}, Options{})
		if a == nil {
			t.Fatal(problems)
		}
		if text := strings.Join(a.Explain(), "\n"); !strings.Contains(text, want) {
			t.Errorf("%s: no %q in %s", limits, want, text)
		}
	}
}
