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

func TestExplain(t *testing.T) {
	everything := Source{"everything.yaml", []byte(`
listeners: [{address: 127.0.0.1:8080}, {address: "8081"}]
admin: {address: 0.0.0.0:9900, token: "${SECRET}"}
accessLog: {path: "-", sample: 10%}
services:
  web:
    endpoints: [127.0.0.1:9001, localhost:9002]
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
  fault: {delay: {share: 1%, duration: 1s}, abort: {share: 2%}}
  fallback: {body: sorry}
- to: [{service: web}, {service: api}]
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
